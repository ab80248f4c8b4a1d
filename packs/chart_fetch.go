package packs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// chartMediaType is the type of the layer that contains a chart, as helm pushes it.
const chartMediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// FetchChart downloads a chart from the client's server, up to 256 MiB. It verifies the digest of
// the registry or of ref.
func (c *Client) FetchChart(ctx context.Context, ref ChartRef) (Chart, error) {
	var chart Chart
	var err error
	if ref.OCI != "" {
		chart, err = c.pullChart(ctx, ref)
	} else {
		chart, err = c.downloadChart(ctx, ref)
	}
	if err != nil {
		return Chart{}, c.explain(err)
	}
	if ref.Listed != "" {
		chart.Repo = ref.Listed
	}
	return chart, nil
}

// pullChart pulls a chart from an OCI registry.
func (c *Client) pullChart(ctx context.Context, ref ChartRef) (Chart, error) {
	name := registry.Reference{Registry: c.server, Repository: ref.OCI}
	if err := name.ValidateRepository(); err != nil {
		return Chart{}, fail(CodeServerName, fmt.Sprintf("%s is not a repository", quote(ref.OCI)),
			"write oci://SERVER/PATH/NAME:VERSION in lower case")
	}
	repository := &remote.Repository{Client: c.auth, Reference: name, PlainHTTP: c.plain}
	if ref.Tag == "" && ref.Sum == "" {
		var err error
		if ref.Tag, err = c.highestChart(ctx, repository); err != nil {
			return Chart{}, err
		}
	}
	descriptor, body, err := repository.Manifests().FetchReference(ctx, chartReference(ref))
	if err != nil {
		if isNotFound(err) {
			return Chart{}, noChart("oci://"+c.server+"/"+ref.OCI, ref.Tag, err)
		}
		return Chart{}, err
	}
	defer body.Close() //nolint:errcheck // read only
	layer, err := chartLayer(descriptor, body)
	if err != nil {
		return Chart{}, err
	}
	blob, err := repository.Blobs().Fetch(ctx, layer)
	if err != nil {
		return Chart{}, err
	}
	defer blob.Close() //nolint:errcheck // read only
	text, err := content.ReadAll(blob, layer)
	if err != nil {
		return Chart{}, otherContent(err)
	}
	return Chart{
		File: path.Base(ref.OCI) + "-" + chartVersion(ref) + ".tgz", Content: text,
		Repo: "oci://" + c.server + "/" + path.Dir(ref.OCI),
	}, nil
}

// chartReference returns the tag or digest to fetch.
func chartReference(ref ChartRef) string {
	if ref.Sum != "" {
		return ref.Sum.String()
	}
	return ref.Tag
}

// chartVersion returns the part of a chart's file name after its name.
func chartVersion(ref ChartRef) string {
	if ref.Tag != "" {
		return ref.Tag
	}
	return ref.Sum.Encoded()[:12]
}

// chartLayer returns the layer of a manifest that contains the chart.
func chartLayer(descriptor ocispec.Descriptor, body io.Reader) (ocispec.Descriptor, error) {
	notAChart := func(what string, args ...any) (ocispec.Descriptor, error) {
		return ocispec.Descriptor{}, fail(CodeArchiveFormat,
			"the artifact is not a Helm chart: "+fmt.Sprintf(what, args...),
			"name a chart that helm push has pushed")
	}
	if descriptor.Size > maxManifest {
		return notAChart("its manifest has %d bytes", descriptor.Size)
	}
	text, err := content.ReadAll(body, descriptor)
	if err != nil {
		return ocispec.Descriptor{}, otherContent(err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return notAChart("its manifest is not JSON")
	}
	i := slices.IndexFunc(manifest.Layers, func(l ocispec.Descriptor) bool { return l.MediaType == chartMediaType })
	switch {
	case i < 0:
		return notAChart("it has no layer of the type %s", chartMediaType)
	case manifest.Layers[i].Size > largestInput:
		return notAChart("it is larger than %d MiB", largestInput>>20)
	case manifest.Layers[i].Digest.Validate() != nil || manifest.Layers[i].Size < 0:
		return notAChart("its layer has no valid digest")
	}
	return manifest.Layers[i], nil
}

// highestChart returns the tag of the highest version of a chart.
func (c *Client) highestChart(ctx context.Context, repository *remote.Repository) (string, error) {
	var tags []string
	pages := c.newPaging("the tags of " + repository.Reference.Repository)
	err := repository.Tags(ctx, "", func(page []string) error {
		fresh, err := pages.next(page)
		tags = append(tags, fresh...)
		return err
	})
	if err != nil {
		return "", err
	}
	highest := highestVersion(tags)
	if highest == "" {
		return "", noChart("oci://"+c.server+"/"+repository.Reference.Repository, "", nil)
	}
	return highest, nil
}

// highestVersion returns the highest of the versions that start with a number. It prefers releases
// to pre-releases.
func highestVersion(versions []string) string {
	best := ""
	for _, v := range versions {
		if len(numbers(v)) == 0 {
			continue
		}
		stable, bestStable := restClass(splitVersion(v).rest) >= 0, best != "" && restClass(splitVersion(best).rest) >= 0
		if best == "" || stable && !bestStable || stable == bestStable && CompareVersions(best, v) < 0 {
			best = v
		}
	}
	return best
}

func noChart(where, version string, err error) error {
	what := "there is no chart " + where
	if version != "" {
		what += " of version " + version
	}
	return fail(
		CodePackUnknown, what, "see its name and version with helm search repo or helm show chart",
	).because(err)
}

// get opens a URL of the client's server, or of another one without credentials.
func (c *Client) get(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("name chart: %w", err)
	}
	r.Header = c.auth.Header.Clone()
	if c.o.Credential != nil && r.URL.Host == c.server {
		known, err := c.o.Credential(ctx, c.server)
		if err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		if known.Username != "" {
			r.SetBasicAuth(known.Username, known.Password)
		}
	}
	response, err := c.auth.Client.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	_ = response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return nil, fail(CodePackUnknown, "there is no "+quote(address), "open it in a browser: is the URL right?")
	case http.StatusUnauthorized:
		return nil, c.login("%s requires a user and password", c.server)
	}
	return nil, &errcode.ErrorResponse{Method: http.MethodGet, URL: r.URL, StatusCode: response.StatusCode}
}

// downloadChart downloads a chart from a web server.
func (c *Client) downloadChart(ctx context.Context, ref ChartRef) (Chart, error) {
	u, err := url.Parse(ref.URL)
	if err != nil {
		return Chart{}, fmt.Errorf("name chart: %w", err)
	}
	response, err := c.get(ctx, ref.URL)
	if err != nil {
		return Chart{}, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, largestInput+1))
	switch {
	case err != nil:
		return Chart{}, err
	case len(text) > largestInput:
		return Chart{}, fail(CodeTooLarge, fmt.Sprintf("%s is larger than %d MiB", quote(ref.URL), largestInput>>20),
			"is it the URL of a packaged chart?")
	case ref.Sum != "" && digest.SHA256.FromBytes(text) != ref.Sum:
		return Chart{}, fail(CodeOtherContent,
			fmt.Sprintf("%s is not what the index of the repository describes: its sha256 is %s, not %s",
				quote(ref.URL), digest.SHA256.FromBytes(text).Encoded(), ref.Sum.Encoded()),
			"try again; if it stays so, ask the operator of the repository")
	}
	name := path.Base(u.Path)
	if !strings.HasSuffix(name, ".tgz") || checkName(name, Limits{}.withDefaults()) != "" {
		name = "chart-" + digest.SHA256.FromBytes(text).Encoded()[:12] + ".tgz"
	}
	return Chart{File: name, Content: text}, nil
}

var errNoEntry = errors.New("the index does not list the chart")
