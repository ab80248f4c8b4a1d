package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"packhouse/trust"
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
	if err := VerifyKeyTarget(filepath.Join(taken, "x")); err == nil {
		t.Error("a target below a file is accepted")
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

// TestMovedCAKeyIsNoDrift verifies that an installation whose CA key was moved away is unchanged.
func TestMovedCAKeyIsNoDrift(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	if _, err := MoveCAKey(dir, filepath.Join(t.TempDir(), "ca.key"), nil); err != nil {
		t.Fatal(err)
	}
	if in, err := Load(dir); err != nil || len(in.Drift) > 0 {
		t.Errorf("differences: %v, %v", in.Drift, err)
	}
}

// TestCAKeyIsNotMovedThroughALink verifies that no link of another user leads the key elsewhere.
func TestCAKeyIsNotMovedThroughALink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	public, theirs := t.TempDir(), t.TempDir()
	link := filepath.Join(public, "link")
	if err := errors.Join(os.Chmod(public, 0o777|os.ModeSticky), os.Symlink(theirs, link), os.Lchown(link, 50001, 50001)); err != nil {
		t.Fatal(err)
	}
	if err := VerifyKeyTarget(filepath.Join(link, "ca.key")); trust.Unsafe(err) == nil {
		t.Errorf("a link of another user: %v", err)
	}
}
