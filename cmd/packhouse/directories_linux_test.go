package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestDirectoriesInPlaceOfFiles puts a directory in the place of each control file. A command refuses it, and its
// remedy works.
func TestDirectoriesInPlaceOfFiles(t *testing.T) {
	t.Parallel()
	s := newPlanted(t)
	generations, err := os.ReadDir(s.at("backup"))
	s.ok(err)
	generation := generations[len(generations)-1].Name()
	kept := filepath.Join(t.TempDir(), "kept")
	copySite(t, s.home, kept)
	add, rollback := []string{"user", "add", "eve"}, []string{"rollback", "--yes"}
	for _, tc := range []struct {
		name    string
		command []string
		moved   string // what the remedy moves away; empty: the directory itself
		exit    int    // of the command that the remedy names
	}{
		{"myconfig.yml", add, "", cli.ExitOK},
		{"answers.yml", add, "", cli.ExitOK},
		{".installed.json", add, "", cli.ExitOK},
		{"initial-passwords", add, "", cli.ExitOK},
		{"handoff.md", rollback, "", cli.ExitOK},
		{"auth/htpasswd-basic", add, "", cli.ExitOK},
		{"certs/tls.crt", add, "", cli.ExitOK},
		{"backup/" + generation + "/backup.json", rollback, "backup/" + generation, cli.ExitFailed}, // no older backup,
		{".setup/journal.json", add, ".setup", cli.ExitOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.ok(os.RemoveAll(s.home))
			copySite(t, kept, s.home)
			s.ok(os.RemoveAll(s.at(tc.name)))
			s.ok(os.MkdirAll(s.at(tc.name), 0o700))
			code, out := s.run(0, append(tc.command, "--dir", s.dir)...)
			remedy := regexp.MustCompile(`mv (\S+) (\S+), then run \S*packhouse (.*)`).FindStringSubmatch(out)
			if what := s.at(tc.name) + " is a directory, and has to be a file"; code == cli.ExitOK || remedy == nil ||
				!strings.Contains(out, what) {
				t.Fatalf("packhouse %v: exit %d, want a remedy with mv\n%s", tc.command, code, out)
			}
			if want := s.at(cmp.Or(tc.moved, tc.name)); remedy[1] != want {
				t.Errorf("the remedy moves %s, want %s", remedy[1], want)
			}
			s.ok(os.Rename(remedy[1], remedy[2]))
			next := strings.Fields(remedy[3])
			if next[0] == "setup" {
				next = append(next, "--offline", "--no-start")
			}
			if code, out := s.run(0, next...); code != tc.exit {
				t.Errorf("packhouse %v: exit %d, want %d\n%s", next, code, tc.exit, out)
			}
			if slices.Contains(tc.command, "eve") {
				if code, out := s.run(0, append(tc.command, "--dir", s.dir)...); code != cli.ExitOK {
					t.Errorf("packhouse %v after the remedy: exit %d\n%s", tc.command, code, out)
				}
			}
		})
	}
}
