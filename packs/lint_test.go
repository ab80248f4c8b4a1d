package packs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"packhouse/finding"
)

func TestLint(t *testing.T) {
	png := string(drawLogo("nginx", nil))
	pack := func(change func(fstest.MapFS)) fstest.MapFS {
		fsys := fstest.MapFS{
			"pack.json":   {Data: []byte(good)},
			"values.yaml": {Data: []byte("pack:\n  namespace: nginx\n  content:\n    images:\n      - image: a/b:1\n")},
			"logo.png":    {Data: []byte(png)},
			"README.md":   {Data: []byte("# Nginx\n")},
		}
		change(fsys)
		return fsys
	}
	put := func(name, text string) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) { fsys[name] = &fstest.MapFile{Data: []byte(text)} }
	}
	drop := func(name string) func(fstest.MapFS) { return func(fsys fstest.MapFS) { delete(fsys, name) } }
	with := func(more string) func(fstest.MapFS) {
		return put("pack.json", strings.TrimSuffix(good, "}")+","+more+"}")
	}
	both := func(changes ...func(fstest.MapFS)) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) {
			for _, change := range changes {
				change(fsys)
			}
		}
	}
	for name, tc := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
		says   string
	}{
		"good":              {func(fstest.MapFS) {}, nil, ""},
		"no pack.json":      {drop("pack.json"), []string{"error pack-json-missing"}, "top"},
		"no values":         {drop("values.yaml"), []string{"error pack-values-missing", "warning pack-images-empty"}, "OS pack"},
		"empty values":      {put("values.yaml", ""), []string{"warning pack-images-empty"}, "mirror"},
		"empty values, OS":  {both(put("values.yaml", ""), put("pack.json", strings.Replace(good, "addon", "os", 1))), nil, ""},
		"empty values, k8s": {both(put("values.yaml", ""), put("pack.json", strings.Replace(good, "addon", "k8s", 1))), nil, ""},
		"macros":            {put("values.yaml", "{{ if }}\n\tpack: [\n  : }\npack:\n  namespace: {{ .x }}\n  content:\n    images:\n    - image: a/b:1\n"), nil, ""},
		"namespace":         {put("values.yaml", "pack:\n  content: {}\n  namespace: \"Web_1\"\n"), []string{"error pack-namespace", "warning pack-images-empty"}, "Web_1"},
		"images elsewhere":  {put("values.yaml", "charts:\n  a:\n    image: a/b:1\n"), []string{"warning pack-images-empty"}, "finds 1"},
		"no logo":           {drop("logo.png"), []string{"warning pack-logo-missing"}, ""},
		"JPEG":              {put("logo.png", "\xff\xd8\xff"), []string{"warning pack-logo-type"}, "PNG"},
		"large logo":        {put("logo.png", png+strings.Repeat("x", 1<<20)), []string{"warning pack-logo-type"}, "smaller"},
		"no README":         {drop("README.md"), []string{"warning pack-readme-missing"}, ""},
		"missing chart":     {both(with(`"charts":["charts/nginx-1.tgz"]`), put("charts/nginx-2.tgz", "")), []string{"error pack-file-missing"}, "did you mean charts/nginx-2.tgz"},
		"wrong folder":      {both(with(`"kubeManifests":["a.yaml"]`), put("manifests/a.yaml", "")), []string{"error pack-file-missing"}, "did you mean manifests/a.yaml"},
		"nothing like it":   {with(`"kubeManifests":["a.yaml"]`), []string{"error pack-file-missing"}, "add it"},
		"dotted path":       {both(with(`"kubeManifests":["./manifests/a.yaml"]`), put("manifests/a.yaml", "")), nil, ""},
		"a folder":          {both(with(`"charts":["charts/a"]`), put("charts/a/Chart.yaml", "")), nil, ""},
		"outside":           {with(`"charts":["../x.tgz","/y.tgz"]`), []string{"error pack-file-outside", "error pack-file-outside"}, "out of the pack"},
		"bad presets":       {put("presets.yaml", "a: b: c\n"), []string{"warning pack-yaml"}, "mapping values"},
		"a key twice":       {put("schema.yaml", strings.Repeat("a: b\n", 200)), []string{"warning pack-yaml"}, `key "a" already defined at line 1`},
		"a key twice below": {put("presets.yaml", "a:\n  - b: c\n    b: d\n"), []string{"warning pack-yaml"}, "line 2"},
		"large schema":      {put("schema.yaml", strings.Repeat("#\n", maxParsed)), []string{"warning pack-yaml"}, "larger than"},
		"long values": {
			put("values.yaml", strings.Repeat("#\n", maxValues)),
			[]string{"warning pack-file-size", "warning pack-images-empty"},
			"has 2097152 bytes, and at most 1048576 are read",
		},
		"empty schema":      {put("schema.yaml", "# nothing\n"), nil, ""},
		"presets as a list": {put("presets.yaml", "- a\n"), []string{"warning pack-yaml"}, "no mapping"},
		"leftovers":         {both(put(".git/HEAD", ""), put(".DS_Store", "")), []string{"warning pack-leftover"}, "left out"},
		"pack.json as a pipe": {func(fsys fstest.MapFS) {
			fsys["pack.json"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
		}, []string{"error pack-special-file"}, "not a regular file"},
		"logo as a link": {func(fsys fstest.MapFS) {
			fsys["logo.png"] = &fstest.MapFile{Mode: fs.ModeSymlink}
		}, []string{"error pack-link"}, "copy of the file"},
		"control character": {put("a\x1bb", ""), []string{"error pack-file-name"}, "rename"},
		"order": {
			both(drop("logo.png"), drop("README.md"), put(".DS_Store", ""), with(`"charts":["x"],"layer":"moon","annotations":{"token":"x"},"version":"v1.2.3",`)),
			[]string{
				"error pack-json-duplicate", "error pack-json-duplicate", "error pack-json-comma", "error pack-layer", "warning pack-version-v", "warning pack-logo-missing",
				"warning pack-readme-missing", "error pack-file-missing", "warning pack-leftover", "warning pack-secret",
			},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Open(pack(tc.change))
			if err != nil {
				t.Fatal(err)
			}
			var got, texts []string
			for _, problem := range p.Lint() {
				got = append(got, string(problem.Severity)+" "+problem.Code)
				texts = append(texts, Line(problem))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("lint says %q, want %q", texts, tc.want)
			}
			if !strings.Contains(strings.Join(texts, "\n"), tc.says) {
				t.Errorf("lint says %q, without %q", texts, tc.says)
			}
		})
	}
}

func TestLintSamples(t *testing.T) {
	for _, sample := range samples(t) {
		pack, err := OpenDir(filepath.Join("testdata", sample))
		if err != nil || finding.AnyRefused(pack.Lint()) {
			t.Errorf("%s: %v, %v", sample, pack.Lint(), err)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(other, os.DirFS("testdata/hello-1.2.3")); err != nil {
		t.Fatal(err)
	}
	pack, err := OpenDir(other)
	if err != nil || len(pack.Lint()) != 1 || pack.Lint()[0].Code != CodeFolder {
		t.Errorf("under another name: %v, %v", pack.Lint(), err)
	}
	if _, err := OpenDir(filepath.Join(other, "pack.json")); err == nil {
		t.Error("a file was opened as a folder")
	}
}

// TestCodesAreExplained holds docs/palette.md against the codes there are, both ways.
func TestCodesAreExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/palette.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:pack|archive|artifact|registry)-[a-z0-9-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		explained[row[1]] = true
	}
	told := map[string]bool{}
	for _, file := range []string{"findings.go", "failure.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^\tCode\w+\s*= "([a-z0-9-]+)"`).FindAllStringSubmatch(string(text), -1) {
			told[found[1]] = true
			if !explained[found[1]] {
				t.Errorf("%s tells %s, which docs/palette.md does not explain", file, found[1])
			}
		}
	}
	for code := range explained {
		if !told[code] {
			t.Errorf("docs/palette.md explains %s, which nobody tells", code)
		}
	}
}

// TestLintOfACutListing verifies that files behind a limit do not count as missing.
func TestLintOfACutListing(t *testing.T) {
	r := newPackReader()
	files := fstest.MapFS{"a.bin": {Data: []byte("12345")}, "pack.json": {Data: []byte("{}")}}
	err := walk(files, Limits{Bytes: 4}.withDefaults(), r.report, func(f File) error {
		return r.add(f, strings.NewReader(""))
	})
	if err != nil {
		t.Fatal(err)
	}
	if problems := r.finish().Lint(); len(problems) != 1 || problems[0].Code != CodeTooLarge {
		t.Errorf("lint says %v, want one %s", problems, CodeTooLarge)
	}
}
