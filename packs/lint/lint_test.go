package lint

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"packhouse/finding"
	"packhouse/packs"
)

// tgz packs files into a chart archive.
func tgz(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	chartYAML   = "apiVersion: v2\nname: web\nversion: 2.0.0\n"
	chartValues = "replicas: 1\nimage:\n  tag: v1\nlimits:\n  disk: 1\nlabels: {}\nargs: []\nhost: x\n"
	packJSON    = `{
  "name": "web", "displayName": "Web", "version": "1.0.0", "layer": "addon", "addonType": "ingress",
  "cloudTypes": ["all"], "eol": "2030-01-01", "annotations": {"system_state": "deprecated"},
  "charts": ["charts/web-2.0.0.tgz"], "kubeManifests": ["manifests/job.yaml"],
  "constraints": {"dependencies": [{"packName": "k", "layer": "k8s", "type": "required"}]}
}`
	valuesYAML = `pack:
  content:
    images: [{image: r.example.com/web:v1}]
charts:
  web:
    replicas: 2
    labels: {any: thing}
    limits: {cpu: 1}
    host: "{{ .spectro.system.cluster.name }}"
manifests:
  job:
    name: x
`
	schemaYAML  = "charts.web.replicas:\n  schema: '{{ required | format \"${number}\" | hints \"How many\" }}'\n"
	presetsYAML = "presets:\n- name: small\n  displayName: Small\n  group: Size\n  remove: [charts.web.labels]\n" +
		"  add: |\n    charts:\n      web:\n        replicas: 1\n"
)

// goodPack returns the files of a pack without findings.
func goodPack(t *testing.T) map[string]string {
	t.Helper()
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"pack.json": packJSON, "values.yaml": valuesYAML, "README.md": "# Web\n", "logo.png": logo.String(),
		"schema.yaml": schemaYAML, "presets.yaml": presetsYAML,
		"charts/web-2.0.0.tgz": tgz(t, map[string]string{"web/Chart.yaml": chartYAML, "web/values.yaml": chartValues}),
		"manifests/job.yaml":   "kind: Job\nmetadata:\n  name: a\n",
	}
}

// findings returns the findings of a pack as text.
func findings(t *testing.T, files map[string]string, o Options) string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	pack, err := packs.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	o.Now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	left, ignored := new(Config).Apply(fsys, pack, Pack(fsys, pack, o))
	var text strings.Builder
	for _, p := range left {
		fmt.Fprintf(&text, "%s %s %s: %s\n", p.Severity, p.Code, p.Where(), p.What)
		if p.Remedy != "" {
			fmt.Fprintf(&text, "    %s\n", p.Remedy)
		}
	}
	for _, p := range ignored {
		fmt.Fprintf(&text, "ignored %s %s: %s\n", p.Code, p.Finding().Where(), p.Reason)
	}
	return text.String()
}

// TestFaults introduces one fault at a time into a pack without findings.
func TestFaults(t *testing.T) {
	replace := func(name, old, with string) func(map[string]string) {
		return func(files map[string]string) {
			if !strings.Contains(files[name], old) {
				panic(name + " does not contain " + old)
			}
			files[name] = strings.Replace(files[name], old, with, 1)
		}
	}
	put := func(name, text string) func(map[string]string) {
		return func(files map[string]string) { files[name] = text }
	}
	values := func(old, with string) func(map[string]string) { return replace("values.yaml", old, with) }
	meta := func(old, with string) func(map[string]string) { return replace("pack.json", old, with) }
	schema := func(text string) func(map[string]string) {
		return put("schema.yaml", "charts.web.replicas:\n  schema: '"+text+"'\n")
	}
	preset := func(old, with string) func(map[string]string) { return replace("presets.yaml", old, with) }
	theChart := func(files map[string]string) func(map[string]string) {
		return put("charts/web-2.0.0.tgz", tgz(t, files))
	}
	faults := map[string]func(map[string]string){
		"good":            func(map[string]string) {},
		"values no YAML":  put("values.yaml", "pack:\n  a: [\n"),
		"values a list":   put("values.yaml", "- a\n"),
		"pack twice":      values("charts:", "pack: {}\ncharts:"),
		"key twice":       values("replicas: 2", "replicas: 2\n    replicas: 3"),
		"item twice":      values("replicas: 2", "args: [a, b, a]"),
		"chart case":      values("  web:", "  Web:"),
		"chart spelling":  values("  web:", "  wev:"),
		"no such chart":   values("manifests:", "  db: {a: 1}\nmanifests:"),
		"manifest":        values("  job:", "  jobs:"),
		"unknown value":   values("replicas: 2", "replicas: 2\n    replica: 2"),
		"wrong level":     values("replicas: 2", "replicas: 2\n    tag: v2"),
		"table for one":   values("replicas: 2", "replicas: {a: 2}"),
		"no chart":        put("charts/web-2.0.0.tgz", "no gzip"),
		"no Chart.yaml":   theChart(map[string]string{"web/values.yaml": chartValues}),
		"not in a folder": theChart(map[string]string{"Chart.yaml": chartYAML}),
		"dotted layout":   theChart(map[string]string{"./Chart.yaml": chartYAML, "./values.yaml": chartValues}),
		"chart leads out": theChart(map[string]string{"web/../../x": chartYAML}),
		"other version": theChart(map[string]string{
			"web/Chart.yaml": strings.Replace(chartYAML, "2.0.0", "1.9.0", 1), "web/values.yaml": chartValues,
		}),
		"unlisted chart":      put("charts/b-1.tgz", ""),
		"unlisted manifest":   put("manifests/b.yaml", "a: b\n"),
		"broken manifest":     put("manifests/job.yaml", "a: b\n---\na: b: c\n"),
		"templated manifest":  put("manifests/job.yaml", "{{ if .Values.a }}\na: {{ .Values.b }}\n{{ end }}\n"),
		"glob":                meta("manifests/job.yaml", "manifests/*.yaml"),
		"listed twice":        meta(`"manifests/job.yaml"`, `"manifests/job.yaml", "./manifests/job.yaml"`),
		"untagged":            values("web:v1}", "web}"),
		"latest":              values("web:v1}", "web:latest}"),
		"upper case":          values("example.com/web:v1}", "example.com/Web:V1}"),
		"iamge":               values("{image:", "{iamge:"),
		"plain item":          values("{image: r.example.com/web:v1}", "r.example.com/web:v1"),
		"images no list":      values("[{image: r.example.com/web:v1}]", "x"),
		"unknown type":        schema(`{{ format "${strng}" }}`),
		"bad pattern":         schema(`{{ format "${string:/^[a-z/}" }}`),
		"good pattern":        schema(`{{ format "${string:/^[a-z]+$/}" }}`),
		"empty list":          schema(`{{ format "${list:[]}" }}`),
		"unknown function":    schema(`{{ requird }}`),
		"no braces":           schema(`required`),
		"no schema":           put("schema.yaml", "charts.web.replicas: {}\n"),
		"unknown parameter":   put("schema.yaml", "charts.web.x: {schema: '{{ required }}'}\n"),
		"preset without name": preset("name: small", "nam: small"),
		"preset twice":        put("presets.yaml", presetsYAML+strings.TrimPrefix(presetsYAML, "presets:\n")),
		"preset group":        preset("  group: Size\n", ""),
		"preset add broken":   preset("replicas: 1", "replicas: ["),
		"preset add a table":  preset("add: |", "add:"),
		"preset chart":        preset("      web:", "      wev:"),
		"preset remove":       preset("charts.web.labels", "charts.web.label"),
		"no presets":          put("presets.yaml", "preset: []\n"),
		"no addonType":        meta(`"addonType": "ingress",`, ""),
		"unknown addonType":   meta(`"ingress"`, `"ingres"`),
		"no cloudTypes":       meta(`"cloudTypes": ["all"],`, ""),
		"no layer":            meta(`"layer": "k8s", `, ""),
		"end of life":         meta("2030-01-01", "2026-12-31"),
		"system_state":        meta("deprecated", "retired"),
		"ignored in line": values(
			"replicas: 2", "replicas: 2\n    replica: 2 # packhouse:ignore pack-values-unknown read by a hook",
		),
		"ignored above": values(
			"replicas: 2",
			"replicas: 2\n    # packhouse:ignore pack-values-unknown read by a hook\n\n    replica: 2",
		),
		"ignored without reason": values(
			"replicas: 2", "replicas: 2\n    replica: 2 # packhouse:ignore pack-values-unknown",
		),
		"ignores nothing": values(
			"replicas: 2", "replicas: 2 # packhouse:ignore pack-values-unknown once wrong",
		),
		"an error of a push cannot be ignored": put(
			"values.yaml", "pack:\n  namespace: A_B # packhouse:ignore pack-namespace I like it\n",
		),
	}
	var report strings.Builder
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		files := goodPack(t)
		faults[name](files)
		fmt.Fprintf(&report, "# %s\n%s\n", name, findings(t, files, Options{}))
	}
	golden(t, "testdata/faults.txt", report.String())
}

var update = flag.Bool("update", false, "write golden files")

// golden compares text with a golden file, or writes it.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := udiff.Unified(file, "findings", string(want), text); d != "" {
		t.Errorf("findings changed; -update writes the file:\n%s", d)
	}
}

// TestRendered compares what charts deploy with what the pack declares.
func TestRendered(t *testing.T) {
	got := findings(t, goodPack(t), Options{Rendered: func(r *Rendered) bool {
		r.Images = []packs.Image{
			{Reference: "r.example.com/a:1", Source: "charts/web-2.0.0.tgz!web/templates/a.yaml", From: packs.Rendered},
			{Reference: "r.example.com/t:1", Source: "charts/a.tgz!a/templates/tests/a.yaml", From: packs.Rendered},
			{Reference: "r.example.com/both:1", Source: "values.yaml", From: packs.Rendered | packs.Declared},
			{Reference: "r.example.com/web:v1", Source: "values.yaml", From: packs.Declared},
		}
		return true
	}})
	golden(t, "testdata/rendered.txt", got)
}

func TestConfig(t *testing.T) {
	for text, want := range map[string]string{
		"severity: warning\nignore:\n- {code: pack-eol, reason: none}\n": "",
		"":                               "",
		"ignore:\n- {code: pack-eol}\n":  "has no reason",
		"ignore:\n- {reason: because}\n": "has no code",
		"severity: fatal\n":              "must be one of error, warning, note",
		"ignored: []\n":                  "ignored",
		"ignore:\n- {code: a, reason: b, pack: '['}\n": "invalid pattern",
	} {
		_, err := ParseConfig([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	c := Config{Ignore: []Rule{{Code: "pack-eol", Pack: "web*", Path: "pack.json", Match: "date", Reason: "known"}}}
	p := finding.Finding{Code: "pack-eol", Subject: finding.Subject{File: "pack.json"}, What: "no date"}
	other := p
	other.What = "passed"
	if c.rule("web-2", p) != "known" || c.rule("db", p) != "" || c.rule("web", other) != "" {
		t.Error("a rule silences other findings than it names")
	}
}
