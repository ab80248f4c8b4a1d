package packs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func references(images []Image) []string {
	var all []string
	for _, i := range images {
		all = append(all, i.Reference)
	}
	return all
}

func TestImagesInYAML(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"manifest":            {"spec:\n  containers:\n  - name: a\n    image: nginx\n  - image: quay.io/a/b:1.0 # comment\n", []string{"nginx", "quay.io/a/b:1.0"}},
		"quotes":              {"image: \"a/b:1\"\n---\nimage: 'c/d:2'\n", []string{"a/b:1", "c/d:2"}},
		"digest":              {"image: a/b@sha256:" + sum + "\n", []string{"a/b@sha256:" + sum}},
		"port":                {"image: 10.0.0.5:5000/a/b:1\n", []string{"10.0.0.5:5000/a/b:1"}},
		"content":             {"pack:\n  content:\n    images:\n    - image: a/b:1\n    - image: a/c:1\n", []string{"a/b:1", "a/c:1"}},
		"content, plain":      {"pack:\n  content:\n    images:\n      - a/b:1\n", []string{"a/b:1"}},
		"chart values":        {"image:\n  registry: quay.io\n  repository: a/b\n  pullPolicy: Always\n  tag: \"1.2\"\n", []string{"quay.io/a/b:1.2"}},
		"values with digest":  {"image:\n  repository: quay.io/a/b\n  tag: v1\n  digest: sha256:" + sum + "\n", []string{"quay.io/a/b:v1@sha256:" + sum}},
		"values without tag":  {"controllerImage:\n  repository: a/b\n", []string{"a/b"}},
		"tag beside it":       {"sidecar:\n  image: a/b\n  tag: 1.0\nother:\n  tag: 2.0\n", []string{"a/b:1.0"}},
		"suffix":              {"initImage: a/b:1\ndefaultImage: nothing\n", []string{"a/b:1"}},
		"macros":              {"image: {{ .Values.image }}\nimage: \"{{ .x }}/a:1\"\n{{- if x }}\n  image: a/b:1\n{{ end }}\n", []string{"a/b:1"}},
		"schema":              {"properties:\n  image:\n    type: string\n    description: an image\n", nil},
		"words":               {"image: true\nimage: string\nimage: ~\nimage:\n", nil},
		"chart dependencies":  {"dependencies:\n  - name: a\n    repository: https://charts.example.com\n    tag: x\n", nil},
		"git repository":      {"repository: a/b\nbranch: main\n", nil},
		"URL":                 {"image: https://example.com/logo.png\n", nil},
		"Windows line ends":   {"image: a/b:1\r\nother: x\r\n", []string{"a/b:1"}},
		"items as far left":   {"images:\n- a/b:1\n- c/d:2\n", []string{"a/b:1", "c/d:2"}},
		"an item and its own": {"list:\n  - repository: a/one\n    tag: 1\n  - repository: a/two\n    tag: 2\n", []string{"a/one:1", "a/two:2"}},
		"with and without":    {"image:\n  repository: a/b\n  tag: \"\"\nother:\n  image: a/b:7\n", []string{"a/b:7"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newImageScan()
			got := references(s.finish([]byte(tc.text)))
			if !slices.Equal(got, tc.want) {
				t.Errorf("images %q, want %q", got, tc.want)
			}
		})
	}
}

// TestImagesOfSamples names each image with the file that says so.
func TestImagesOfSamples(t *testing.T) {
	for sample, want := range map[string][]Image{
		"policies-1.0.0": {
			{"registry.example.com/policies/agent:1.0.0", "values.yaml", Declared | Guessed},
			{"registry.example.com/policies/init:1.0.0", "values.yaml", Declared | Guessed},
		},
		"edge-ubuntu-22.04":           nil,
		"odd.pack_x-v0.30.0-5.5.2026": {{"ghcr.example.com/odd/one:1.0", "values.yaml", Declared | Guessed}},
	} {
		pack, err := OpenDir("testdata/" + sample)
		if err != nil || !slices.Equal(pack.Images, want) {
			t.Errorf("%s: %+v, %v; want %+v", sample, pack.Images, err, want)
		}
	}
	// A chart without values of the pack: default tags are the versions of the charts they belong to.
	dir := copyPack(t, "hello-1.2.3")
	write(t, dir+"/values.yaml", "")
	pack, err := OpenDir(dir)
	chart := "charts/hello-1.2.3.tgz!hello/"
	want := []Image{
		{"busybox:1.36", chart + "templates/deployment.yaml", Guessed},
		{"registry.example.com/cache:7.2", chart + "charts/cache/values.yaml", Guessed},
		{"registry.example.com/hello/exporter:0.9.1", chart + "values.yaml", Guessed},
		{"registry.example.com/hello/server:4.5.6", chart + "values.yaml", Guessed},
		{"registry.example.com/hello/sidecar@sha256:" + strings.Repeat("a", 64), chart + "values.yaml", Guessed},
	}
	if err != nil || !slices.Equal(pack.Images, want) {
		t.Errorf("hello: %+v, %v", pack.Images, err)
	}
}

// TestSkimBounds holds that no text takes more than it should: counted in lines and bytes, not in time.
func TestSkimBounds(t *testing.T) {
	if lines := skimmed(t, []byte(strings.Repeat("a: b\n", maxLines+10))); len(lines) != maxLines {
		t.Errorf("%d lines are kept", len(lines))
	}
	var deep strings.Builder
	for i := range 300 {
		fmt.Fprintf(&deep, "%s%s:\n", strings.Repeat(" ", i), strings.Repeat("k", 150))
	}
	for _, l := range skimmed(t, []byte(deep.String())) {
		if len(l.path) > maxKeyPath+200 {
			t.Fatalf("a path of %d bytes is kept", len(l.path))
		}
	}
	s := newImageScan()
	s.budget = 100
	for range 10 {
		if err := s.add(File{Path: "a.yaml"}, strings.NewReader(strings.Repeat("image: a/b:1\n", 5))); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.found) > 9 {
		t.Errorf("%d images were read beyond the budget", len(s.found))
	}
}

// skimmed returns all lines of a text.
func skimmed(t *testing.T, text []byte) (lines []line) {
	t.Helper()
	err := skim(bytes.NewReader(text), func(window []line, at int) bool {
		lines = append(lines, window[at])
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func FuzzSkim(f *testing.F) {
	f.Add("a:\n  - b: c\n    image: x\n- - d\n")
	f.Add("\t\"a: b\": 'c\n{}: []\n- |\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range skimmed(t, []byte(text)) {
			if l.indent < 0 || l.number < 1 {
				t.Errorf("%q: %+v", text, l)
			}
		}
		s := newImageScan()
		for _, i := range s.finish([]byte(text)) {
			if !imageReference().MatchString(i.Reference) {
				t.Errorf("%q is no image", i.Reference)
			}
		}
	})
}
