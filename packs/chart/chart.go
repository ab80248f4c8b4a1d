// Package chart reads Helm charts: what is in them, and the values that their templates see. It does
// not depend on helm, whose engine would double the size of the program. Package render executes the
// templates.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"packhouse/pattern"
)

// Types of a chart. A library has no manifests of its own.
const (
	Application = "application"
	Library     = "library"
)

const (
	metadataFile     = "Chart.yaml"
	valuesFile       = "values.yaml"
	requirementsFile = "requirements.yaml" // dependencies of charts with apiVersion v1
)

// Metadata is the content of a Chart.yaml.
type Metadata struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	AppVersion   string            `json:"appVersion"`
	APIVersion   string            `json:"apiVersion"`
	KubeVersion  string            `json:"kubeVersion"`
	Type         string            `json:"type"`
	Description  string            `json:"description"`
	Home         string            `json:"home"`
	Icon         string            `json:"icon"`
	Condition    string            `json:"condition"`
	Tags         string            `json:"tags"`
	Deprecated   bool              `json:"deprecated"`
	Sources      []string          `json:"sources"`
	Keywords     []string          `json:"keywords"`
	Maintainers  []Maintainer      `json:"maintainers"`
	Annotations  map[string]string `json:"annotations"`
	Dependencies []Dependency      `json:"dependencies"`
}

// Maintainer is a maintainer of a chart.
type Maintainer struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	URL   string `json:"url"`
}

// Dependency is a subchart that a chart names.
type Dependency struct {
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	Repository   string   `json:"repository"`
	Condition    string   `json:"condition"`
	Alias        string   `json:"alias"`
	Tags         []string `json:"tags"`
	ImportValues []any    `json:"import-values"` //nolint:tagliatelle // helm's name

	enabled bool
}

// Chart is a chart with its subcharts.
type Chart struct {
	Metadata
	Values     map[string]any // defaults; numbers are float64
	ValuesText []byte         // values.yaml; nil if there is none
	Templates  []File         // below templates/
	Files      []File         // that templates may read
	Subcharts  []*Chart       // below charts/
}

// Archive reads a packaged chart (.tgz).
func Archive(r io.Reader) (*Chart, error) { return archive(r, newBudget(), 0) }

func archive(r io.Reader, b *budget, depth int) (*Chart, error) {
	files, err := archived(r, b)
	if err != nil {
		return nil, err
	}
	return load(files, b, depth)
}

// Folder reads an unpacked chart at the root of a file system.
func Folder(fsys fs.FS) (*Chart, error) {
	b := newBudget()
	files, err := inFolder(fsys, b)
	if err != nil {
		return nil, err
	}
	return load(files, b, 0)
}

// Open reads the chart at a path of a file system: an archive or a folder.
func Open(fsys fs.FS, name string) (*Chart, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, openError(err)
	}
	if info.IsDir() {
		below, err := fs.Sub(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("open chart: %w", err)
		}
		return Folder(below)
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, openError(err)
	}
	defer file.Close() //nolint:errcheck // read only
	return Archive(file)
}

// openError wraps an error of a file system. os.Root has no error to compare with for a link that
// leads out of it.
func openError(err error) error {
	if strings.Contains(err.Error(), "path escapes from parent") {
		return errors.New("open chart: its path leads through a link out of the pack")
	}
	return fmt.Errorf("open chart: %w", err)
}

// load sorts the files of a chart by their meaning.
func load(files []File, b *budget, depth int) (*Chart, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("charts are nested more than %d deep", maxDepth)
	}
	c := &Chart{Values: map[string]any{}}
	if err := c.readMetadata(files); err != nil {
		return nil, err
	}
	subcharts := map[string][]File{}
	for _, f := range files {
		switch folder, rest, nested := strings.Cut(f.Name, "/"); {
		case f.Name == metadataFile || f.Name == "Chart.lock" || f.Name == "values.schema.json":
		case f.Name == valuesFile:
			c.ValuesText = f.Data
			values, err := ReadValues(f.Data)
			if err != nil {
				return nil, fmt.Errorf("read values.yaml: %w", err)
			}
			c.Values = values
		case nested && folder == "templates":
			c.Templates = append(c.Templates, f)
		case nested && folder == "charts":
			name, rest, _ := strings.Cut(rest, "/")
			subcharts[name] = append(subcharts[name], File{Name: rest, Data: f.Data})
		default:
			c.Files = append(c.Files, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(subcharts)) {
		if err := c.addSubchart(name, subcharts[name], b, depth+1); err != nil {
			return nil, fmt.Errorf("read subchart %s: %w", name, err)
		}
	}
	return c, nil
}

// readMetadata reads Chart.yaml, and the dependencies that old charts list in requirements.yaml.
func (c *Chart) readMetadata(files []File) error {
	byName := func(name string) []byte {
		if i := slices.IndexFunc(files, func(f File) bool { return f.Name == name }); i >= 0 {
			return files[i].Data
		}
		return nil
	}
	text := byName(metadataFile)
	if text == nil {
		return errors.New("there is no Chart.yaml in its folder")
	}
	if err := unmarshal(text, &c.Metadata); err != nil {
		return fmt.Errorf("read Chart.yaml: %w", err)
	}
	if text := byName(requirementsFile); text != nil {
		if err := unmarshal(text, &c.Metadata); err != nil {
			return fmt.Errorf("read requirements.yaml: %w", err)
		}
	}
	switch {
	case c.Name == "":
		return errors.New("its Chart.yaml has no name")
	case c.Name != path.Base(c.Name) || c.Name == "." || c.Name == "..":
		return fmt.Errorf("its Chart.yaml has the name %q, which contains a path", c.Name)
	case c.Version == "":
		return errors.New("its Chart.yaml has no version")
	}
	return nil
}

// addSubchart adds the chart in charts/<name>, which is a folder or an archive.
func (c *Chart) addSubchart(name string, files []File, b *budget, depth int) error {
	if name == "" || name[0] == '_' || name[0] == '.' || path.Ext(name) == ".prov" {
		return nil
	}
	var (
		sub *Chart
		err error
	)
	if path.Ext(name) == ".tgz" {
		sub, err = archive(bytes.NewReader(files[0].Data), b, depth)
	} else {
		files = slices.DeleteFunc(files, func(f File) bool { return f.Name == "" }) // a file beside the charts
		if len(files) == 0 {
			return nil
		}
		sub, err = load(files, b, depth)
	}
	if err == nil {
		c.Subcharts = append(c.Subcharts, sub)
	}
	return err
}

// wrongType matches what encoding/json reports about a value of the wrong type.
var wrongType = pattern.Lazy(`cannot unmarshal (\w+) into Go (?:struct field \w+\.([\w.-]+)|value)`)

// unmarshal parses YAML as helm does, and reports errors without the way that the library took.
func unmarshal(text []byte, v any) error {
	err := yaml.Unmarshal(text, v)
	if err == nil {
		return nil
	}
	what := err.Error()
	if match := wrongType().FindStringSubmatch(what); match != nil {
		if match[2] == "" {
			return fmt.Errorf("the file is not a mapping, but has type %s", match[1])
		}
		return fmt.Errorf("%s must not have type %s", match[2], match[1])
	}
	if i := strings.Index(what, "yaml: "); i >= 0 {
		what = what[i+len("yaml: "):]
	}
	return fmt.Errorf("the file is not YAML: %s", strings.TrimPrefix(what, "error converting YAML to JSON: "))
}

// ReadValues parses values as helm does. Several documents are merged.
func ReadValues(text []byte) (map[string]any, error) {
	values := map[string]any{}
	for document := range documents(text) {
		var next map[string]any
		if err := unmarshal(document, &next); err != nil {
			return nil, err
		}
		override(values, next)
	}
	return values, nil
}

// documents splits a YAML stream.
func documents(text []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		start := 0
		for at := 0; at < len(text); {
			end := len(text)
			if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
				end = at + i + 1
			}
			if bytes.HasPrefix(text[at:end], []byte("---")) {
				if !yield(text[start:at]) {
					return
				}
				start = end
			}
			at = end
		}
		yield(text[start:])
	}
}

// override merges values into target: tables are merged, anything else is replaced.
func override(target, values map[string]any) {
	for key, value := range values {
		table, isTable := value.(map[string]any)
		if old, ok := target[key].(map[string]any); ok && isTable {
			override(old, table)
			continue
		}
		target[key] = value
	}
}

// Merge returns values with more merged into them, as helm merges value files. Neither is changed.
func Merge(values, more map[string]any) map[string]any {
	merged := clone(values)
	override(merged, clone(more))
	return merged
}

// clone copies tables and lists deeply.
func clone(values map[string]any) map[string]any {
	copied := make(map[string]any, len(values))
	for key, value := range values {
		copied[key] = cloneValue(value)
	}
	return copied
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return clone(value)
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = cloneValue(item)
		}
		return list
	}
	return value
}
