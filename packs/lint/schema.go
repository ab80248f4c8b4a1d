package lint

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/packs/chart"
	"packhouse/pattern"
	"packhouse/spelling"
)

// schemaTypes are the types of parameters, and schemaFunctions the functions of a schema.
var (
	schemaTypes = []string{
		"string", "number", "boolean", "bool", "password", "list", "ipv4", "ipv6", "version", "input",
	}
	schemaFunctions = []string{"required", "readonly", "format", "hints"}
	schemaFormat    = pattern.Lazy(`\$\{([^}:]*)(?::(.*))?\}`)
	quoted          = pattern.Lazy(`"(?:[^"\\]|\\.)*"`)
)

// schema checks schema.yaml: parameters with their types.
func (l *linter) schema() {
	document, err := packs.ParseYAML(l.pack.Document(packs.SchemaFile))
	if err != nil {
		return // a finding of package packs
	}
	values, err := chart.ReadValues(withoutMacros(l.pack.Document(packs.ValuesFile)))
	keys(tree(document), func(key, value *yaml.Node) {
		if err == nil && !hasParameter(values, key.Value) {
			l.report(finding.Note, packs.CodeSchemaParameter, packs.SchemaFile, key.Line, "correct the path, or add the value",
				"values.yaml has no value %s", key.Value)
		}
		at, schema := member(value, "schema")
		if at == nil || schema.Kind != yaml.ScalarNode {
			l.report(finding.Warning, packs.CodeSchema, packs.SchemaFile, key.Line,
				`write schema: '{{ required | format "${string}" }}'`, "%s has no schema", key.Value)
			return
		}
		l.schemaText(schema)
	})
}

// hasParameter reports whether values have a path. Names of keys may contain dots.
func hasParameter(values any, name string) bool {
	table, ok := values.(map[string]any)
	if !ok {
		return strings.HasPrefix(name, "[") // an item of a list
	}
	if _, ok := table[name]; ok {
		return true
	}
	for i, c := range name {
		if c != '.' {
			continue
		}
		if inner, ok := table[strings.TrimRight(name[:i], "[]0123456789*")]; ok && hasParameter(inner, name[i+1:]) {
			return true
		}
		if _, isList := table[strings.TrimRight(name[:i], "[]0123456789*")].([]any); isList {
			return true
		}
	}
	return false
}

// schemaText checks a text such as {{ required | format "${list:[a,b]}" | hints "c" }}.
func (l *linter) schemaText(n *yaml.Node) {
	text := strings.TrimSpace(n.Value)
	inner, ok := strings.CutPrefix(text, "{{")
	if ok {
		inner, ok = strings.CutSuffix(inner, "}}")
	}
	if !ok {
		l.report(finding.Warning, packs.CodeSchema, packs.SchemaFile, n.Line, `write '{{ required | format "${string}" }}'`,
			"the schema %q is not in braces", text)
		return
	}
	for part := range strings.SplitSeq(quoted().ReplaceAllString(inner, `""`), "|") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		if name = strings.TrimSuffix(name, `""`); !isKnown(schemaFunctions, name) {
			l.report(finding.Warning, packs.CodeSchema, packs.SchemaFile, n.Line, "use "+strings.Join(schemaFunctions, ", "),
				"the schema has the unknown function %q", name)
		}
	}
	for _, format := range quoted().FindAllString(inner, -1) {
		if match := schemaFormat().FindStringSubmatch(strings.Trim(format, `"`)); match != nil {
			l.schemaType(n, match[1], match[2])
		}
	}
}

func (l *linter) schemaType(n *yaml.Node, name, detail string) {
	pattern, isPattern := strings.CutPrefix(detail, "/")
	switch {
	case !isKnown(schemaTypes, name):
		remedy := "use one of " + strings.Join(schemaTypes, ", ")
		if near := spelling.Nearest(name, schemaTypes); near != "" {
			remedy = "did you mean " + near + "?"
		}
		l.report(finding.Refused, packs.CodeSchema, packs.SchemaFile, n.Line, remedy, "there is no type %q", name)
	case name == "list" && strings.Trim(detail, "[] ,") == "":
		l.report(finding.Refused, packs.CodeSchema, packs.SchemaFile, n.Line, "write ${list:[a,b]}", "the list has no items")
	case isPattern || name == "string" && detail != "":
		pattern = strings.TrimSuffix(pattern, "/")
		if !isPattern {
			pattern = detail
		}
		if _, err := regexp.Compile(pattern); err != nil {
			l.report(finding.Refused, packs.CodeSchema, packs.SchemaFile, n.Line, "patterns are RE2, as in Go",
				"the pattern cannot be read: %v", err)
		}
	}
}
