package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// soon is when a change must have been taken up.
const soon = 2 * time.Second

func TestFileIsFollowed(t *testing.T) {
	ann, bob := line(t, "ann", "right", lowCost), line(t, "bob", "right", lowCost)
	for name, change := range map[string]struct {
		do       func(*bench)
		ann, bob int
	}{
		"a user is removed":    {func(b *bench) { b.write(bob) }, 401, 0},
		"a password changes":   {func(b *bench) { b.write(line(t, "ann", "other", lowCost) + bob) }, 401, 0},
		"everybody is removed": {func(b *bench) { b.write("") }, 401, 401},
		"the file is missing":  {func(b *bench) { os.Remove(b.path) }, 0, 0},
		"it is a directory":    {func(b *bench) { os.Remove(b.path); os.Mkdir(b.path, 0o700) }, 0, 0},
		"one line is bad":      {func(b *bench) { b.write("ann:{SHA}abc\n" + bob) }, 401, 0},
		"changed in place": {func(b *bench) {
			if err := os.WriteFile(b.path, []byte(bob), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 401, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ann+bob)
			b.expect("before", "ann", "right", home, 0, 1)
			b.expect("before", "bob", "right", home, 0, 1)
			change.do(b)
			b.now = b.now.Add(soon)
			if got := b.try("ann", "right", home); got != change.ann {
				t.Errorf("ann: %d, want %d", got, change.ann)
			}
			if got := b.try("bob", "right", home); got != change.bob {
				t.Errorf("bob: %d, want %d", got, change.bob)
			}
			b.silent("right", "$2")
		})
	}
}

// TestSameTick: a change that alters neither size nor times that a fingerprint could show is seen all the same while the file is young.
func TestSameTick(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	b.now = time.Now()
	modified := b.now
	other := line(t, "ann", "other", lowCost)
	if err := os.WriteFile(b.path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(b.path, modified, modified); err != nil {
		t.Fatal(err)
	}
	// As if the first look had seen this very fingerprint with the content before.
	b.users.mu.Lock()
	b.users.seen, _, _ = fingerprintOf(b.path)
	b.users.mu.Unlock()
	b.now = b.now.Add(pollEvery)
	b.expect("the old password", "ann", "right", home, 401, 1)
	b.expect("the new password", "ann", "other", home, 0, 1)
}

// TestThroughLinks: the file is swapped by moving a link of the path, as Kubernetes does.
func TestThroughLinks(t *testing.T) {
	dir := t.TempDir()
	for version, password := range map[string]string{"v1": "first", "v2": "second"} {
		if err := os.MkdirAll(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "htpasswd"), []byte(line(t, "ann", password, lowCost)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	point := func(version string) {
		t.Helper()
		if err := os.Symlink(version, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	point("v1")
	path := filepath.Join(dir, "htpasswd")
	if err := os.Symlink("..data/htpasswd", path); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, "")
	if err := b.Reconfigure(config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Path: path}}); err != nil {
		t.Fatal(err)
	}
	b.expect("first", "ann", "first", home, 0, 1)
	point("v2")
	b.now = b.now.Add(soon)
	b.expect("then", "ann", "first", home, 401, 1)
	b.expect("then", "ann", "second", home, 0, 1)
}

// TestMissingIsLoud: the last good users stay, and it is told once and when it is over.
func TestMissingIsLoud(t *testing.T) {
	content := line(t, "ann", "right", lowCost)
	b := newBench(t, content)
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b.now = b.now.Add(soon)
		b.Refresh()
	}
	if b.Fault() == nil || b.Users() != 1 {
		t.Errorf("fault %v, %d users", b.Fault(), b.Users())
	}
	if n := strings.Count(b.log.String(), "cannot be read"); n != 1 {
		t.Errorf("told %d times:\n%s", n, b.log.String())
	}
	b.write(content)
	b.now = b.now.Add(soon)
	if b.Refresh(); b.Fault() != nil {
		t.Errorf("still: %v", b.Fault())
	}
}

func TestStartNeedsTheFile(t *testing.T) {
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none"), "a directory": t.TempDir()} {
		if _, err := NewAuthenticator(config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Path: path}}, Options{}); err == nil {
			t.Errorf("%s: it started", name)
		}
	}
}

// TestReconfigureKeepsTheLastGood: a path that cannot be read changes nothing.
func TestReconfigureKeepsTheLastGood(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	if err := b.Reconfigure(config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Path: b.path + ".none"}}); err == nil {
		t.Fatal("taken")
	}
	b.now = b.now.Add(soon)
	b.expect("as before", "ann", "right", home, 0, 1)
	if b.Fault() != nil {
		t.Errorf("fault: %v", b.Fault())
	}
}

// TestDummy: what unknown users are compared with is a hash like any other, that nothing matches.
func TestDummy(t *testing.T) {
	for _, cost := range []int{htpasswd.MinCost, 10, 12, htpasswd.MaxCost} {
		hash := dummyHash(cost)
		if got, err := htpasswd.Cost(hash); err != nil || got != cost {
			t.Errorf("cost %d: %d, %v", cost, got, err)
		}
	}
	if err := htpasswd.Verify(dummyHash(htpasswd.MinCost), []byte("")); err != htpasswd.ErrMismatch { //nolint:errorlint // a sentinel, as it is returned
		t.Errorf("compared: %v", err)
	}
}
