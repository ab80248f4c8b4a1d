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

// soon is the time within which every change to the file takes effect.
const soon = settledAfter + pollEvery

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
		"a foreign hash":       {func(b *bench) { b.write("ann:{SHA}abc\n" + bob) }, 0, 0},
		"garbage":              {func(b *bench) { b.write("\x7fELF\x00\x00") }, 0, 0},
		"cut short":            {func(b *bench) { b.write((ann + bob)[:len(ann)+12]) }, 0, 0},
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
	if n := strings.Count(b.log.String(), "cannot be loaded"); n != 1 {
		t.Errorf("told %d times:\n%s", n, b.log.String())
	}
	b.write(content)
	b.now = b.now.Add(soon)
	if b.Refresh(); b.Fault() != nil {
		t.Errorf("still: %v", b.Fault())
	}
}

// TestDamagedIsLoud verifies that a damaged file is refused alike by a poll and by a reload, that the
// fault is logged once, and that it ends when the file is valid.
func TestDamagedIsLoud(t *testing.T) {
	content := line(t, "ann", "right", lowCost)
	b := newBenchWith(t, content, config.Lockout{}, Options{ConfigPath: "/etc/a registry/myconfig.yml"})
	c := config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Realm: "r", Path: b.path}}
	b.write(content + "bob:{SHA}abc\n")
	for range 5 {
		b.now = b.now.Add(soon)
		b.Refresh()
	}
	if b.Fault() == nil || !strings.Contains(b.Fault().Error(), "line 2") {
		t.Errorf("fault %v", b.Fault())
	}
	if n := strings.Count(b.log.String(), "cannot be loaded"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, b.log.String())
	}
	if want := "packhouse config verify '/etc/a registry/myconfig.yml'"; !strings.Contains(b.log.String(), want) {
		t.Errorf("the remedy does not name %s:\n%s", want, b.log.String())
	}
	if err := b.Reconfigure(c); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("reload: %v", err)
	}
	b.expect("after the reload", "ann", "right", home, 0, 1)
	if b.Fault() == nil {
		t.Error("a refused reload ended the fault")
	}
	b.write(content + line(t, "bob", "other", lowCost))
	b.now = b.now.Add(soon)
	if b.Refresh(); b.Fault() != nil {
		t.Errorf("valid again, but %v", b.Fault())
	}
	b.expect("then", "bob", "other", home, 0, 1)
}

// TestStartServesTheGoodLines verifies that one bad line costs only its own user, at start and after
// later changes of other lines.
func TestStartServesTheGoodLines(t *testing.T) {
	ann, bob := line(t, "ann", "right", lowCost), line(t, "bob", "right", lowCost)
	b := newBench(t, "eve:{SHA}abc\n"+ann)
	b.expect("at start", "ann", "right", home, 0, 1)
	b.write("eve:{SHA}abc\n" + ann + bob)
	b.now = b.now.Add(soon)
	b.expect("with another user", "bob", "right", home, 0, 1)
	if b.Fault() != nil {
		t.Errorf("fault: %v", b.Fault())
	}
}

// TestWritingInPlace verifies that users who are missing while a program writes the file in place
// are not locked out, and that a file that stays empty removes them.
func TestWritingInPlace(t *testing.T) {
	ann, bob := line(t, "ann", "right", lowCost), line(t, "bob", "right", lowCost)
	b := newBench(t, ann+bob)
	at := func(content string) {
		t.Helper()
		if err := os.WriteFile(b.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(b.path, b.now, b.now); err != nil {
			t.Fatal(err)
		}
	}
	for _, partial := range []string{"", ann, ann + bob[:20]} {
		b.now = b.now.Add(pollEvery)
		at(partial)
		b.now = b.now.Add(pollEvery)
		if b.Refresh(); b.Users() != 2 {
			t.Errorf("%d users while %q is on disk", b.Users(), partial)
		}
	}
	at(ann + bob)
	b.now = b.now.Add(pollEvery)
	if b.Refresh(); b.Users() != 2 || b.Fault() != nil {
		t.Errorf("%d users, fault %v", b.Users(), b.Fault())
	}
	at("# no users any more\n")
	b.now = b.now.Add(settledAfter)
	if b.Refresh(); b.Users() != 0 {
		t.Errorf("%d users after the file was emptied", b.Users())
	}
}

// TestTimesInTheFuture verifies that a file server whose clock is ahead does not delay a removal for
// longer than settledAfter.
func TestTimesInTheFuture(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost)+line(t, "bob", "right", lowCost))
	b.write(line(t, "ann", "right", lowCost))
	if err := os.Chtimes(b.path, b.now.Add(time.Hour), b.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		b.now = b.now.Add(pollEvery)
		b.Refresh()
	}
	if b.Users() != 1 {
		t.Errorf("%d users, want 1", b.Users())
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
