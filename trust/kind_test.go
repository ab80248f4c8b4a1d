package trust

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(name, target string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Skip("symbolic links cannot be made here:", err)
		}
		return path
	}
	for path, want := range map[string]string{
		file:                           "a file",
		dir:                            "a directory",
		filepath.Join(dir, "gone"):     "missing",
		link("to-file", file):          "a symbolic link to a file",
		link("to-dir", dir):            "a symbolic link to a directory",
		link("to-nothing", "nonesuch"): "a broken symbolic link",
	} {
		if got := Kind(path); got != want {
			t.Errorf("Kind(%s) = %q, want %q", path, got, want)
		}
	}
}

func TestObstacle(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"broken": "nonesuch", "loop": "loop", "to-file": "file", "to-dir": "."} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Skip("symbolic links cannot be made here:", err)
		}
	}
	for path, want := range map[string]string{
		"file": "", "to-file": "", "to-dir/file": "", "nonesuch/below": "",
		"broken": "broken", "to-dir/loop": "to-dir/loop", "loop/below/it": "loop",
		"file/below": "file", "to-file/below/it": "to-file",
	} {
		if want != "" {
			want = at(want)
		}
		if got := Obstacle(at(path)); got != want {
			t.Errorf("Obstacle(%s) = %q, want %q", path, got, want)
		}
	}
}
