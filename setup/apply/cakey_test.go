package apply

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
	"packhouse/trust"
)

func TestMoveCAKey(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, filepath.FromSlash(installation.CAKeyFile))
	if err := os.MkdirAll(filepath.Dir(source), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := MoveCAKey(dir, filepath.Join(t.TempDir(), "ca.key"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a key: %v", err)
	}
	if plan.CAKeyAdvice(dir) != nil {
		t.Error("advice without a key")
	}
	if err := os.WriteFile(source, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if plan.CAKeyAdvice(dir) == nil {
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
	if err := installation.VerifyKeyTarget(filepath.Join(taken, "x")); err == nil {
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
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	if _, err := MoveCAKey(dir, filepath.Join(t.TempDir(), "ca.key"), nil); err != nil {
		t.Fatal(err)
	}
	if in, err := installation.Load(dir); err != nil || len(in.Drift) > 0 {
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
	if err := installation.VerifyKeyTarget(filepath.Join(link, "ca.key")); trust.Unsafe(err) == nil {
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
			err := installation.VerifyKeyTarget(filepath.Join(dir, "ca.key"))
			if (trust.Unsafe(err) != nil) != tc.refused || !tc.refused && err != nil {
				t.Errorf("refused: %v, want %v", err, tc.refused)
			}
		})
	}
}

// TestCAKeyIsJudged verifies that --ca-key is refused if it cannot sign a certificate or if another
// user can change it, and that a key that other users can read causes a warning.
func TestCAKeyIsJudged(t *testing.T) {
	m, base := machinetest.New(t, &machinetest.Host{}), t.TempDir()
	dir, other := filepath.Join(base, "packhouse"), filepath.Join(base, "other")
	install(t, m, dir, nil)
	install(t, m, other, nil)
	keyOf := func(dir string) string { return filepath.Join(dir, filepath.FromSlash(installation.CAKeyFile)) }
	key, err := os.ReadFile(keyOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	file := func(mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "ca.key")
		if err := errors.Join(os.WriteFile(path, key, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	theirs := func() string {
		path := file(0o600)
		if os.Geteuid() == 0 {
			if err := os.Chown(path, 50001, 50001); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}()
	for _, tc := range []struct {
		name, dir, key string
		flags          answer.Values
		code           string
		severity       finding.Severity
		root           bool // the case needs root
	}{
		{"private", dir, file(0o600), answer.Values{"rotate-cert": {"true"}}, "", "", false},
		{"nothing due", dir, file(0o600), nil, "", "", false},
		{"readable by all", dir, file(0o644), answer.Values{"rotate-cert": {"true"}}, setup.CodeOpenKey, finding.Warning, false},
		{"of another user", dir, theirs, answer.Values{"rotate-cert": {"true"}}, installation.CodeUnsafe, finding.Refused, true},
		{"of another user, nothing due", dir, theirs, nil, installation.CodeUnsafe, finding.Refused, true},
		{"missing", dir, "/nonexistent", answer.Values{"rotate-cert": {"true"}}, setup.CodeCAKey, finding.Refused, false},
		{"missing, nothing due", dir, "/nonexistent", nil, setup.CodeCAKey, finding.Refused, false},
		{"of another CA", dir, keyOf(other), nil, setup.CodeCAKey, finding.Refused, false},
		{"with a new CA", dir, file(0o600), answer.Values{"new-ca": {"true"}}, setup.CodeConflict, finding.Refused, false},
		{"without a private CA", dir, file(0o600), answer.Values{"tls": {"self-signed"}}, setup.CodeConflict, finding.Refused, false},
		{
			"missing, at the first setup", filepath.Join(base, "new"), "/nonexistent", nil, setup.CodeConflict, finding.Refused,
			false,
		},
		{"at the first setup", filepath.Join(base, "new"), file(0o600), nil, setup.CodeConflict, finding.Refused, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.root && os.Geteuid() != 0 {
				t.Skip("only root can make files of another user")
			}
			in, err := installation.Load(tc.dir)
			if err != nil {
				t.Fatal(err)
			}
			flags := answer.Values{"ca-key": {tc.key}}
			maps.Copy(flags, tc.flags)
			_, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: flags})
			var got []finding.Finding
			for _, f := range findings {
				if f.Flag == "--ca-key" {
					got = append(got, f)
				}
			}
			switch {
			case tc.code == "" && len(got) > 0 || tc.code != "" && len(got) != 1:
				t.Errorf("findings %v, want %q", got, tc.code)
			case tc.code != "" && (got[0].Code != tc.code || got[0].Severity != tc.severity || got[0].Remedy == ""):
				t.Errorf("finding %+v, want %s %q", got[0], tc.severity, tc.code)
			}
		})
	}
}
