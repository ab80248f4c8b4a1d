package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestRefusedBeforeAnyChange verifies that commands that cannot finish change nothing.
func TestRefusedBeforeAnyChange(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plant func(s *planted)
		args  func(s *planted) []string
		code  int
		want  string
	}{
		{"key to an existing file", func(s *planted) { s.write(filepath.Join(s.root, "ca.key"), "other", 0o600) }, func(s *planted) []string {
			return []string{"cert", "rotate", "--move-ca-key", filepath.Join(s.root, "ca.key")}
		}, cli.ExitUsage, "exists already"},
		{"key to a missing directory", func(*planted) {}, func(s *planted) []string {
			return []string{"cert", "rotate", "--move-ca-key", filepath.Join(s.root, "none", "ca.key")}
		}, cli.ExitUsage, "none"},
		{"key to an existing file, in setup", func(s *planted) { s.write(filepath.Join(s.root, "ca.key"), "other", 0o600) }, func(s *planted) []string {
			return []string{"setup", "--yes", "--offline", "--no-start", "--user", "eve:reader", "--move-ca-key", filepath.Join(s.root, "ca.key")}
		}, cli.ExitUsage, "exists already"},
		{"key to a directory of another user", func(*planted) {}, func(s *planted) []string {
			return []string{"cert", "rotate", "--move-ca-key", filepath.Join(s.theft, "ca.key")}
		}, cli.ExitUsage, "belongs to another user (owner uid 50021, mode 0755)"},
		{"key below a directory of another user", func(s *planted) {
			s.ok(os.Mkdir(filepath.Join(s.theft, "safe"), 0o700))
		}, func(s *planted) []string {
			return []string{"setup", "--yes", "--offline", "--no-start", "--user", "eve:reader", "--move-ca-key", filepath.Join(s.theft, "safe", "ca.key")}
		}, cli.ExitUsage, "name a file in a directory that only root"},
		{"content of another user", func(s *planted) {
			s.ok(os.MkdirAll(filepath.Join(s.root, "data", "docker", "registry", "v2", "blobs"), 0o755)) //nolint:gosec // as planted
			s.give(mallory, filepath.Join(s.root, "data", "docker"), filepath.Join(s.root, "data", "docker", "registry"))
		}, func(*planted) []string { return []string{"uninstall", "--data", "--yes"} }, cli.ExitFailed, "belongs to another user"},
		{"content behind a link of another user", func(s *planted) {
			s.ok(os.MkdirAll(filepath.Join(s.theft, "registry", "v2"), 0o755)) //nolint:gosec // as planted
			s.ok(os.Symlink(s.theft, filepath.Join(s.root, "data", "docker")))
			s.give(mallory, filepath.Join(s.root, "data", "docker"))
		}, func(*planted) []string { return []string{"uninstall", "--data", "--yes"} }, cli.ExitUsage, "removed through a link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newPlanted(t)
			tc.plant(s)
			before := s.state()
			code, out := s.run(0, append(tc.args(s), "--dir", s.dir)...)
			if code != tc.code || !strings.Contains(out, tc.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tc.code, tc.want, out)
			}
			if changed := changesOf(before, s.state()); len(changed) > 0 {
				t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
			}
		})
	}
}

// TestSocketOfAnotherUser verifies that a change whose server cannot be reached exits with 4 and prints its
// result, because code 1 means that nothing changed.
func TestSocketOfAnotherUser(t *testing.T) {
	s := newPlanted(t)
	socket := filepath.Join(s.root, "data", "packhouse", "v1", "admin.sock")
	s.ok(os.MkdirAll(filepath.Dir(socket), 0o755)) //nolint:gosec // as a server makes it
	listener, err := net.Listen("unix", socket)    //nolint:noctx // of the test
	s.ok(err)
	t.Cleanup(func() { _ = listener.Close() })
	s.give(mallory, filepath.Dir(socket), socket)
	for _, args := range [][]string{{"user", "add", "eve"}, {"user", "role", "eve", "writer"}, {"cert", "rotate"}} {
		code, out := s.run(0, append(args, "--json", "--dir", s.dir)...)
		for _, want := range []string{`"changed": true`, "the running server has not loaded them", "remove it with rm "} {
			if code != cli.ExitFindings || !strings.Contains(out, want) {
				t.Errorf("%v: exit %d, want 4 and %q:\n%s", args, code, want, out)
			}
		}
	}
}
