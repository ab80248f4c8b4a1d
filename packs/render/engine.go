package render

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"packhouse/packs/chart"
)

// release is what templates see as .Release, apart from constants.
type release struct{ name, namespace string }

// source is a template with the values that it sees.
type source struct {
	name string // unique: the path in the chart, below the chart's name
	base string // path of the chart's templates
	text string
	dot  map[string]any
}

// output is a rendered template.
type output struct {
	name string
	text string
}

// engine renders templates as "helm template" does: without a cluster, DNS or the environment.
type engine struct {
	lenient bool // required and fail do nothing
	root    *template.Template
	depth   map[string]int // of nested includes, by name
}

// maxIncludes limits how deeply one template may include itself.
const maxIncludes = 1000

// renderChart renders the templates of a chart. It returns the outputs of the templates that could
// be rendered, and the errors of the others. Helm stops at the first error.
func renderChart(c *chart.Chart, values map[string]any, r release, lenient bool) ([]output, []error) {
	prepared, complete, err := c.Prepare(values)
	if err != nil {
		return nil, []error{err}
	}
	return renderSources(chartSources(prepared, complete, r), lenient)
}

func renderSources(sources []source, lenient bool) (outputs []output, errs []error) {
	e := &engine{lenient: lenient, root: newTemplate("root"), depth: map[string]int{}}
	e.root.Funcs(e.functions()).Funcs(e.late(e.root))
	// A template of an outer chart replaces those of its subcharts that define the same names.
	slices.SortFunc(sources, func(a, b source) int {
		if d := strings.Count(b.name, "/") - strings.Count(a.name, "/"); d != 0 {
			return d
		}
		return strings.Compare(b.name, a.name)
	})
	for _, s := range sources {
		if _, err := e.root.New(s.name).Parse(s.text); err != nil {
			errs = append(errs, err)
		}
	}
	for _, s := range sources {
		if strings.HasPrefix(path.Base(s.name), "_") || e.root.Lookup(s.name) == nil {
			continue
		}
		s.dot["Template"] = map[string]any{"Name": s.name, "BasePath": s.base}
		text, err := e.execute(e.root, s.name, s.dot)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		outputs = append(outputs, output{s.name, withoutMissing(text)})
	}
	return outputs, errs
}

func newTemplate(name string) *template.Template {
	return template.New(name).Option("missingkey=zero")
}

// withoutMissing removes what text/template writes for missing values, even with missingkey=zero.
func withoutMissing(text string) string { return strings.ReplaceAll(text, "<no value>", "") }

// execute executes a template. Functions of sprig may panic on unexpected values.
func (e *engine) execute(t *template.Template, name string, dot any) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("render %s: %v", name, r)
		}
	}()
	var b strings.Builder
	err = t.ExecuteTemplate(&b, name, dot)
	return b.String(), err
}

// late returns the functions that need the templates. Those inside of tpl see its definitions.
func (e *engine) late(t *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, dot any) (string, error) {
			if e.depth[name] > maxIncludes {
				return "", fmt.Errorf("the template %s includes itself without end", name)
			}
			e.depth[name]++
			defer func() { e.depth[name]-- }()
			var b strings.Builder
			err := t.ExecuteTemplate(&b, name, dot)
			return b.String(), err
		},
		"tpl": func(text string, dot any) (string, error) {
			if !strings.Contains(text, "{{") {
				return text, nil
			}
			inner, err := t.Clone()
			if err != nil {
				return "", fmt.Errorf("copy template: %w", err)
			}
			inner.Option("missingkey=zero").Funcs(e.late(inner))
			if inner, err = inner.New(t.Name()).Parse(text); err != nil {
				return "", fmt.Errorf("parse text passed to tpl: %w", err)
			}
			var b strings.Builder
			if err := inner.Execute(&b, dot); err != nil {
				return "", err
			}
			return withoutMissing(b.String()), nil
		},
		"required": func(why string, value any) (any, error) {
			if (value == nil || value == "") && !e.lenient {
				return value, errors.New(why)
			}
			if value == nil {
				return "", nil
			}
			return value, nil
		},
		"fail": func(why string) (string, error) {
			if e.lenient {
				return "", nil
			}
			return "", errors.New(why)
		},
	}
}

// chartSources returns the templates of a chart and its subcharts, each with its values.
func chartSources(c *chart.Chart, values map[string]any, r release) []source {
	dot := map[string]any{
		"Release": map[string]any{
			"Name": r.name, "Namespace": r.namespace, "Service": "Helm", "Revision": 1,
			"IsInstall": true, "IsUpgrade": false,
		},
		"Capabilities": clusterCapabilities(),
	}
	sources, _ := sourcesBelow(c, c.Name, values, dot, true)
	return sources
}

// sourcesBelow returns the templates of a chart whose full path is given, and what they see.
func sourcesBelow(
	c *chart.Chart, full string, values, shared map[string]any, root bool,
) (sources []source, seen map[string]any) {
	subcharts := map[string]any{}
	dot := map[string]any{
		"Release": shared["Release"], "Capabilities": shared["Capabilities"], "Values": values,
		"Chart": chartFields(c, root), "Files": filesOf(c), "Subcharts": subcharts,
	}
	for _, sub := range c.Subcharts {
		inner, _ := values[sub.Name].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		found, innerDot := sourcesBelow(sub, full+"/charts/"+sub.Name, inner, shared, false)
		sources = append(sources, found...)
		subcharts[sub.Name] = innerDot
	}
	for _, f := range c.Templates {
		if c.Type == chart.Library && !strings.HasPrefix(path.Base(f.Name), "_") {
			continue
		}
		if path.Base(f.Name) == "NOTES.txt" {
			continue // for people
		}
		sources = append(sources, source{
			name: path.Join(full, f.Name), base: path.Join(full, "templates"), text: string(f.Data), dot: dot,
		})
	}
	return sources, dot
}

// chartFields returns what templates see as .Chart.
func chartFields(c *chart.Chart, root bool) map[string]any {
	dependencies := []any{}
	for _, d := range c.Dependencies {
		dependencies = append(dependencies, map[string]any{
			"Name": d.Name, "Version": d.Version, "Repository": d.Repository, "Condition": d.Condition,
			"Alias": d.Alias, "Tags": d.Tags, "Enabled": true, "ImportValues": d.ImportValues,
		})
	}
	maintainers := []any{}
	for _, m := range c.Maintainers {
		maintainers = append(maintainers, map[string]any{"Name": m.Name, "Email": m.Email, "URL": m.URL})
	}
	return map[string]any{
		"Name": c.Name, "Version": c.Version, "AppVersion": c.AppVersion, "APIVersion": c.APIVersion,
		"KubeVersion": c.KubeVersion, "Type": c.Type, "Description": c.Description, "Home": c.Home,
		"Icon": c.Icon, "Condition": c.Condition, "Tags": c.Tags, "Deprecated": c.Deprecated,
		"Sources": c.Sources, "Keywords": c.Keywords, "Annotations": c.Annotations,
		"Maintainers": maintainers, "Dependencies": dependencies, "IsRoot": root,
	}
}
