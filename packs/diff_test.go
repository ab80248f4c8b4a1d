package packs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestCompare compares the difference of two versions with the golden file.
func TestCompare(t *testing.T) {
	open := func(files map[string]string) DiffInput {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		pack, err := Open(fsys)
		if err == nil {
			err = pack.HashFiles(fsys)
		}
		if err != nil {
			t.Fatal(err)
		}
		return pack.DiffInput()
	}
	before := open(map[string]string{
		"pack.json": `{"name": "web", "version": "1.0.0", "cloudTypes": ["aws"],
			"constraints": {"resources": [{"minLimit": 100}]}}`,
		"values.yaml": `pack:
  content:
    images:
      - image: registry.example.com/web:1.0
charts:
  web:
    image: registry.example.com/web:1.0
    replicas: 1
    args: [a, b]
    "a.b": {}
    text: |
      one
      two
    list: [{name: x, value: 1}]
`,
		"charts/web-1.0.0.tgz": "x", "charts/old-0.1.tgz": "x", "same.txt": "same", "one.txt": "abc", "gone.txt": "",
	})
	after := open(map[string]string{
		"pack.json": "{\"name\": \"web\", \"version\": \"1.1.0\",\t\"cloudTypes\": [\"aws\", \"azure\"], " +
			"\"eol\": \"2027-12-31\", \"constraints\": {\"resources\": [{\"minLimit\": 200}]}}",
		"values.yaml": `pack:
  content:
    images:
      - image: registry.example.com/web:1.1
      - image: registry.example.com/proxy:2
charts:
  web:
    image: registry.example.com/web:1.1
    replicas: 2
    args: [a]
    "a.b": {c: null}
    text: |
      one
      three
    list: [{name: x, value: 1}, {name: y}]
`,
		"charts/web-1.1.0.tgz": "x", "same.txt": "same", "one.txt": "abd", "new.txt": "n",
	})
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(Compare(before, after)); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "build", "diff.json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got.String() != string(want) {
		t.Errorf("the difference is\n%s\nwant\n%s\n%v", got.String(), want, err)
	}
	if d := Compare(before, before); !d.Empty() {
		t.Errorf("a pack differs from itself: %+v", d)
	}
}

// TestCompareIsBounded: neither invalid nor malicious packs break a comparison.
func TestCompareIsBounded(t *testing.T) {
	many := map[string]string{}
	for i := range 3000 {
		many[strings.Repeat("x", i+1)] = ""
	}
	if changes, cut := compareKeys(many, nil); len(changes) != maxChanges || !cut {
		t.Errorf("%d changes, cut: %v", len(changes), cut)
	}
	deep := strings.Repeat("{"+strings.Repeat("a", 50)+": ", 5000) + "x" + strings.Repeat("}", 5000)
	size := 0
	for key := range valueKeys([]byte(deep)).values {
		size += len(key)
	}
	if size > 2*maxPath {
		t.Errorf("the keys have %d bytes", size)
	}
	for text, want := range map[string]string{
		"a: {{ .spectro.x }}\nb: 1\n": "1", "b: 1\nb: 2\n": "1, 2",
		"x: &b [y]\nb: *b\n": "*b", "b:\n": "", "b: {c: 1": "{c: 1",
	} {
		if got := valueKeys([]byte(text)).values["b"]; got != want {
			t.Errorf("%q: b is %q, want %q", text, got, want)
		}
	}
	if got := metadataKeys([]byte(`{"name": "a", "layer": "os",}`)).values["layer"]; got != "os" {
		t.Errorf("of a pack.json with a comma too many, layer is %q", got)
	}
}

func FuzzCompare(f *testing.F) {
	f.Add(`{"name": "a"}`, "a: [b, {c: d}]\n", `{"name": 1}`, "{{ x }}: y\n")
	f.Fuzz(func(t *testing.T, json1, values1, json2, values2 string) {
		d := Compare(
			DiffInput{Metadata: []byte(json1), Values: []byte(values1)},
			DiffInput{Metadata: []byte(json2), Values: []byte(values2)},
		)
		for _, c := range append(d.Metadata, d.Values...) {
			if c.Old == nil && c.New == nil {
				t.Fatalf("%q changed from nothing to nothing", c.Key)
			}
		}
	})
}
