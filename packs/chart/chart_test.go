package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestErrors verifies that errors name the file and what is wrong with it, without the way that the
// YAML library took.
func TestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata, values string
		want             string
	}{
		"not YAML": {"name: a: b\n", "", "read Chart.yaml: the file is not YAML: mapping values are not allowed"},
		"a list":   {"- name\n", "", "read Chart.yaml: the file is not a mapping, but has type array"},
		"a number": {"name: [1]\nversion: 1.0.0\n", "", "read Chart.yaml: name must not have type array"},
		"values":   {"name: a\nversion: 1.0.0\n", "- a\n", "read values.yaml: the file is not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Folder(fstest.MapFS{
				"Chart.yaml": {Data: []byte(tc.metadata)}, "values.yaml": {Data: []byte(tc.values)},
			})
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestLinkOut opens a chart through a link that leads out of the folder of the pack.
func TestLinkOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "charts")); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = Open(root.FS(), "charts/a.tgz")
	if err == nil || err.Error() != "open chart: its path leads through a link out of the pack" {
		t.Errorf("got %v", err)
	}
}
