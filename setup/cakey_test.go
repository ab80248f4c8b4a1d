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

// TestOwnersOfKeyTargets verifies that root writes the CA's key only where root, or the user who
// runs sudo, decides what is kept.
func TestOwnersOfKeyTargets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	for _, tc := range []struct {
		name    string
		owner   int
		mode    os.FileMode
		sudoUID string
		refused bool
	}{
		{"root", 0, 0o700, "", false},
		{"another user", 50001, 0o700, "", true},
		{"the user of sudo", 50001, 0o700, "50001", false},
		{"a third user", 50001, 0o700, "50002", true},
		{"the user of sudo, writable by all", 50001, 0o777, "50001", true},
		{"writable by all, sticky", 0, 0o777 | os.ModeSticky, "", true},
		{"another user, with a broken variable", 50001, 0o700, "0x", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("SUDO_UID", tc.sudoUID)
			dir := t.TempDir()
			if err := errors.Join(os.Chmod(dir, tc.mode), os.Chown(dir, tc.owner, tc.owner)); err != nil {
				t.Fatal(err)
			}
			err := VerifyKeyTarget(filepath.Join(dir, "ca.key"))
			if (trust.Unsafe(err) != nil) != tc.refused || !tc.refused && err != nil {
				t.Errorf("refused: %v, want %v", err, tc.refused)
			}
		})
	}
}

// TestExposedCAKeyIsReported verifies that --ca-key warns about a key that other users can read or
// change.
func TestExposedCAKeyIsReported(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for _, tc := range []struct {
		name, code string
		mode       os.FileMode
		owner      int
	}{
		{"private", "", 0o600, 0},
		{"readable by all", CodeOpenKey, 0o644, 0},
		{"of another user", CodeUnsafe, 0o600, 50001},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.owner != 0 && os.Geteuid() != 0 {
				t.Skip("only root can make files of another user")
			}
			key, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(CAKeyFile)))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "ca.key")
			if err := errors.Join(os.WriteFile(path, key, 0o600), os.Chmod(path, tc.mode)); err != nil {
				t.Fatal(err)
			}
			if tc.owner != 0 {
				if err := os.Chown(path, tc.owner, tc.owner); err != nil {
					t.Fatal(err)
				}
			}
			in, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := Resolve(t.Context(), m, in, Input{Flags: Values{"rotate-cert": {"true"}, "ca-key": {path}}})
			var got string
			for _, f := range findings {
				if f.Flag == "--ca-key" {
					got += f.Code
				}
			}
			if got != tc.code {
				t.Errorf("warnings %q, want %q: %v", got, tc.code, findings)
			}
		})
	}
}
