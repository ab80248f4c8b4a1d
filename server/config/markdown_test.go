package config

import (
	"fmt"
	"strings"
	"time"
)

// referenceMarkdown returns the reference of all keys, as docs/configuration.md has it: one table for each top-level section.
func referenceMarkdown() []byte {
	var b strings.Builder
	b.WriteString("Keys marked \\* are packhouse's own: CNCF distribution ignores them.\n")
	var single []*key
	for _, k := range root.keys {
		if k.kind != section || len(k.keys) == 0 || k.status == refused && len(k.keys) == 0 {
			single = append(single, k)
		}
	}
	b.WriteString("\n### At the top\n\n")
	head(&b)
	for _, k := range single {
		line(&b, k.name, k)
	}
	for _, k := range root.keys {
		if k.kind != section || len(k.keys) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", k.name, k.explain())
		head(&b)
		walk(&key{kind: section, keys: []*key{k}}, "", func(path string, c *key) {
			if c != k && (c.kind != section || c.option || c.status == refused) {
				line(&b, path, c)
			}
		})
	}
	return []byte(b.String())
}

func head(b *strings.Builder) {
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
}

func line(b *strings.Builder, path string, k *key) {
	star := ""
	if k.ours {
		star = " \\*"
	}
	name := kindName(k.kind)
	if k.choices != nil {
		name = strings.Join(k.choices, ", ")
	}
	def := "—"
	if k.def != "" {
		def = "`" + k.def + "`"
	}
	meaning := k.explain()
	if k.kind == duration && k.min > 0 {
		meaning += fmt.Sprintf(" At least %s.", short(time.Duration(k.min)))
	}
	fmt.Fprintf(b, "| `%s`%s | %s | %s | %s |\n", path, star, name, def, strings.ReplaceAll(meaning, "|", `\|`))
}

// kindName is the kind of a key in words.
func kindName(k kind) string {
	return [...]string{
		"string", "secret", "true or false", "number", "bytes", "duration", "list", "map", "map of lists", "section", "list of sections", "any",
	}[k]
}
