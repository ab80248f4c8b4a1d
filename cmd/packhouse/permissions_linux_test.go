package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/setup/installation"
)

// TestUnsafeFilesHaveOneCode: check, status and config verify report the same code for the files of an installation that users can change who
// must not, as root and as the user who owns the installation.
func TestUnsafeFilesHaveOneCode(t *testing.T) {
	t.Parallel()
	const owner, other = 50041, 50042
	for _, user := range []struct {
		name string
		uid  int
	}{{"root", 0}, {"owner", owner}} {
		s := newPlace(t)
		s.give(user.uid, s.home)
		if code, out := s.run(user.uid, "setup", "--yes", "--offline", "--no-start", "--dir", s.dir, "--hostname", "registry.example.com",
			"--addr", "127.0.0.1:5399", "--storage-path", filepath.Join(s.home, "data")); code != 0 {
			t.Fatalf("setup as %s: exit %d\n%s", user.name, code, out)
		}
		for _, tc := range []struct {
			file string
			uid  int // new owner; -1: unchanged
			mode fs.FileMode
			code string // empty: no finding
		}{
			{installation.ConfigFile, -1, 0o666, "path-unsafe"},
			{installation.ConfigFile, other, 0o644, "path-unsafe"},
			{installation.HtpasswdFile, other, 0o644, map[bool]string{true: "path-unsafe"}[user.uid == 0]}, // other users may mount files of any owner
			{installation.CertFile, other, 0o644, map[bool]string{true: "path-unsafe"}[user.uid == 0]},
			{installation.CertFile, -1, 0o666, "path-unsafe"},
			{installation.KeyFile, other, 0o644, map[bool]string{true: "path-unsafe"}[user.uid == 0]},
			{installation.CAKeyFile, other, 0o644, "path-unsafe"},
			{"auth", -1, 0o777, "path-unsafe"},
		} {
			t.Run(user.name+" "+tc.file, func(t *testing.T) {
				s.t = t
				path := s.at(tc.file)
				info, err := os.Stat(path)
				s.ok(err)
				s.ok(os.Chmod(path, tc.mode))
				if tc.uid >= 0 {
					s.give(tc.uid, path)
				}
				defer func() {
					s.ok(os.Chmod(path, info.Mode()))
					s.give(user.uid, path)
				}()
				for _, args := range [][]string{{"check", "--quick", "--json"}, {"status", "--json"}, {"config", "verify", "--json"}} {
					_, out := s.run(user.uid, append(args, "--dir", s.dir)...)
					found := ""
					for _, code := range codesIn(t, out) {
						if code == "path-unsafe" {
							found = code
						}
					}
					if found != tc.code || found != "" && !strings.Contains(out, path) {
						t.Errorf(
							"packhouse %s: code %q, want %q of %s\n%s", strings.Join(args, " "), found, tc.code,
							path, out,
						)
					}
				}
			})
		}
	}
}

// codesIn returns the codes in the JSON of check, status or config verify, which a line on standard error may precede.
func codesIn(t *testing.T, out string) (codes []string) {
	t.Helper()
	at := strings.Index(out, "{\n")
	if at < 0 {
		t.Errorf("no JSON\n%s", out)
		return nil
	}
	type coded struct{ Code string }
	var report struct{ Results, Findings []coded }
	if err := json.NewDecoder(strings.NewReader(out[at:])).Decode(&report); err != nil {
		t.Errorf("decode: %v\n%s", err, out)
	}
	for _, list := range [][]coded{report.Results, report.Findings} {
		for _, c := range list {
			codes = append(codes, c.Code)
		}
	}
	return codes
}
