package config

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
)

// generatedBelow divides docs/configuration.md: what stands above it is written by hand.
const generatedBelow = "<!-- Generated below: go test ./server/config -run TestConfigurationDocument -update -->\n"

// TestConfigurationDocument holds the reference against the table of keys.
func TestConfigurationDocument(t *testing.T) {
	const path = "../../docs/configuration.md"
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	byHand, _, found := bytes.Cut(document, []byte(generatedBelow))
	if !found {
		t.Fatalf("%s has no line %q", path, generatedBelow)
	}
	want := append(append(bytes.Clone(byHand), generatedBelow...), "\n"...)
	want = append(want, referenceMarkdown()...)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // documentation is for everybody
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(document, want) {
		t.Errorf("%s is out of date: go test ./server/config -run TestConfigurationDocument -update", path)
	}
}

// TestDocumentExamples: every document in docs/configuration.md loads, and without a warning unless it says so.
func TestDocumentExamples(t *testing.T) {
	document, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, part := range strings.Split(string(document), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		if !strings.HasPrefix(example, "version:") {
			example = "version: 0.1\nstorage: inmemory\n" + example
		}
		examples++
		loaded, err := Load(Source{Path: "example.yml", Data: []byte(example)})
		if err != nil && !strings.Contains(err.Error(), "is open to the network") {
			t.Errorf("%s\n%v", example, err)
		}
		if err == nil {
			for _, n := range loaded.Notices {
				if n.Severity == finding.Warning && n.Code != CodeOpen {
					t.Errorf("%s\n%v", example, n)
				}
			}
		}
	}
	if examples < 3 {
		t.Errorf("only %d examples", examples)
	}
}

// TestSchemaFits: the schema is JSON, knows every key, and what the reference calls a default is one of the right type.
func TestSchemaFits(t *testing.T) {
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(SchemaJSON(), &schema); err != nil {
		t.Fatal(err)
	}
	reference := string(referenceMarkdown())
	for _, k := range root.keys {
		if schema.Properties[k.name] == nil {
			t.Errorf("the schema does not know %s", k.name)
		}
	}
	walk(root, "", func(path string, k *key) {
		if k.kind != section && !strings.Contains(reference, "`"+path+"`") {
			t.Errorf("the reference does not know %s", path)
		}
		if k.def == "" {
			return
		}
		var v any
		if err := yaml.Unmarshal([]byte(k.def), &v); err != nil {
			t.Errorf("default of %s: %v", path, err)
		}
	})
}
