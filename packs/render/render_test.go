package render

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"packhouse/packs"
)

// tgz packs files into a chart archive.
func tgz(t *testing.T, files map[string]string) []byte {
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
	return b.Bytes()
}

const packJSON = `{"name":"web","displayName":"Web","version":"1.0.0","layer":"addon","charts":["charts/web.tgz"],
"kubeManifests":["manifests/job.yaml"]}`

// pod returns a template of a pod with an image.
func pod(image string) string {
	return "kind: Pod\nspec:\n  containers:\n  - name: a\n    image: " + image + "\n"
}

// list renders a pack with one chart and returns its images as "reference origins", and the failures.
func list(t *testing.T, values string, chart map[string]string, more map[string]string) (images, failures []string) {
	t.Helper()
	files := map[string]string{"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: v7\n"}
	maps.Copy(files, chart)
	fsys := fstest.MapFS{
		"pack.json": {Data: []byte(packJSON)}, "values.yaml": {Data: []byte(values)},
		"charts/web.tgz": {Data: tgz(t, files)},
	}
	for name, text := range more {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	pack, err := packs.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	result := Pack(fsys, pack)
	for _, i := range result.Images {
		images = append(images, i.Reference+" "+i.From.String())
	}
	for _, f := range result.Failures {
		failures = append(failures, f.Path+": "+f.What)
	}
	return images, failures
}

func TestRender(t *testing.T) {
	sub := func(name, more string) map[string]string {
		return map[string]string{
			"web/charts/" + name + "/Chart.yaml":  "apiVersion: v2\nname: " + name + "\nversion: 2.0.0\n" + more,
			"web/charts/" + name + "/values.yaml": "tag: own\nexports:\n  shared:\n    picked: exported\n",
			"web/charts/" + name + "/templates/pod.yaml": pod(
				"r.example.com/" + name + ":{{ .Values.tag }}-{{ .Values.global.zone }}"),
		}
	}
	join := func(all ...map[string]string) map[string]string {
		joined := map[string]string{}
		for _, files := range all {
			maps.Copy(joined, files)
		}
		return joined
	}
	chartYAML := func(more string) map[string]string {
		return map[string]string{"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: v7\n" + more}
	}
	dependency := func(more string) map[string]string {
		return chartYAML("dependencies:\n- name: db\n  version: ~2.0\n" + more)
	}
	one := func(template string) map[string]string { return map[string]string{"web/templates/a.yaml": template} }
	for name, tc := range map[string]struct {
		values string
		chart  map[string]string
		more   map[string]string
		want   []string
		fails  string
	}{
		"default tag": {
			chart: one(pod(`"r.example.com/web:{{ .Values.tag | default .Chart.AppVersion }}"`)),
			want:  []string{"r.example.com/web:v7 rendered"},
		},
		"values of the pack": {
			values: "charts:\n  web:\n    tag: \"1.5\"\n",
			chart:  one(pod(`r.example.com/web:{{ .Values.tag }}`)),
			want:   []string{"r.example.com/web:1.5 rendered"},
		},
		"declared too": {
			values: "pack:\n  content:\n    images: [{image: r.example.com/web:1}, {image: r.example.com/b:2}]\n",
			chart:  one(pod(`r.example.com/web:1`)),
			want:   []string{"r.example.com/b:2 declared", "r.example.com/web:1 declared, rendered"},
		},
		"include and tpl": {
			values: "charts:\n  web:\n    image: r.example.com/{{ .Chart.Name }}:{{ include \"tag\" . }}\n",
			chart: join(one(pod(`{{ tpl .Values.image . }}`)),
				map[string]string{"web/templates/_tag.tpl": `{{ define "tag" }}3{{ end }}`}),
			want: []string{"r.example.com/web:3 rendered"},
		},
		"subchart with globals": {
			values: "charts:\n  web:\n    global:\n      zone: z\n    db:\n      tag: given\n",
			chart:  sub("db", ""),
			want:   []string{"r.example.com/db:given-z rendered"},
		},
		"disabled by condition": {
			values: "charts:\n  web:\n    db:\n      enabled: false\n",
			chart:  join(sub("db", ""), dependency("  condition: db.enabled\n")),
		},
		"disabled by tag": {
			values: "charts:\n  web:\n    tags:\n      back: false\n",
			chart:  join(sub("db", ""), dependency("  tags: [back]\n")),
		},
		"condition before tag": {
			values: "charts:\n  web:\n    tags:\n      back: false\n    db:\n      enabled: true\n    global: {zone: z}\n",
			chart:  join(sub("db", ""), dependency("  tags: [back]\n  condition: db.enabled\n")),
			want:   []string{"r.example.com/db:own-z rendered"},
		},
		"alias": {
			values: "charts:\n  web:\n    global: {zone: z}\n    second:\n      tag: other\n",
			chart:  join(sub("db", ""), dependency("- name: db\n  version: 2.x.x\n  alias: second\n")),
			want:   []string{"r.example.com/db:other-z rendered", "r.example.com/db:own-z rendered"},
		},
		"import-values": {
			values: "charts:\n  web:\n    global: {zone: z}\n",
			chart: join(sub("db", ""), dependency("  import-values: [shared]\n"),
				one(pod("r.example.com/web:{{ .Values.picked }}"))),
			want: []string{"r.example.com/db:own-z rendered", "r.example.com/web:exported rendered"},
		},
		"library": {
			chart: join(sub("db", "type: library\n"), one(pod("r.example.com/web:1"))),
			want:  []string{"r.example.com/web:1 rendered"},
		},
		"null removes a default": {
			values: "charts:\n  web:\n    tag: null\n",
			chart: join(one(pod("r.example.com/web:{{ .Values.tag | default \"none\" }}")),
				map[string]string{"web/values.yaml": "tag: default\n"}),
			want: []string{"r.example.com/web:none rendered"},
		},
		"no environment, network or cluster": {
			chart: one(pod(`r.example.com/web:{{ getHostByName "localhost" }}{{ len (lookup "v1" "Pod" "" "") }}`)),
			want:  []string{"r.example.com/web:0 rendered"},
		},
		"environment": {
			chart: one(pod(`r.example.com/web:{{ env "HOME" }}`)), fails: `function "env" not defined`,
		},
		"required value": {
			chart: one(`{{ required "give a token" .Values.token }}` + "\n---\n" + pod("r.example.com/web:1")),
			want:  []string{"r.example.com/web:1 rendered"}, fails: "give a token",
		},
		"preset": {
			values: "charts:\n  web:\n    tag: base\n    extra: true\n",
			chart:  one(pod("r.example.com/web:{{ .Values.tag }}{{ if .Values.extra }}-extra{{ end }}")),
			more: map[string]string{"presets.yaml": "presets:\n- name: a\n  displayName: A\n  group: G\n" +
				"  remove: [charts.web.extra]\n  add: |\n    charts:\n      web:\n        tag: preset\n"},
			want: []string{"r.example.com/web:base-extra rendered", "r.example.com/web:preset rendered"},
		},
		"annotation": {
			chart: chartYAML("annotations:\n  artifacthub.io/images: |\n    - name: web\n" +
				"      image: r.example.com/annotated:1\n"),
			want: []string{"r.example.com/annotated:1 annotation"},
		},
		"custom resources, arguments and variables": {
			chart: one("kind: Tool\nspec:\n  image: {repository: r.example.com/tool, tag: v1}\n" +
				"  args: [--sidecar-image=r.example.com/side:1, --image=bare]\n" +
				"  env:\n  - {name: RELATED_IMAGE_X, value: 'r.example.com/related:2'}\n" +
				"  - {name: OTHER, value: 'r.example.com/not:2'}\n" +
				"  config: |\n    image: r.example.com/embedded:1\n"),
			want: []string{
				"r.example.com/embedded:1 rendered", "r.example.com/related:2 rendered",
				"r.example.com/side:1 rendered", "r.example.com/tool:v1 rendered",
			},
		},
		"schemas name no images": {
			chart: one("kind: CustomResourceDefinition\nspec:\n  image: r.example.com/b:1\n"),
		},
		"macros of Palette": {
			values: "charts:\n  web:\n    registry: \"{{ .spectro.system.registry }}\"\n    name: {{.spectro.var.x}}\n",
			chart:  one(pod("{{ .Values.registry }}/a:1") + "---\n" + pod("r.example.com/b:1")),
			want:   []string{"r.example.com/b:1 rendered"},
		},
		"manifest with values": {
			values: "manifests:\n  job:\n    tag: 4.5.6\n",
			more:   map[string]string{"manifests/job.yaml": pod("r.example.com/job:{{ .Values.tag }}")},
			want:   []string{"r.example.com/job:4.5.6 rendered"},
		},
		"damaged chart": {
			chart: map[string]string{"web/Chart.yaml": "name: [", "web/templates/a.yaml": pod("r.example.com/web:1")},
			want:  []string{"r.example.com/web:1 guessed"}, fails: "charts/web.tgz: read Chart.yaml",
		},
		"certificates cost no time": {
			chart: one(`{{ $ca := genCA "a" 365 }}` +
				pod(`r.example.com/web:{{ (genSignedCert "b" nil nil 1 $ca).Cert }}`)),
			want: []string{"r.example.com/web:certificate rendered"},
		},
		"files": {
			chart: join(one("{{ range $_, $text := .Files.Glob \"conf/**\" }}"+
				pod("r.example.com/{{ trim (toString $text) }}:1")+"{{ end }}"),
				map[string]string{"web/conf/deep/x": "fromfile\n"}),
			want: []string{"r.example.com/fromfile:1 rendered"},
		},
		"endless include": {
			chart: one(`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`),
			fails: "without end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			images, failures := list(t, tc.values, tc.chart, tc.more)
			if !slices.Equal(images, tc.want) {
				t.Errorf("images %q, want %q; failures %q", images, tc.want, failures)
			}
			if got := strings.Join(failures, "\n"); !strings.Contains(got, tc.fails) || tc.fails == "" && got != "" {
				t.Errorf("failures %q, want %q", got, tc.fails)
			}
		})
	}
}

// TestFolderChart renders an unpacked chart.
func TestFolderChart(t *testing.T) {
	fsys := fstest.MapFS{
		"pack.json":                  {Data: []byte(strings.Replace(packJSON, "charts/web.tgz", "charts/web", 1))},
		"values.yaml":                {},
		"charts/web/Chart.yaml":      {Data: []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")},
		"charts/web/templates/a.yml": {Data: []byte(pod("r.example.com/web:{{ .Chart.Version }}"))},
	}
	pack, err := packs.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(Pack(fsys, pack).Images); !strings.Contains(got, "r.example.com/web:1.0.0") {
		t.Errorf("images %s", got)
	}
}
