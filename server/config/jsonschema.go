package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// SchemaJSON returns a JSON Schema (draft 2020-12) of the file, for editors.
func SchemaJSON() []byte {
	s := schemaOf(root)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "myconfig.yml"
	s["required"] = []string{"version", "storage"}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil // maps of strings and numbers always encode
	}
	return b.Bytes()
}

func schemaOf(k *key) map[string]any {
	s := map[string]any{"description": k.explain()}
	if k.status == refused {
		s["not"] = map[string]any{}
		return s
	}
	switch k.kind {
	case text, secret:
		s["type"] = "string"
		if k.choices != nil {
			s["enum"] = k.choices
		}
		if k.name == "version" {
			delete(s, "type")
			s["enum"] = []any{0.1, "0.1"}
		}
	case boolean:
		s["type"] = "boolean"
	case integer:
		s["type"], s["minimum"] = "integer", k.min
	case size:
		s["type"], s["pattern"], s["minimum"] = []string{"integer", "string"}, sizeForm().String(), k.min
	case duration:
		s["type"], s["pattern"] = "string", `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`
		if k.never {
			s["pattern"] = s["pattern"].(string) + "|^never$"
		}
	case list:
		s["type"], s["items"] = "array", map[string]any{"type": "string"}
		if k.scalar {
			s["type"] = []string{"array", "string"}
		}
	case table:
		s["type"], s["additionalProperties"] = "object", map[string]any{"type": []string{"string", "number", "boolean"}}
	case headers:
		s["type"] = "object"
		s["additionalProperties"] = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case section:
		object(s, k)
		if k.pick {
			s["type"] = []string{"object", "string", "null"}
		}
	case entries:
		element := map[string]any{}
		object(element, k)
		element["type"] = "object"
		s["type"], s["items"] = "array", element
	case anything:
	}
	if d := k.defaultValue(); d != nil {
		s["default"] = d
	}
	return s
}

func object(s map[string]any, k *key) {
	properties := map[string]any{}
	for _, c := range k.keys {
		properties[c.name] = schemaOf(c)
	}
	s["type"], s["properties"], s["additionalProperties"] = []string{"object", "null"}, properties, false
}

// defaultValue returns the typed default, or nil.
func (k *key) defaultValue() any {
	switch {
	case k.def == "":
		return nil
	case k.kind == boolean || k.kind == integer || k.kind == list:
		var v any
		if err := yaml.Unmarshal([]byte(k.def), &v); err == nil {
			return v
		}
	}
	return k.def
}

// explain returns the description of a key, including whether it is refused or has no effect.
func (k *key) explain() string {
	s := k.about
	switch k.status {
	case refused:
		s += " Refused: " + k.word + "."
	case noted:
		s += " Here: " + k.word + "."
	}
	if k.min > 0 && k.kind == size {
		s += fmt.Sprintf(" At least %s.", formatSize(k.min))
	} else if k.min > 1 && k.kind == integer {
		s += " At least " + strconv.FormatInt(k.min, 10) + "."
	}
	return s
}
