package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestOutputBehindALinkOfAnotherUser verifies that root writes nothing through a directory that another
// user can replace.
func TestOutputBehindALinkOfAnotherUser(t *testing.T) {
	s := newPlanted(t)
	shared := filepath.Join(s.root, "shared")
	s.ok(os.Mkdir(shared, 0o755)) //nolint:gosec // its mode is set below
	s.ok(os.Chmod(shared, 0o777|os.ModeSticky))
	s.ok(os.Symlink(s.system, filepath.Join(s.theft, "out")))
	s.ok(os.Symlink(s.system, filepath.Join(shared, "out")))
	s.give(mallory, filepath.Join(s.theft, "out"), filepath.Join(shared, "out"))
	before := s.state()
	for _, dir := range []string{filepath.Join(s.theft, "out"), filepath.Join(shared, "out")} {
		for _, args := range [][]string{
			{"cert", "export", "docker", "--out", dir, "--dir", s.dir},
			{"cert", "export", "ca", "--out", filepath.Join(dir, "ca.crt"), "--dir", s.dir},
			{"cert", "export", "ca", "--out", filepath.Join(dir, "new", "ca.crt"), "--dir", s.dir},
			{"pack", "pull", "nginx", dir, "-r", "http://127.0.0.1:1"},
		} {
			code, out := s.run(0, args...)
			if code != cli.ExitFailed || !strings.Contains(out, "owner uid 50021") || !strings.Contains(out, "only root can write") {
				t.Errorf("%v: exit %d, want 1, the owner and a remedy:\n%s", args, code, out)
			}
		}
	}
	if _, out := s.run(0, "pack", "pull", "nginx", s.theft, "-r", "http://127.0.0.1:1"); strings.Contains(out, "only root can write") {
		t.Errorf("root cannot pull into a directory of another user:\n%s", out)
	}
	if changed := changesOf(before, s.state()); len(changed) > 0 {
		t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
	}
	for _, args := range [][]string{
		{"cert", "export", "docker", "--out", filepath.Join(s.root, "own"), "--dir", s.dir},
		{"cert", "export", "ca", "--out", filepath.Join(shared, "ca.crt"), "--dir", s.dir},
	} {
		if code, out := s.run(0, args...); code != cli.ExitOK {
			t.Errorf("%v: exit %d, want 0:\n%s", args, code, out)
		}
	}
}
