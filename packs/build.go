package packs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/trust"
)

// BuildOptions are the options of Build. Charts or Manifests is required.
type BuildOptions struct {
	Name        string  // of the pack
	Dir         string  // parent directory of the pack's folder <name>-<version>, or that folder
	Charts      []Chart // installed in this order
	Manifests   string  // folder with .yaml files, also in subfolders
	Version     string  // empty: that of the first chart; required without charts
	DisplayName string  // empty: the name
	Layer       string  // empty: addon
	AddonType   string
	CloudTypes  []string // empty: all
	Namespace   string   // empty: the name
	Logo        string   // PNG file; empty: a generated one

	// Images returns the images of the pack in a folder, for values.yaml. Nil: those found in texts.
	Images func(ctx context.Context, dir string) ([]Image, error)
}

// Build creates a pack and returns its folder, which must not exist yet. It lists the images it
// finds in values.yaml, for mirroring, and writes values under the keys that Palette reads. The
// result is a starting point for manual changes. Build writes no pack that has errors.
func Build(ctx context.Context, o BuildOptions) (string, error) {
	b := &builder{o: o, files: map[string][]byte{}, scan: newImageScan()}
	if err := b.collect(ctx); err != nil {
		return "", err
	}
	o.Version = b.metadata.Version
	if err := o.Validate(); err != nil {
		return "", err
	}
	if err := b.describe(); err != nil {
		return "", err
	}
	return b.write(ctx)
}

// Validate returns a [*Failure] if pack.json would have errors. An empty Version is valid.
func (o BuildOptions) Validate() error {
	metadata := o.metadata()
	metadata.Version = cmp.Or(o.Version, "0")
	text, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("write pack.json: %w", err)
	}
	_, problems := ParseMetadata(text)
	for _, p := range problems {
		if p.Severity == finding.Refused || p.Code == CodeCloudType {
			return fail(p.Code, p.What, p.Remedy)
		}
	}
	if o.AddonType != "" && metadata.Layer != "addon" {
		return fail(CodeLayer, fmt.Sprintf("packs of the layer %s have no add-on type", metadata.Layer),
			"use the layer addon, or leave out the add-on type")
	}
	return nil
}

func (o BuildOptions) metadata() Metadata {
	m := Metadata{
		Name: o.Name, DisplayName: cmp.Or(o.DisplayName, o.Name), Version: o.Version,
		Layer: cmp.Or(o.Layer, "addon"), AddonType: o.AddonType, CloudTypes: o.CloudTypes,
	}
	if len(m.CloudTypes) == 0 {
		m.CloudTypes = []string{"all"}
	}
	return m
}

type builder struct {
	o        BuildOptions
	metadata Metadata
	about    []string // of README.md: a line per chart
	readme   []byte   // of the chart, if there is one
	charts   []builtChart
	scan     *imageScan
	images   []Image           // to mirror
	files    map[string][]byte // by path in the pack
}

// builtChart is a chart of the pack.
type builtChart struct {
	name, version string
	repo          string // empty: unknown
	values        []byte
}

// collect reads the sources of the pack.
func (b *builder) collect(ctx context.Context) error {
	b.metadata = b.o.metadata()
	for _, chart := range b.o.Charts {
		if err := b.collectChart(chart); err != nil {
			return err
		}
	}
	if b.o.Manifests == "" {
		return nil
	}
	return b.collectManifests(ctx)
}

var chartName = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9._-]{0,249}$`)

func (b *builder) collectChart(chart Chart) error {
	documents, err := readChart(chart.Content)
	if err != nil {
		return fail(CodeArchiveFormat, fmt.Sprintf("%s is not a Helm chart: %v", quote(chart.File), err),
			"create one with helm package, or fetch one with helm pull")
	}
	var about struct {
		Name        string `yaml:"name"`
		Version     string `yaml:"version"`
		Description string `yaml:"description"`
	}
	parsed, err := parseYAML(documents["Chart.yaml"])
	if err == nil {
		err = parsed.Decode(&about)
	}
	name := "charts/" + chart.File
	switch {
	case err != nil || !chartName().MatchString(about.Name) || about.Version == "":
		return fail(CodeArchiveFormat,
			fmt.Sprintf("the Chart.yaml of %s has no valid name or no version", quote(chart.File)),
			"run helm lint on the chart")
	case b.files[name] != nil || slices.ContainsFunc(b.charts, func(c builtChart) bool { return c.name == about.Name }):
		return fail(CodeArchiveFormat, fmt.Sprintf("the chart %s is given twice", quote(about.Name)),
			"name each chart once: a pack has one block of values per chart")
	}
	if b.metadata.Version == "" {
		// A chart's version may contain build metadata, +…, which tags do not allow.
		b.metadata.Version = strings.ReplaceAll(strings.TrimPrefix(about.Version, "v"), "+", "-")
	}
	b.charts = append(b.charts, builtChart{about.Name, about.Version, chart.Repo, documents["values.yaml"]})
	b.readme = documents["README.md"]
	b.about = append(b.about, cmp.Or(about.Description, "Helm chart "+about.Name+" "+about.Version))
	b.files[name] = chart.Content
	b.metadata.Charts = append(b.metadata.Charts, name)
	return b.scan.add(File{Path: name}, bytes.NewReader(chart.Content))
}

func (b *builder) collectManifests(ctx context.Context) error {
	if b.metadata.Version == "" {
		return fail(CodeVersion, "manifests have no version of their own", "--version 1.0.0")
	}
	root, err := trust.OpenFolder(b.o.Manifests)
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	var refused []finding.Finding
	err = walk(root.FS(), Limits{}.withDefaults(), func(p finding.Finding) {
		if p.Severity == finding.Refused {
			refused = append(refused, p)
		}
	}, func(f File) error {
		if ext := path.Ext(f.Path); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		content, err := ReadText(root.FS(), f.Path)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name := "manifests/" + f.Path
		b.files[name] = content
		b.metadata.KubeManifests = append(b.metadata.KubeManifests, name)
		return b.scan.add(File{Path: name}, bytes.NewReader(content))
	})
	switch {
	case err != nil:
		return err
	case len(refused) > 0:
		return &Refused{refused}
	case len(b.metadata.KubeManifests) == 0:
		return fail(CodeFileMissing, fmt.Sprintf("there is no .yaml file in %s", quote(b.o.Manifests)),
			"name the folder of the manifests")
	}
	return nil
}

// describe adds the files that make the folder a pack.
func (b *builder) describe() error {
	text, err := json.MarshalIndent(b.metadata, "", "  ")
	if err != nil {
		return fmt.Errorf("write pack.json: %w", err)
	}
	b.files[MetadataFile] = append(text, '\n')
	b.files[ReadmeFile] = b.readmeFile()
	b.files[LogoFile] = drawLogo(b.o.Name, b.files) // without values.yaml, which write may replace
	b.images = b.scan.finish(nil)
	if b.o.Images != nil {
		b.images = nil // write asks for them
	}
	b.files[ValuesFile] = b.valuesFile()
	if b.o.Logo != "" {
		if b.files[LogoFile], err = trust.ReadConfigured(b.o.Logo, largestInput); err != nil {
			return fmt.Errorf("read logo: %w", err)
		}
	}
	return nil
}

// readmeFile returns README.md: that of the chart if the pack is one chart, otherwise a list of what
// the pack installs.
func (b *builder) readmeFile() []byte {
	if len(b.charts) == 1 && len(b.metadata.KubeManifests) == 0 && b.readme != nil {
		return b.readme
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# %s\n\n", b.metadata.DisplayName)
	switch {
	case len(b.charts) == 1:
		fmt.Fprintf(&text, "%s\n", b.about[0])
	case len(b.charts) > 1:
		text.WriteString("Installs these charts:\n\n")
		for i, c := range b.charts {
			fmt.Fprintf(&text, "- %s %s: %s\n", c.name, c.version, b.about[i])
		}
	}
	if manifests := b.metadata.KubeManifests; len(manifests) > 0 {
		if len(b.charts) > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "Applies, in this order:\n\n- %s\n", strings.Join(manifests, "\n- "))
	}
	return text.Bytes()
}

// write creates the folder atomically.
func (b *builder) write(ctx context.Context) (string, error) {
	folder := b.metadata.Folder()
	parent := cmp.Or(trust.Clean(b.o.Dir), ".")
	if filepath.Base(parent) == folder {
		parent = filepath.Dir(filepath.Clean(parent)) // the folder itself was named
	}
	staging, err := stage(parent)
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
	if b.o.Images != nil {
		if b.images, err = b.o.Images(ctx, filepath.Join(parent, staging.name, "pack")); err != nil {
			return "", err
		}
		if err := staging.pack.Remove(ValuesFile); err != nil {
			return "", fmt.Errorf("write values.yaml: %w", err)
		}
		if err := extractFile(staging.pack, ValuesFile, 0o644, bytes.NewReader(b.valuesFile())); err != nil {
			return "", err
		}
	}
	pack, err := Open(staging.pack.FS())
	if err != nil {
		return "", err
	}
	if problems := pack.Lint(); finding.AnyRefused(problems) {
		return "", &Refused{problems}
	}
	return staging.publish(folder)
}
