package packs

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"packhouse/pattern"
)

// valuesFile returns values.yaml: what Palette mirrors, the namespace, and the values of the charts
// and manifests under the keys that Palette reads.
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
	b.writeContentCharts(&text)
	fmt.Fprintf(&text, "  namespace: %q\n", cmp.Or(b.o.Namespace, strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return '-'
		}
		return r
	}, b.o.Name)))
	if len(b.charts) > 0 {
		text.WriteString("\ncharts:\n")
	}
	for _, c := range b.charts {
		writeChartValues(&text, c)
	}
	b.writeManifestValues(&text)
	return text.Bytes()
}

// writeContentCharts lists the charts whose repository is known, for mirroring.
func (b *builder) writeContentCharts(text *bytes.Buffer) {
	known := slices.DeleteFunc(slices.Clone(b.charts), func(c builtChart) bool { return c.repo == "" })
	if len(known) > 0 {
		text.WriteString("    charts:\n")
	}
	for _, c := range known {
		fmt.Fprintf(text, "      - repo: %s\n", c.repo)
		fmt.Fprintf(text, "        name: %s\n        version: %s\n", plainKey(c.name), plainKey(c.version))
	}
}

// writeChartValues writes the values of a chart, with comments, indented two levels deeper.
func writeChartValues(text *bytes.Buffer, c builtChart) {
	fmt.Fprintf(text, "  %s:", plainKey(c.name))
	if !hasValues(c.values) {
		text.WriteString(" {}\n")
		return
	}
	text.WriteString("\n")
	for line := range strings.Lines(string(c.values)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "---" || line == "..." || strings.HasPrefix(line, "%"):
		case line == "":
			text.WriteString("\n")
		default:
			text.WriteString("    " + line + "\n")
		}
	}
}

// hasValues reports whether a YAML file has more than comments.
func hasValues(values []byte) bool {
	for line := range bytes.Lines(values) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return true
		}
	}
	return false
}

// plainWords matches what YAML reads as text without quotes, except the words in yamlWords.
var (
	plainWords = pattern.Lazy(`^[A-Za-z][A-Za-z0-9._-]*$|^[0-9]+\.[0-9]+\.[0-9][A-Za-z0-9.+-]*$`)
	yamlWords  = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
)

// plainKey returns a key or value, in quotes if YAML needs them to read it as text.
func plainKey(text string) string {
	if plainWords().MatchString(text) && !slices.Contains(yamlWords, strings.ToLower(text)) {
		return text
	}
	return fmt.Sprintf("%q", text)
}

// valuePath matches the values that a manifest refers to.
var valuePath = pattern.Lazy(`\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)`)

// maxValuePaths is the number of values of one manifest that are listed.
const maxValuePaths = 500

// valueTree is a mapping of values; one without keys is a value to fill in.
type valueTree map[string]valueTree

// writeManifestValues writes a block per manifest, with the values that it refers to.
func (b *builder) writeManifestValues(text *bytes.Buffer) {
	blocks := map[string]valueTree{}
	var names []string
	for _, file := range b.metadata.KubeManifests {
		name := strings.TrimSuffix(path.Base(file), path.Ext(file))
		if blocks[name] == nil {
			blocks[name] = valueTree{}
			names = append(names, name)
		}
		for _, found := range valuePath().FindAllSubmatch(b.files[file], maxValuePaths) {
			tree := blocks[name]
			for key := range strings.SplitSeq(string(found[1][1:]), ".") {
				if tree[key] == nil {
					tree[key] = valueTree{}
				}
				tree = tree[key]
			}
		}
	}
	if len(names) > 0 {
		text.WriteString("\nmanifests:\n")
	}
	for _, name := range names {
		blocks[name].write(text, name, "  ", "{}")
	}
}

// write writes a key and the tree below it; empty is the value of a tree without keys.
func (t valueTree) write(text *bytes.Buffer, key, indent, empty string) {
	if len(t) == 0 {
		fmt.Fprintf(text, "%s%s: %s\n", indent, plainKey(key), empty)
		return
	}
	fmt.Fprintf(text, "%s%s:\n", indent, plainKey(key))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		t[k].write(text, k, indent+"  ", `""`)
	}
}
