package packs

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// BuildOptions are the options of Build. Set either Chart or Manifests.
type BuildOptions struct {
	Name        string // of the pack
	Dir         string // parent directory of the pack's folder <name>-<version>
	Chart       string // file of a packaged chart, .tgz
	Manifests   string // folder with .yaml files, also in subfolders
	Version     string // empty: the chart's; required for manifests
	DisplayName string // empty: the name
	Layer       string // empty: addon
	Namespace   string // empty: the name
	Logo        string // PNG file; empty: a generated one
}

// Build creates a pack and returns its folder, which must not exist yet. It lists the images it
// finds in values.yaml, for mirroring, and writes values under the keys that Palette reads. The
// result is a starting point for manual changes.
func Build(ctx context.Context, o BuildOptions) (string, error) {
	b := &builder{o: o, files: map[string][]byte{}}
	if err := b.collect(ctx); err != nil {
		return "", err
	}
	if !packName.MatchString(o.Name) || len(o.Name) > maxName {
		return "", &Failure{Code: CodeName, What: fmt.Sprintf("%s cannot be a pack's name", quote(o.Name)), Remedy: "use lower-case letters and digits, joined by single . _ or -"}
	}
	if !tagLabel.MatchString(b.metadata.Version) {
		return "", &Failure{Code: CodeVersion, What: fmt.Sprintf("%s cannot be a version", quote(b.metadata.Version)), Remedy: "--version gives another one, such as 1.2.3"}
	}
	if err := b.describe(); err != nil {
		return "", err
	}
	return b.write()
}

type builder struct {
	o        BuildOptions
	metadata Metadata
	readme   []byte
	values   []byte // of the chart
	chart    string // name of the chart
	images   []Image
	files    map[string][]byte // by path in the pack
}

// collect reads the sources of the pack.
func (b *builder) collect(ctx context.Context) error {
	b.metadata = Metadata{
		Name: b.o.Name, DisplayName: cmp.Or(b.o.DisplayName, b.o.Name), Layer: cmp.Or(b.o.Layer, "addon"), CloudTypes: []string{"all"},
		Version: b.o.Version,
	}
	if b.o.Chart != "" {
		return b.collectChart()
	}
	return b.collectManifests(ctx)
}

func (b *builder) collectChart() error {
	content, err := readInput(b.o.Chart)
	if err != nil {
		return fmt.Errorf("read chart: %w", err)
	}
	scan := newImageScan()
	documents, err := readChart(content)
	if err != nil {
		return &Failure{Code: CodeArchiveFormat, What: fmt.Sprintf("%s is no Helm chart: %v", quote(b.o.Chart), err), Remedy: "helm package makes one out of a chart's folder, helm pull fetches one"}
	}
	var about struct {
		Name        string `yaml:"name"`
		Version     string `yaml:"version"`
		Description string `yaml:"description"`
	}
	chart, err := parseYAML(documents["Chart.yaml"])
	if err == nil {
		err = chart.Decode(&about)
	}
	if err != nil || about.Name == "" || about.Version == "" {
		return &Failure{Code: CodeArchiveFormat, What: fmt.Sprintf("the Chart.yaml of %s has no name or no version", quote(b.o.Chart)), Remedy: "helm lint tells more"}
	}
	// A chart's version may contain build metadata, +…, which tags do not allow.
	b.metadata.Version = cmp.Or(b.o.Version, strings.ReplaceAll(strings.TrimPrefix(about.Version, "v"), "+", "-"))
	b.chart, b.values = about.Name, documents["values.yaml"]
	b.readme = documents["README.md"]
	if b.readme == nil {
		b.readme = fmt.Appendf(nil, "# %s\n\n%s\n", b.metadata.DisplayName, cmp.Or(about.Description, "Helm chart "+about.Name+" "+about.Version))
	}
	name := "charts/" + filepath.Base(b.o.Chart)
	b.files[name] = content
	b.metadata.Charts = []string{name}
	if err := scan.add(File{Path: name}, bytes.NewReader(content)); err != nil {
		return err
	}
	b.images = scan.finish(nil)
	return nil
}

// readChart returns the files at the top of a chart.
func readChart(content []byte) (map[string][]byte, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, errors.New("the file is no gzipped tar")
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
		name := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || strings.Count(name, "/") != 1 {
			continue
		}
		switch base := path.Base(name); base {
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

func (b *builder) collectManifests(ctx context.Context) error {
	if b.o.Version == "" {
		return &Failure{Code: CodeVersion, What: "manifests have no version of their own", Remedy: "--version 1.0.0"}
	}
	root, err := os.OpenRoot(b.o.Manifests)
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	scan := newImageScan()
	var refused []Problem
	err = walk(root.FS(), Limits{}.withDefaults(), func(p Problem) {
		if p.Severity == Error {
			refused = append(refused, p)
		}
	}, func(f File) error {
		if ext := path.Ext(f.Path); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		content, err := fs.ReadFile(root.FS(), f.Path)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name := "manifests/" + f.Path
		b.files[name] = content
		b.metadata.KubeManifests = append(b.metadata.KubeManifests, name)
		return scan.add(File{Path: name}, bytes.NewReader(content))
	})
	switch {
	case err != nil:
		return err
	case len(refused) > 0:
		return &Refused{refused}
	case len(b.files) == 0:
		return &Failure{Code: CodeFileMissing, What: fmt.Sprintf("no .yaml file lies in %s", quote(b.o.Manifests)), Remedy: "name the folder of the manifests"}
	}
	b.images = scan.finish(nil)
	b.readme = fmt.Appendf(nil, "# %s\n\nApplies, in this order:\n\n- %s\n", b.metadata.DisplayName, strings.Join(b.metadata.KubeManifests, "\n- "))
	return nil
}

// describe adds the files that make the folder a pack.
func (b *builder) describe() error {
	text, err := json.MarshalIndent(b.metadata, "", "  ")
	if err != nil {
		return fmt.Errorf("write pack.json: %w", err)
	}
	b.files[MetadataFile] = append(text, '\n')
	b.files[ReadmeFile] = b.readme
	b.files[ValuesFile] = b.valuesFile()
	b.files[LogoFile] = drawLogo(b.o.Name)
	if b.o.Logo != "" {
		if b.files[LogoFile], err = readInput(b.o.Logo); err != nil {
			return fmt.Errorf("read logo: %w", err)
		}
	}
	return nil
}

// valuesFile returns values.yaml: the chart's values, with comments, indented one level deeper.
func (b *builder) valuesFile() []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "pack:\n  content:\n    images:")
	if len(b.images) == 0 {
		text.WriteString(" []")
	}
	text.WriteString("\n")
	for _, i := range b.images {
		fmt.Fprintf(&text, "      - image: %s\n", i.Reference)
	}
	fmt.Fprintf(&text, "  namespace: %q\n", cmp.Or(b.o.Namespace, strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return '-'
		}
		return r
	}, b.o.Name)))
	if b.chart == "" {
		return text.Bytes()
	}
	fmt.Fprintf(&text, "\ncharts:\n  %s:\n", b.chart)
	for line := range strings.Lines(string(b.values)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "---" || strings.HasPrefix(line, "%"):
		case line == "":
			text.WriteString("\n")
		default:
			text.WriteString("    " + line + "\n")
		}
	}
	return text.Bytes()
}

// drawLogo draws a square whose color is derived from the name, to distinguish packs until a real
// logo is added.
func drawLogo(name string) []byte {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	sum := hash.Sum32()
	dark := func(shift uint) uint8 { return uint8(64 + (sum>>shift)%128) } //nolint:gosec // stays below 192
	const side, edge, corner = 128, 8, 20
	logo := image.NewNRGBA(image.Rect(0, 0, side, side))
	fill := color.NRGBA{dark(0), dark(8), dark(16), 255}
	for y := edge; y < side-edge; y++ {
		for x := edge; x < side-edge; x++ {
			dx, dy := max(edge+corner-x, x-(side-edge-corner-1), 0), max(edge+corner-y, y-(side-edge-corner-1), 0)
			if dx*dx+dy*dy <= corner*corner {
				logo.SetNRGBA(x, y, fill)
			}
		}
	}
	var content bytes.Buffer
	_ = png.Encode(&content, logo) // writing to a buffer cannot fail
	return content.Bytes()
}

// write creates the folder atomically.
func (b *builder) write() (string, error) {
	staging, err := stage(b.o.Dir)
	if err != nil {
		return "", err
	}
	defer staging.close()
	names := make([]string, 0, len(b.files))
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := extractFile(staging.pack, name, 0o644, bytes.NewReader(b.files[name])); err != nil {
			return "", err
		}
	}
	return staging.publish(b.metadata.Folder())
}

// largestInput is the maximum size of a chart or logo in bytes.
const largestInput = 256 << 20

// readInput reads a chart or logo. It does not block on a named pipe.
func readInput(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case info.Size() > largestInput:
		err = fmt.Errorf("larger than %d bytes", largestInput)
	default:
		return io.ReadAll(io.LimitReader(f, largestInput))
	}
	return nil, &fs.PathError{Op: "read", Path: path, Err: err}
}
