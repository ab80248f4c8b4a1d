package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestMoveCAKey(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, filepath.FromSlash(CAKeyFile))
	if err := os.MkdirAll(filepath.Dir(source), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := MoveCAKey(dir, filepath.Join(t.TempDir(), "ca.key"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a key: %v", err)
	}
	if caKeyAdvice(dir) != nil {
		t.Error("advice without a key")
	}
	if err := os.WriteFile(source, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if caKeyAdvice(dir) == nil {
		t.Error("no advice with a key")
	}
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"an existing file": taken, "a directory": t.TempDir(), "below a missing directory": filepath.Join(taken, "x")} {
		if _, err := MoveCAKey(dir, target, nil); err == nil {
			t.Errorf("%s: moved", name)
		}
		if data, err := os.ReadFile(source); err != nil || string(data) != "key" {
			t.Errorf("%s: the key is gone: %v", name, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := MoveCAKey(dir, link, nil); err == nil {
		t.Error("it follows a symbolic link")
	}
	target := filepath.Join(t.TempDir(), "ca.key")
	if got, err := MoveCAKey(dir, target, nil); err != nil || got != target {
		t.Fatalf("%q, %v", got, err)
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Lstat(source); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is still there: %v", err)
	}
}
