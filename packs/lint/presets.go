package lint

import (
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/packs/chart"
)

// presets checks presets.yaml.
func (l *linter) presets() {
	text := l.pack.Document(packs.PresetsFile)
	document, err := packs.ParseYAML(text)
	if err != nil || tree(document) == nil {
		return // a finding of package packs, or empty
	}
	key, list := member(tree(document), "presets")
	if key == nil || list.Kind != yaml.SequenceNode {
		if key == nil || list.Tag != "!!null" {
			l.report(finding.Refused, packs.CodePreset, packs.PresetsFile, 1, "write presets: and a list below it",
				"the file has no list of presets")
		}
		return
	}
	names := map[string]int{}
	for _, preset := range list.Content {
		l.preset(preset, names)
	}
}

var presetKeys = []string{"name", "displayName", "group", "remove", "add"}

func (l *linter) preset(preset *yaml.Node, names map[string]int) {
	report := func(severity finding.Severity, line int, remedy, format string, args ...any) {
		l.report(severity, packs.CodePreset, packs.PresetsFile, line, remedy, format, args...)
	}
	if mapping(preset) == nil {
		report(finding.Refused, preset.Line, "write - name: …", "a preset is %s, and has to be a table", kindOf(preset))
		return
	}
	keys(preset, func(key, _ *yaml.Node) {
		if !isKnown(presetKeys, key.Value) {
			report(finding.Warning, key.Line, meant(key.Value, presetKeys), "a preset has the unknown key %s", key.Value)
		}
	})
	_, name := member(preset, "name")
	_, group := member(preset, "group")
	switch {
	case name == nil || name.Value == "":
		report(finding.Refused, preset.Line, "add name", "a preset has no name")
	case group == nil || group.Value == "":
		report(finding.Warning, preset.Line, "add group: users choose one preset of each group",
			"the preset %q has no group", name.Value)
	default:
		id := group.Value + ":" + name.Value
		if line, twice := names[id]; twice {
			report(finding.Refused, name.Line, "rename one", "the preset %q of the group %q is already in line %d",
				name.Value, group.Value, line)
		}
		names[id] = name.Line
	}
	l.presetRemove(preset, report)
	l.presetAdd(preset, report)
}

func (l *linter) presetRemove(preset *yaml.Node, report func(finding.Severity, int, string, string, ...any)) {
	key, remove := member(preset, "remove")
	if key == nil || remove.Tag == "!!null" {
		return
	}
	if remove.Kind != yaml.SequenceNode {
		report(finding.Refused, remove.Line, "write a list", "remove is %s, and has to be a list of paths", kindOf(remove))
		return
	}
	values, err := chart.ReadValues(withoutMacros(l.pack.Document(packs.ValuesFile)))
	for _, item := range remove.Content {
		if err == nil && item.Kind == yaml.ScalarNode && !hasParameter(values, item.Value) {
			report(finding.Note, item.Line, "correct the path", "values.yaml has no value %s to remove", item.Value)
		}
	}
}

func (l *linter) presetAdd(preset *yaml.Node, report func(finding.Severity, int, string, string, ...any)) {
	key, add := member(preset, "add")
	if key == nil || add.Tag == "!!null" {
		return
	}
	if add.Kind != yaml.ScalarNode {
		report(finding.Refused, add.Line, "write add: | and the values below it",
			"add is %s, and has to be a text", kindOf(add))
		return
	}
	values, err := packs.ParseYAML(withoutMacros([]byte(add.Value)))
	if err != nil {
		line, what, _ := yamlError(err)
		report(finding.Refused, add.Line+line, "", "add is not YAML: %s", what)
		return
	}
	root := tree(values)
	if root == nil && strings.TrimSpace(add.Value) != "" {
		report(finding.Refused, add.Line, "write values as in values.yaml", "add holds no values")
	}
	_, charts := member(root, "charts")
	l.valuesOfCharts(charts, packs.PresetsFile, add.Line)
	_, manifests := member(root, "manifests")
	l.valuesOfManifests(manifests, packs.PresetsFile, add.Line)
}
