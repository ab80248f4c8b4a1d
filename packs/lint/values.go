package lint

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/pattern"
	"packhouse/spelling"
)

// tree returns a mapping in a parsed file; nil if there is none.
func tree(document *yaml.Node) *yaml.Node {
	if document != nil && document.Kind == yaml.DocumentNode && len(document.Content) > 0 {
		document = document.Content[0]
	}
	return mapping(document)
}

// mapping returns n, or what n refers to, if it is a mapping, else nil.
func mapping(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return n
}

// member returns a key of a mapping with its value, or nil.
func member(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n = mapping(n); n == nil {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// keys calls visit for each key of a mapping.
func keys(n *yaml.Node, visit func(key, value *yaml.Node)) {
	if n = mapping(n); n == nil {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		visit(n.Content[i], n.Content[i+1])
	}
}

var (
	macro     = pattern.Lazy(`{{[^{}\n]*}}`)
	macroLine = pattern.Lazy(`(?m)^[ \t]*{{[^{}\n]*}}[ \t]*$`)
)

// withoutMacros replaces what Palette replaces, so that the text can be parsed. Lines remain.
func withoutMacros(text []byte) []byte {
	text = macroLine().ReplaceAll(text, []byte("#"))
	return macro().ReplaceAll(text, []byte("macro"))
}

// values checks values.yaml.
func (l *linter) values() {
	if l.pack.TooLong(packs.ValuesFile) != nil {
		return // a finding of package packs
	}
	text := l.pack.Document(packs.ValuesFile)
	document, err := packs.ParseYAML(withoutMacros(text))
	if err != nil {
		severity := finding.Refused
		if macro().Match(text) {
			severity = finding.Warning // what replaces a macro may complete it
		}
		line, what, _ := yamlError(err)
		l.report(severity, packs.CodeValues, packs.ValuesFile, line, "", "the file is not YAML: %s", what)
		return
	}
	root := tree(document)
	if root == nil {
		if len(document.Content) > 0 && document.Content[0].Tag != "!!null" {
			l.report(finding.Refused, packs.CodeValues, packs.ValuesFile, 0, "", "the file holds no mapping")
			return
		}
		root = &yaml.Node{Kind: yaml.MappingNode}
	}
	l.unique(root, "")
	_, charts := member(root, "charts")
	l.valuesOfCharts(charts, packs.ValuesFile, 0)
	for _, c := range l.charts {
		l.valuesOf(c, charts)
	}
	_, manifests := member(root, "manifests")
	l.valuesOfManifests(manifests, packs.ValuesFile, 0)
}

// unique reports keys that occur twice in a mapping: all but one are lost.
func (l *linter) unique(n *yaml.Node, place string) {
	first := map[string]int{}
	keys(n, func(key, value *yaml.Node) {
		inner := strings.TrimPrefix(place+"."+key.Value, ".")
		if line, twice := first[key.Value]; twice {
			severity := finding.Warning
			if place == "" {
				severity = finding.Refused // a whole section
			}
			l.report(severity, packs.CodeValuesDuplicate, packs.ValuesFile, key.Line, "merge the two",
				"the key %s already occurs in line %d", inner, line)
		} else {
			first[key.Value] = key.Line
		}
		if value.Kind != yaml.AliasNode {
			l.unique(value, inner)
		}
	})
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			l.unique(item, place+"[]")
		}
	}
}

// chartNames returns the names of the pack's charts.
func (l *linter) chartNames() (names []string) {
	for _, c := range l.charts {
		names = append(names, c.Name)
	}
	return names
}

// valuesOfCharts reports values for charts that do not exist. In another file than values.yaml, line
// is where they are.
func (l *linter) valuesOfCharts(charts *yaml.Node, file string, line int) {
	if len(l.charts) < len(l.pack.Metadata.Charts) {
		return // some cannot be read
	}
	names := l.chartNames()
	keys(charts, func(key, _ *yaml.Node) {
		if slices.Contains(names, key.Value) {
			return
		}
		l.report(finding.Warning, packs.CodeValuesChart, file, place(key, line), meant(key.Value, names),
			"charts.%s has no effect: the pack has no chart of that name", key.Value)
	})
}

// valuesOfManifests reports values for manifests that do not exist.
func (l *linter) valuesOfManifests(manifests *yaml.Node, file string, line int) {
	var names []string
	for _, name := range l.pack.Metadata.KubeManifests {
		names = append(names, strings.TrimSuffix(path.Base(name), path.Ext(name)))
	}
	keys(manifests, func(key, _ *yaml.Node) {
		if slices.Contains(names, key.Value) {
			return
		}
		l.report(finding.Warning, packs.CodeValuesManifest, file, place(key, line), meant(key.Value, names),
			"manifests.%s has no effect: the pack has no manifest of that name", key.Value)
	})
}

func place(key *yaml.Node, line int) int {
	if line != 0 {
		return line
	}
	return key.Line
}

// meant returns a remedy with the name that a wrong one may stand for.
func meant(name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return "write " + k + ": letter case matters"
		}
	}
	if near := spelling.Nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	if len(known) == 0 {
		return "remove it"
	}
	return "use one of " + strings.Join(known, ", ")
}

// valuesOf checks the values of a chart, as the CI of the vendor's community packs does since August
// 2026: there are some, and each exists in the chart's own values.
func (l *linter) valuesOf(c packChart, charts *yaml.Node) {
	key, own := member(charts, c.Name)
	if table := mapping(own); table == nil || len(table.Content) == 0 {
		line := 0
		if key != nil {
			line = key.Line
		}
		l.report(finding.Warning, packs.CodeValuesUnset, packs.ValuesFile, line, "add its values below charts."+c.Name,
			"the chart %s gets no values: users cannot configure it", c.Name)
		return
	}
	l.items(own, "charts."+c.Name)
	if c.ValuesText == nil {
		return
	}
	if document, err := packs.ParseYAML(c.ValuesText); err == nil && tree(document) != nil {
		(&comparison{linter: l, chart: c}).subset(own, tree(document), "charts."+c.Name)
	}
}

// items reports items that a list contains twice, and returns a digest of the value. It does not
// follow aliases: each value is read once.
func (l *linter) items(n *yaml.Node, place string) [sha256.Size]byte {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %q %q", n.Kind, n.ShortTag(), n.Value)
	first := map[[sha256.Size]byte]int{}
	for i, child := range n.Content {
		inner := place
		switch {
		case n.Kind == yaml.SequenceNode:
			inner += "[]"
		case n.Kind == yaml.MappingNode && i%2 == 1:
			inner += "." + n.Content[i-1].Value
		}
		content := l.items(child, inner)
		sum.Write(content[:])
		if n.Kind != yaml.SequenceNode {
			continue
		}
		if line, twice := first[content]; twice {
			l.report(finding.Warning, packs.CodeValuesDuplicate, packs.ValuesFile, child.Line, "remove one",
				"%s has the same item in line %d", place, line)
		} else {
			first[content] = child.Line
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// comparison compares values with those of a chart.
type comparison struct {
	*linter

	chart  packChart
	seen   map[[2]*yaml.Node]bool // pairs of tables, which aliases can repeat without bound
	tables map[*yaml.Node]map[string]*yaml.Node
}

// memberOf returns the value of a key in a table, or nil.
func (c *comparison) memberOf(table *yaml.Node, name string) *yaml.Node {
	if c.tables[table] == nil {
		members := map[string]*yaml.Node{}
		keys(table, func(key, value *yaml.Node) {
			if _, twice := members[key.Value]; !twice {
				members[key.Value] = value
			}
		})
		if c.tables == nil {
			c.tables = map[*yaml.Node]map[string]*yaml.Node{}
		}
		c.tables[table] = members
	}
	return c.tables[table][name]
}

// subset reports keys of values that a chart's own values do not have, and others of another kind.
// Empty tables and lists of the chart accept anything.
func (c *comparison) subset(values, defaults *yaml.Node, place string) {
	table, pair := mapping(defaults), [2]*yaml.Node{mapping(values), mapping(defaults)}
	if c.seen[pair] {
		return
	}
	if c.seen == nil {
		c.seen = map[[2]*yaml.Node]bool{}
	}
	c.seen[pair] = true
	keys(values, func(key, value *yaml.Node) {
		inner := place + "." + key.Value
		fallback := c.memberOf(table, key.Value)
		if fallback == nil {
			if strings.HasSuffix(place, ".limits") && (key.Value == "cpu" || key.Value == "memory") {
				return
			}
			if c.full(packs.CodeValuesUnknown, packs.ValuesFile) {
				return // a remedy costs a pass over the table
			}
			c.report(finding.Warning, packs.CodeValuesUnknown, packs.ValuesFile, key.Line,
				unknownRemedy(c.chart, table, key.Value, place),
				"the chart %s has no value %s", c.chart.Name, strings.TrimPrefix(inner, "charts."+c.chart.Name+"."))
			return
		}
		if fallback.Kind == yaml.AliasNode {
			fallback = fallback.Alias
		}
		isEmpty := fallback.Kind != yaml.ScalarNode && len(fallback.Content) == 0
		given := value
		if given.Kind == yaml.AliasNode {
			given = given.Alias
		}
		switch {
		case isEmpty:
		case given.Kind != yaml.ScalarNode && fallback.Kind != given.Kind:
			c.report(finding.Warning, packs.CodeValuesType, packs.ValuesFile, key.Line, "see the chart's values.yaml",
				"%s is %s, and %s in the chart's values", inner, kindOf(given), kindOf(fallback))
		case given.Kind == yaml.MappingNode:
			c.subset(given, fallback, inner)
		}
	})
}

// unknownRemedy suggests what an unknown value of a chart may be meant to be.
func unknownRemedy(c packChart, table *yaml.Node, name, place string) string {
	var names []string
	keys(table, func(key, _ *yaml.Node) { names = append(names, key.Value) })
	if near := spelling.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	for _, key := range slices.Sorted(maps.Keys(c.Values)) {
		inner, ok := c.Values[key].(map[string]any)
		if _, has := inner[name]; ok && has && place == "charts."+c.Name {
			return fmt.Sprintf("the chart has it below %s", key)
		}
	}
	return "remove it, unless a template of the chart reads it"
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a table"
	case yaml.SequenceNode:
		return "a list"
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
	if n.Tag == "!!null" {
		return "empty"
	}
	return "a single value"
}
