package chart

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Prepare returns the chart as it is rendered with values: without disabled subcharts, and with
// aliases and imported values applied. It also returns the values with all defaults.
func (c *Chart) Prepare(values map[string]any) (*Chart, map[string]any, error) {
	c = c.copy()
	if err := c.enable(values, ""); err != nil {
		return nil, nil, err
	}
	if err := c.importValues(); err != nil {
		return nil, nil, err
	}
	complete := clone(values)
	if err := (merger{}).complete(c, complete); err != nil {
		return nil, nil, err
	}
	return c, complete, nil
}

// copy copies a chart and its subcharts, but not their files and values.
func (c *Chart) copy() *Chart {
	copied := *c
	copied.Dependencies = slices.Clone(c.Dependencies)
	copied.Subcharts = make([]*Chart, len(c.Subcharts))
	for i, sub := range c.Subcharts {
		copied.Subcharts[i] = sub.copy()
	}
	return &copied
}

// enable removes the subcharts that tags or conditions disable, and applies aliases. path is the
// chart's own place in the values, with a dot at its end.
func (c *Chart) enable(values map[string]any, path string) error {
	if len(c.Dependencies) == 0 {
		return nil
	}
	var subcharts []*Chart
	for _, sub := range c.Subcharts { // those that Chart.yaml does not name are always enabled
		if !slices.ContainsFunc(c.Dependencies, sub.satisfies) {
			subcharts = append(subcharts, sub)
		}
	}
	for i := range c.Dependencies {
		d := &c.Dependencies[i]
		if at := slices.IndexFunc(c.Subcharts, func(sub *Chart) bool { return sub.satisfies(*d) }); at >= 0 {
			sub := c.Subcharts[at].copy() // one subchart may have several aliases
			if d.Alias != "" {
				sub.Name = d.Alias
			}
			subcharts = append(subcharts, sub)
		}
		if d.Alias != "" {
			d.Name = d.Alias
		}
	}
	c.Subcharts = subcharts
	complete := clone(values)
	if err := (merger{}).complete(c, complete); err != nil {
		return err
	}
	for i := range c.Dependencies {
		c.Dependencies[i].decide(complete, path)
	}
	disabled := map[string]bool{}
	for _, d := range c.Dependencies {
		if !d.enabled {
			disabled[d.Name] = true
		}
	}
	c.Subcharts = slices.DeleteFunc(c.Subcharts, func(sub *Chart) bool { return disabled[sub.Name] })
	c.Dependencies = slices.DeleteFunc(c.Dependencies, func(d Dependency) bool { return disabled[d.Name] })
	for _, sub := range c.Subcharts {
		if err := sub.enable(complete, path+sub.Name+"."); err != nil {
			return err
		}
	}
	return nil
}

// satisfies reports whether a dependency names this subchart.
func (c *Chart) satisfies(d Dependency) bool {
	if c.Name != d.Name {
		return false
	}
	version, err := semver.NewVersion(c.Version)
	if err != nil {
		return false
	}
	constraint, err := semver.NewConstraint(d.Version)
	return err == nil && constraint.Check(version)
}

// decide sets whether a dependency is enabled: by its tags, or by the first of its conditions that
// is a boolean.
func (d *Dependency) decide(values map[string]any, path string) {
	d.enabled = true
	if tags, ok := values["tags"].(map[string]any); ok {
		var on, off bool
		for _, tag := range d.Tags {
			if value, ok := tags[tag].(bool); ok {
				on, off = on || value, off || !value
			}
		}
		d.enabled = on || !off
	}
	for condition := range strings.SplitSeq(strings.TrimSpace(d.Condition), ",") {
		if value, ok := Lookup(values, path+condition).(bool); ok && condition != "" {
			d.enabled = value
			return
		}
	}
}

// Lookup returns the value at a path such as "a.b", or nil.
func Lookup(values map[string]any, path string) any {
	var value any = values
	for key := range strings.SplitSeq(path, ".") {
		table, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = table[key]
	}
	return value
}

// importValues copies values of subcharts to the chart's own defaults, as import-values says. The
// chart's defaults take precedence.
func (c *Chart) importValues() error {
	for _, sub := range c.Subcharts {
		if err := sub.importValues(); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(c.Dependencies, func(d Dependency) bool { return len(d.ImportValues) > 0 }) {
		return nil
	}
	keep := merger{keepNull: true}
	complete := map[string]any{}
	if err := keep.complete(c, complete); err != nil {
		return err
	}
	imported := map[string]any{}
	for _, d := range c.Dependencies {
		for _, item := range d.ImportValues {
			child, parent := "", "."
			switch item := item.(type) {
			case string:
				child = "exports." + item
			case map[string]any:
				child, _ = item["child"].(string)
				parent, _ = item["parent"].(string)
			}
			table, ok := Lookup(complete, d.Name+"."+child).(map[string]any)
			if !ok {
				continue
			}
			table = clone(table)
			if parent != "." {
				for _, key := range slices.Backward(strings.Split(parent, ".")) {
					table = map[string]any{key: table}
				}
			}
			keep.tables(imported, table)
		}
	}
	keep.tables(complete, imported)
	c.Values = complete
	return nil
}
