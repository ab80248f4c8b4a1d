package packs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// charts reads the files of charts.
func charts(t *testing.T, names ...string) (read []Chart) {
	t.Helper()
	for _, name := range names {
		chart, err := ReadChart(name)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, chart)
	}
	return read
}

// TestBuildFromChart makes the sample pack again out of its chart.
func TestBuildFromChart(t *testing.T) {
	dir := t.TempDir()
	folder, err := Build(t.Context(), BuildOptions{Name: "hello", Dir: dir, Charts: charts(t, "testdata/hello-1.2.3/charts/hello-1.2.3.tgz"), DisplayName: "Hello"})
	if err != nil || folder != filepath.Join(dir, "hello-1.2.3") {
		t.Fatalf("built %s, %v", folder, err)
	}
	if got, want := tree(t, folder), tree(t, "testdata/hello-1.2.3"); !slices.Equal(got, want) {
		t.Errorf("built\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	pack, err := OpenDir(folder)
	if err != nil || len(pack.Lint()) != 0 {
		t.Errorf("lint: %v, %v", pack.Lint(), err)
	}
	var values struct {
		Charts map[string]map[string]any
	}
	if err := yaml.Unmarshal(pack.Document(ValuesFile), &values); err != nil || values.Charts["hello"]["greeting"] != "Hello,\n  world\n" {
		t.Errorf("the chart's values became %v, %v", values.Charts, err)
	}
	_, err = Build(t.Context(), BuildOptions{Name: "hello", Dir: dir, Charts: charts(t, "testdata/hello-1.2.3/charts/hello-1.2.3.tgz")})
	if f := failureOf(t, err); !strings.Contains(f.What, "already exists") {
		t.Errorf("built twice: %s", f.What)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d entries are left", len(entries))
	}
}

func TestBuildFromManifests(t *testing.T) {
	dir := t.TempDir()
	folder, err := Build(t.Context(), BuildOptions{Name: "policies", Dir: dir, Manifests: "testdata/policies-1.0.0/manifests", Version: "2.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	pack, err := OpenDir(folder)
	if err != nil || len(pack.Lint()) != 0 {
		t.Errorf("lint: %v, %v", pack.Lint(), err)
	}
	if want := []string{"manifests/agent.yaml", "manifests/namespace.yaml", "manifests/rbac/reader.yaml"}; !slices.Equal(pack.Metadata.KubeManifests, want) {
		t.Errorf("manifests are %v", pack.Metadata.KubeManifests)
	}
	if len(pack.Images) != 2 {
		t.Errorf("images are %v", pack.Images)
	}
}

func TestBuildRefuses(t *testing.T) {
	chart := charts(t, "testdata/hello-1.2.3/charts/hello-1.2.3.tgz")
	empty := t.TempDir()
	bad := filepath.Join(empty, "bad.tgz")
	write(t, bad, "not a chart")
	noChart := filepath.Join(empty, "none.tgz")
	write(t, noChart, string(archiveOf(t, entry{name: "a/values.yaml"})))
	for name, tc := range map[string]struct {
		o    BuildOptions
		want string
	}{
		"name":           {BuildOptions{Name: "Hello", Charts: chart}, "cannot be a pack's name"},
		"no gzip":        {BuildOptions{Name: "a", Charts: charts(t, bad)}, "is not a Helm chart"},
		"no Chart.yaml":  {BuildOptions{Name: "a", Charts: charts(t, noChart)}, "no Chart.yaml"},
		"version":        {BuildOptions{Name: "a", Charts: chart, Version: "1 2"}, "cannot be a version"},
		"no version":     {BuildOptions{Name: "a", Manifests: "testdata/policies-1.0.0/manifests"}, "no version"},
		"no manifests":   {BuildOptions{Name: "a", Manifests: empty, Version: "1.0.0"}, "no .yaml file"},
		"no such folder": {BuildOptions{Name: "a", Manifests: "nowhere", Version: "1.0.0"}, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Dir = t.TempDir()
			if _, err := Build(t.Context(), tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
			if entries, _ := os.ReadDir(tc.o.Dir); len(entries) != 0 {
				t.Errorf("%d entries are left", len(entries))
			}
		})
	}
}

// FuzzReadChart checks that a chart is read within limits, or refused.
func FuzzReadChart(f *testing.F) {
	f.Add(archiveOf(f, entry{name: "a/Chart.yaml", text: "name: a\nversion: 1.0.0\n"}, entry{name: "a/values.yaml", text: "b: c\n"}))
	f.Add(archiveOf(f, entry{name: "Chart.yaml", text: "name: a\n"}, entry{name: "a/../Chart.yaml", text: "x"}))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, content []byte) {
		documents, err := readChart(content)
		if (err == nil) != (documents["Chart.yaml"] != nil) || len(documents) > 3 {
			t.Fatalf("%d documents, %v", len(documents), err)
		}
		for name, text := range documents {
			if len(text) > maxValues {
				t.Fatalf("%s has %d bytes", name, len(text))
			}
		}
	})
}
