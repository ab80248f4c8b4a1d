package packs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/trust"
)

// Chart is a packaged Helm chart.
type Chart struct {
	File    string // its file name: nginx-18.1.0.tgz
	Content []byte
	Repo    string // URL of its repository, or oci:// and the path above it; empty: unknown
}

// ReadChart reads the file of a packaged chart.
func ReadChart(name string) (Chart, error) {
	content, err := trust.ReadConfigured(name, largestInput)
	if err != nil {
		return Chart{}, fmt.Errorf("read chart: %w", err)
	}
	return Chart{File: filepath.Base(name), Content: content}, nil
}

// ChartRef is where a packaged chart is. Exactly one of Path, URL, OCI and Repo is set.
type ChartRef struct {
	Path string        // file
	URL  string        // http or https
	OCI  string        // repository without its server: bitnamicharts/nginx
	Repo string        // URL of a chart repository, without a slash at its end
	Name string        // of the chart in Repo
	Tag  string        // its version; empty: the highest
	Sum  digest.Digest // of the manifest for OCI, of the file for URL; empty: unknown

	Server string // as NewClient reads it; empty for a file
	Listed string // repository in whose index the chart is listed, if any
}

// ParseChartRef parses the place of a chart: a file, https://…/x.tgz, oci://server/path/name[:version],
// or, if repo is not empty, NAME[:VERSION] in that chart repository. A file is a path or a name that
// ends with .tgz.
func ParseChartRef(text, repo string) (ChartRef, error) {
	bad := func(what, remedy string, args ...any) (ChartRef, error) {
		return ChartRef{}, fail(CodeServerName, fmt.Sprintf(what, args...), remedy)
	}
	if place, ok := strings.CutPrefix(text, "oci://"); ok {
		return parseOCIChart(place)
	}
	if strings.Contains(text, "://") {
		u, err := parseWebURL(text)
		if err != nil {
			return ChartRef{}, err
		}
		return ChartRef{URL: u.String(), Server: u.Scheme + "://" + u.Host}, nil
	}
	if repo == "" || strings.HasSuffix(text, ".tgz") || strings.ContainsAny(text, `/\`) {
		return ChartRef{Path: text}, nil
	}
	if strings.HasPrefix(repo, "oci://") {
		remedy := "leave out --repo: --chart " + strings.TrimSuffix(repo, "/") + "/" + text
		return bad("%s is not a chart repository", remedy, quote(repo))
	}
	u, err := parseWebURL(repo)
	if err != nil {
		return ChartRef{}, err
	}
	name, version, _ := strings.Cut(text, ":")
	if !chartName().MatchString(name) {
		return bad("%s is not a chart of a repository", "write NAME or NAME:VERSION", quote(text))
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return ChartRef{Repo: u.String(), Name: name, Tag: version, Server: u.Scheme + "://" + u.Host}, nil
}

// parseOCIChart parses server/path/name[:version][@digest].
func parseOCIChart(place string) (ChartRef, error) {
	bad := func(why string) (ChartRef, error) {
		return ChartRef{}, fail(CodeServerName, fmt.Sprintf("%s is not a chart: %s", quote("oci://"+place), why),
			"write oci://SERVER/PATH/NAME:VERSION")
	}
	server, repository, ok := strings.Cut(place, "/")
	if !ok || repository == "" {
		return bad("it names no repository")
	}
	var ref ChartRef
	repository, sum, hasSum := strings.Cut(repository, "@")
	if hasSum {
		if ref.Sum = digest.Digest(sum); ref.Sum.Validate() != nil {
			return bad("its digest is not sha256: and 64 hexadecimal digits")
		}
	}
	ref.OCI, ref.Tag, _ = strings.Cut(repository, ":")
	ref.Tag = strings.ReplaceAll(ref.Tag, "+", "_") // as helm pushes it: tags cannot contain +
	if ref.Tag != "" && !tagLabel().MatchString(ref.Tag) {
		return bad("its version cannot be a tag")
	}
	if server == "docker.io" {
		server = "registry-1.docker.io"
	}
	var err error
	if ref.Server, _, err = ParseServer("oci://" + server); err != nil {
		return ChartRef{}, err
	}
	return ref, nil
}

// parseWebURL parses an http or https URL without credentials.
func parseWebURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fail(
			CodeServerName, fmt.Sprintf("%s is not a URL of a chart", quote(text)), "write https://HOST/PATH",
		)
	case u.User != nil:
		return nil, fail(CodeServerName, "the URL contains a user, which others can read in the list of processes",
			"leave it out, and log in: packhouse registry login "+u.Host)
	}
	return u, nil
}

// readChart returns the files at the top of a chart.
func readChart(content []byte) (map[string][]byte, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, errors.New("the file is not a gzipped tar")
	}
	archive := tar.NewReader(&io.LimitedReader{R: unpacked, N: maxScan})
	documents := map[string][]byte{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("the archive is damaged")
		}
		_, name, _ := strings.Cut(header.Name, "/") // as helm does: ./Chart.yaml is at the top, too
		if header.Typeflag != tar.TypeReg {
			continue
		}
		switch base := path.Clean(name); base {
		case "Chart.yaml", "values.yaml", "README.md":
			if documents[base], err = readDocument(base, header.Size, archive); err != nil {
				return nil, errors.New("the archive is damaged")
			}
		}
	}
	if documents["Chart.yaml"] == nil {
		return nil, errors.New("there is no Chart.yaml in it")
	}
	return documents, nil
}

// largestInput is the maximum size of a chart or logo in bytes.
const largestInput = 256 << 20
