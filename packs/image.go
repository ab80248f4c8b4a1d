package packs

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"packhouse/pattern"
)

// Image is a container image that a pack refers to, for mirroring.
type Image struct {
	Reference string `json:"image"`
	// Source is the file that refers to it, relative to the pack's folder; inside a chart:
	// charts/x.tgz!x/values.yaml
	Source string `json:"source"`
	From   Origin `json:"from,omitzero"`
}

// Limits of the image scan. Beyond them, images may be missed, without further effect.
const (
	maxYAML       = 8 << 20   // of one file
	maxScan       = 128 << 20 // total of all files, uncompressed
	maxChartFiles = 5000      // in one chart
	maxChartDepth = 3         // charts in charts
	maxImages     = 5000
	maxImageBytes = 512 << 10 // total of all references and their sources
	maxAppVersion = 128       // of a chart's appVersion
)

var (
	// imageReference matches a name of the distribution grammar, optionally with host, tag and
	// digest.
	imageReference = pattern.Lazy(`^(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`)
	imageWords     = []string{"true", "false", "null", "string", "object", "integer", "boolean", "array"}
)

// imageScan finds the images of a pack in a single pass over its files.
type imageScan struct {
	found  []Image
	bytes  int // total size of found
	budget int64
}

func newImageScan() *imageScan { return &imageScan{budget: maxScan} }

// add scans a file if it is YAML or a chart. It returns an error only if the file cannot be read.
func (s *imageScan) add(f File, content io.Reader) error {
	switch path.Ext(f.Path) {
	case ".yaml", ".yml":
		if _, err := s.collect(f.Path, content); err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
	case ".tgz", ".gz":
		s.chart(f.Path+"!", content, 1)
	}
	return nil
}

// skim calls visit for the lines of a file, within the budget.
func (s *imageScan) skim(content io.Reader, visit func([]line, int) bool) error {
	most := min(maxYAML, s.budget)
	limited := &io.LimitedReader{R: content, N: most}
	err := skim(limited, visit)
	s.budget -= most - limited.N
	return err
}

// chart scans a Helm chart. It ignores damage, which Helm reports.
func (s *imageScan) chart(source string, content io.Reader, depth int) {
	unpacked, err := gzip.NewReader(content)
	if err != nil {
		return
	}
	var (
		bounded = &io.LimitedReader{R: unpacked, N: s.budget}
		headers = &headerReader{r: bounded}
		archive = tar.NewReader(headers)
		// The appVersion of a chart is the default tag of its images. A chart may contain unpacked
		// ones, and Chart.yaml may follow the values.
		versions = map[string]string{}
		pending  []pendingImage
	)
	for range maxChartFiles {
		header, err := headers.next(archive)
		if err != nil {
			break
		}
		name := path.Clean(header.Name)
		switch ext := path.Ext(name); {
		case header.Typeflag != tar.TypeReg || len(source)+len(name) > 2*maxPath:
		case path.Base(name) == "Chart.yaml":
			if version := s.appVersion(archive); version != "" && len(versions) < maxItems {
				versions[path.Dir(name)] = version
			}
		case ext == ".yaml" || ext == ".yml":
			untagged, err := s.collect(source+name, archive)
			if err != nil {
				return
			}
			for _, i := range untagged {
				pending = append(pending, pendingImage{i, name})
			}
		case ext == ".tgz" && depth < maxChartDepth:
			s.chart(source+name+"!", archive, depth+1)
		}
		if _, err := io.Copy(io.Discard, archive); err != nil {
			break
		}
	}
	s.budget = min(s.budget, bounded.N)
	for _, p := range pending {
		if reference := s.found[p.index].Reference + ":" + nearestVersion(versions, p.name); imageReference().MatchString(reference) {
			s.found[p.index].Reference = reference
		}
	}
}

// pendingImage is an image without a tag, which may get the chart's version.
type pendingImage struct {
	index int
	name  string // of the file in the chart
}

// nearestVersion returns the version of the chart that a file belongs to.
func nearestVersion(versions map[string]string, name string) string {
	for folder := path.Dir(name); folder != "." && folder != "/"; folder = path.Dir(folder) {
		if version, ok := versions[folder]; ok {
			return version
		}
	}
	return ""
}

// mayNameImages reports whether the scan reads a file.
func mayNameImages(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".tgz", ".gz":
		return true
	}
	return false
}

func isImageKey(key string) bool { return key == "image" || strings.HasSuffix(key, "Image") }

// appVersion returns the version in a Chart.yaml, or "".
func (s *imageScan) appVersion(content io.Reader) (version string) {
	_ = s.skim(content, func(window []line, at int) bool { // an unreadable file has no version
		if window[at].path == "appVersion" {
			version = window[at].value
		}
		return version == ""
	})
	if len(version) > maxAppVersion {
		return ""
	}
	return strings.Clone(version)
}

// collect finds images in one file. It returns the indexes of those that may get the chart's
// version.
func (s *imageScan) collect(source string, content io.Reader) (untagged []int, err error) {
	err = s.skim(content, func(lines []line, i int) bool {
		l := lines[i]
		switch {
		case len(s.found) >= maxImages || s.bytes >= maxImageBytes:
			return false
		case l.value == "":
		case isImageKey(l.key):
			reference := l.value
			if !tagged(reference) {
				around := siblings(lines, i)
				reference = assemble(around["registry"], reference, cmp.Or(around["tag"], around["imageTag"]), around["digest"])
			}
			s.append(reference, source, l.key != "image")
		case l.key == "repository":
			around := siblings(lines, i)
			_, hasTag := around["tag"]
			_, hasRegistry := around["registry"]
			if parent := strings.ToLower(strings.TrimSuffix(l.path, ".repository")); !hasTag && !hasRegistry && !strings.HasSuffix(parent, "image") {
				return true
			}
			reference := assemble(around["registry"], l.value, around["tag"], around["digest"])
			if s.append(reference, source, true) && !tagged(reference) {
				untagged = append(untagged, len(s.found)-1)
			}
		case l.key == "" && l.item && (l.path == "images" || strings.HasSuffix(l.path, ".images")):
			s.append(l.value, source, true)
		}
		return true
	})
	return untagged, err
}

// siblings returns the scalars in the same mapping as a line.
func siblings(lines []line, at int) map[string]string {
	found := map[string]string{}
	indent := lines[at].indent
	for i := at; i >= max(0, at-maxSiblings); i-- {
		if l := lines[i]; l.indent < indent {
			break
		} else if l.indent == indent {
			found[l.key] = l.value
			if l.item {
				break
			}
		}
	}
	for _, l := range lines[at+1 : min(len(lines), at+1+maxSiblings)] {
		if l.indent < indent || l.indent == indent && l.item {
			break
		}
		if l.indent == indent {
			found[l.key] = l.value
		}
	}
	return found
}

// assemble joins the parts of a reference, as charts do.
func assemble(registry, repository, tag, digest string) string {
	reference := repository
	if registry != "" {
		reference = strings.TrimSuffix(registry, "/") + "/" + repository
	}
	if tagged(reference) {
		return reference
	}
	if tag != "" {
		reference += ":" + tag
	}
	if strings.HasPrefix(digest, "sha256:") {
		reference += "@" + digest
	}
	return reference
}

// tagged reports whether a reference has a tag or a digest.
func tagged(reference string) bool {
	return strings.ContainsAny(reference[strings.LastIndexByte(reference, '/')+1:], ":@")
}

// append adds a reference and reports whether it is valid. With strict, it must have a host, path,
// tag or digest.
func (s *imageScan) append(reference, source string, strict bool) bool {
	if len(reference) > 512 || !imageReference().MatchString(reference) || slices.Contains(imageWords, reference) || strict && !strings.ContainsAny(reference, ":/@") {
		return false
	}
	s.found = append(s.found, Image{Reference: strings.Clone(reference), Source: source, From: Guessed}) // a copy, to not retain a long line
	s.bytes += len(reference) + len(source)
	return true
}

// finish adds the images of values.yaml, and returns all, each once.
func (s *imageScan) finish(values []byte) []Image {
	_, _ = s.collect(ValuesFile, bytes.NewReader(values)) // reading a buffer cannot fail
	s.declare(values)
	slices.SortStableFunc(s.found, func(a, b Image) int {
		return cmp.Or(strings.Compare(a.Reference, b.Reference), sourceOrder(a.Source)-sourceOrder(b.Source), strings.Compare(a.Source, b.Source))
	})
	unique := s.found[:0]
	for _, i := range s.found {
		if last := len(unique) - 1; last >= 0 && unique[last].Reference == i.Reference {
			unique[last].From |= i.From
			continue
		}
		unique = append(unique, i)
	}
	// A pack's values repeat those of its charts, which may omit a tag: prefer the reference with
	// the tag.
	withTag := map[string]bool{}
	for _, i := range unique {
		if tagged(i.Reference) {
			withTag[repositoryOf(i.Reference)] = true
		}
	}
	return slices.DeleteFunc(unique, func(i Image) bool {
		return i.From&Declared == 0 && !tagged(i.Reference) && withTag[i.Reference]
	})
}

// repositoryOf returns a reference without tag and digest.
func repositoryOf(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name
}

// sourceOrder ranks files by how likely people are to look there.
func sourceOrder(source string) int {
	switch {
	case source == ValuesFile:
		return 0
	case strings.Contains(source, "!"):
		return 2
	}
	return 1
}
