// Package render renders the charts and manifests of a pack and lists the images that they deploy.
//
// Templates can loop forever or need all memory, and Go cannot stop them: run Pack only in a process
// with limits, as packhouse does, and never in the server.
package render

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/packs"
	"packhouse/packs/chart"
	"packhouse/pattern"
)

// Result is what the templates of a pack deploy.
type Result struct {
	Images   []packs.Image `json:"images"`   // sorted by reference
	Failures []Failure     `json:"failures"` // of the values without presets
}

// Failure is a chart or manifest that cannot be rendered with the pack's values.
type Failure struct {
	Path string `json:"path"` // in the pack
	What string `json:"what"`
}

// maxPresets limits how many presets are rendered, and maxFailures how many failures are reported of
// one chart.
const (
	maxPresets  = 64
	maxFailures = 3
)

// Pack renders the charts and manifests of a pack with its values and with every preset.
func Pack(fsys fs.FS, pack *packs.Pack) *Result {
	r := &renderer{fsys: fsys, pack: pack, images: newCollector()}
	for _, image := range pack.Images {
		if image.From&packs.Declared != 0 {
			r.images.add(image.Reference, image.Source, packs.Declared)
		}
	}
	if pack.Metadata != nil {
		r.all()
	}
	result := &Result{Failures: r.failures}
	for _, reference := range slices.Sorted(maps.Keys(r.images.found)) {
		result.Images = append(result.Images, r.images.found[reference])
	}
	return result
}

type renderer struct {
	fsys     fs.FS
	pack     *packs.Pack
	images   *collector
	failures []Failure
	guess    []string // files whose images can only be guessed
}

func (r *renderer) fail(name string, errs ...error) {
	for _, err := range errs[:min(len(errs), maxFailures)] {
		r.failures = append(r.failures, Failure{Path: name, What: packs.Printable(brief(err))})
	}
}

var executing = pattern.Lazy(`executing "[^"]*" `)

// brief returns the innermost cause of an error of a template, with its place.
func brief(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "template: "); i >= 0 {
		text = text[i+len("template: "):]
	}
	return executing().ReplaceAllString(text, "")
}

func (r *renderer) all() {
	variants, err := r.variants()
	if err != nil {
		r.fail(packs.ValuesFile, err)
		variants = []map[string]any{{}}
	}
	for _, name := range r.pack.Metadata.Charts {
		c, err := chart.Open(r.fsys, path.Clean(name))
		if err != nil {
			r.fail(name, err)
			r.guess = append(r.guess, path.Clean(name))
			continue
		}
		r.annotations(c, name+"!")
		for i, values := range variants {
			r.chart(c, name, values, i == 0)
		}
	}
	for _, name := range r.pack.Metadata.KubeManifests {
		for i, values := range variants {
			r.manifest(path.Clean(name), values, i == 0)
		}
	}
	r.addGuesses()
}

// annotations adds the images that a chart and its subcharts list for Artifact Hub.
func (r *renderer) annotations(c *chart.Chart, source string) {
	r.images.annotated(c.Annotations["artifacthub.io/images"], source+c.Name+"/Chart.yaml")
}

// chart renders a chart. It reports failures with the values without presets only. If there are any,
// it renders the chart again without the chart's own checks, to list its images all the same: users
// set missing values in their cluster profiles.
func (r *renderer) chart(c *chart.Chart, name string, values map[string]any, report bool) {
	settings := chartRelease(r.pack, c, values)
	own, _ := chart.Lookup(values, "charts."+c.Name).(map[string]any)
	outputs, errs := renderChart(c, own, settings, false)
	if len(errs) > 0 {
		more, remaining := renderChart(c, own, settings, true)
		outputs = append(outputs, more...)
		if report {
			r.fail(name, errs...)
			if len(remaining) > 0 {
				r.guess = append(r.guess, path.Clean(name))
			}
		}
	}
	for _, o := range outputs {
		r.images.objects(o.text, name+"!"+o.name)
	}
}

func chartRelease(pack *packs.Pack, c *chart.Chart, values map[string]any) release {
	text := func(path string) string { s, _ := chart.Lookup(values, path).(string); return s }
	s := release{name: text("pack.releaseNameOverride." + c.Name), namespace: text("pack.namespace")}
	if s.name == "" {
		s.name = c.Name
	}
	if s.namespace == "" {
		s.namespace = pack.Metadata.Name
	}
	return s
}

// manifest renders a manifest of the pack, whose values are those of its file name.
func (r *renderer) manifest(name string, values map[string]any, report bool) {
	if err := r.pack.TooLong(name); err != nil {
		if report {
			r.fail(name, err)
			r.guess = append(r.guess, name)
		}
		return
	}
	text, err := packs.ReadText(r.fsys, name)
	if err != nil {
		return // a finding of lint
	}
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	own, _ := chart.Lookup(values, "manifests").(map[string]any)
	table, _ := own[base].(map[string]any)
	content := withoutMacros(string(text))
	if !strings.Contains(content, "{{") {
		r.images.objects(content, name)
		return
	}
	dot := map[string]any{
		"Values": table, "Capabilities": clusterCapabilities(),
		"Release": map[string]any{"Name": r.pack.Metadata.Name, "Namespace": r.pack.Metadata.Name, "Service": "Helm"},
	}
	outputs, errs := renderSources([]source{{name: name, text: content, dot: dot}}, true)
	if len(errs) > 0 && report {
		r.fail(name, errs...)
		r.guess = append(r.guess, name)
	}
	for _, o := range outputs {
		r.images.objects(o.text, name)
	}
}

// addGuesses adds what the scan of the texts found in files that cannot be rendered.
func (r *renderer) addGuesses() {
	for _, image := range r.pack.Images {
		file, _, _ := strings.Cut(image.Source, "!")
		isIn := func(name string) bool { return file == name || strings.HasPrefix(file, name+"/") }
		if slices.ContainsFunc(r.guess, isIn) {
			r.images.add(image.Reference, image.Source, packs.Guessed)
		}
	}
}

// variants returns the values of the pack, and those of each preset.
func (r *renderer) variants() ([]map[string]any, error) {
	if err := r.pack.TooLong(packs.ValuesFile); err != nil {
		return nil, err
	}
	values, err := readValues(r.pack.Document(packs.ValuesFile))
	if err != nil {
		return nil, err
	}
	variants := []map[string]any{values}
	var presets struct {
		Presets []struct {
			Remove []string `yaml:"remove"`
			Add    string   `yaml:"add"`
		} `yaml:"presets"`
	}
	if err := yaml.Unmarshal(r.pack.Document(packs.PresetsFile), &presets); err != nil {
		return variants, nil // a finding of lint
	}
	for _, preset := range presets.Presets[:min(len(presets.Presets), maxPresets)] {
		added, err := readValues([]byte(preset.Add))
		if err != nil {
			continue // a finding of lint
		}
		base := chart.Merge(values, nil)
		for _, key := range preset.Remove {
			remove(base, strings.Split(key, "."))
		}
		variants = append(variants, chart.Merge(base, added))
	}
	return variants, nil
}

func readValues(text []byte) (map[string]any, error) {
	values, err := chart.ReadValues([]byte(withoutMacros(string(text))))
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	return values, nil
}

func remove(values map[string]any, path []string) {
	if len(path) == 1 {
		delete(values, path[0])
	} else if inner, ok := values[path[0]].(map[string]any); ok {
		remove(inner, path[1:])
	}
}

// macroPlaceholder replaces Palette's macros, which Palette resolves before it renders. An image that
// contains one cannot be listed.
const macroPlaceholder = "palette-macro"

var macro = pattern.Lazy(`{{[^{}]*\.spectro\.[^{}]*}}`)

func withoutMacros(text string) string { return macro().ReplaceAllString(text, macroPlaceholder) }
