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

// TestMisplacedFiles puts directories, broken links and large files in the place of files of an
// installation, and files in the place of directories. Commands refuse them, and their remedies work.
func TestMisplacedFiles(t *testing.T) {
	t.Parallel()
	s := newPlanted(t)
	generations, err := os.ReadDir(s.at("backup"))
	s.ok(err)
	backup := "backup/" + generations[len(generations)-1].Name()
	kept := filepath.Join(t.TempDir(), "kept")
	copySite(t, s.home, kept)
	add, rollback := []string{"user", "add", "eve"}, []string{"rollback", "--yes"}
	directory := func(path string) error { return os.Mkdir(path, 0o700) }
	circle := func(path string) error { return os.Symlink(filepath.Base(path), path) }
	broken := func(path string) error { return os.Symlink("/nonexistent/file", path) }
	file := func(path string) error { return os.WriteFile(path, []byte("content"), 0o600) }
	large := func(path string) error {
		if err := file(path); err != nil {
			return err
		}
		return os.Truncate(path, 1<<40)
	}
	isDir := " is a directory, and has to be a file"
	for _, tc := range []struct {
		name    string
		plant   func(path string) error
		command []string
		what    string
		moved   string // what the remedy moves away; empty: what was planted
		exit    int    // of the command that the remedy names
	}{
		{"myconfig.yml", directory, add, isDir, "", cli.ExitOK},
		{"answers.yml", directory, add, isDir, "", cli.ExitOK},
		{"answers.yml", circle, add, "", "", cli.ExitOK},
		{"answers.yml", broken, add, " is a broken symbolic link", "", cli.ExitOK},
		{"answers.yml", large, add, " is larger than", "", cli.ExitOK},
		{".installed.json", directory, add, isDir, "", cli.ExitOK},
		{".installed.json", large, add, " is larger than", "", cli.ExitOK},
		{"initial-passwords", directory, add, isDir, "", cli.ExitOK},
		{"handoff.md", directory, rollback, isDir, "", cli.ExitOK},
		{"auth", file, add, " is a file", "", cli.ExitOK},
		{"auth", broken, add, " is a broken symbolic link", "", cli.ExitOK},
		{"auth/htpasswd-basic", directory, add, isDir, "", cli.ExitOK},
		{"auth/htpasswd-basic", circle, add, " is a broken symbolic link", "", cli.ExitOK},
		{"auth/htpasswd-basic", large, add, " is larger than", "", cli.ExitOK},
		{"certs", file, add, " is a file", "", cli.ExitOK},
		{"certs/tls.crt", directory, add, isDir, "", cli.ExitOK},
		{"certs/tls.key", large, add, " is larger than", "", cli.ExitOK},
		{backup + "/backup.json", directory, rollback, isDir, backup, cli.ExitFailed}, // no older backup
		{backup + "/backup.json", large, rollback, " larger than", backup, cli.ExitFailed},
		{".setup/journal.json", directory, add, isDir, ".setup", cli.ExitOK},
		{".setup/journal.json", large, add, " larger than", ".setup", cli.ExitOK},
	} {
		t.Run(tc.name+tc.what, func(t *testing.T) {
			s.ok(os.RemoveAll(s.home))
			copySite(t, kept, s.home)
			s.ok(os.RemoveAll(s.at(tc.name)))
			s.ok(os.MkdirAll(filepath.Dir(s.at(tc.name)), 0o700))
			s.ok(tc.plant(s.at(tc.name)))
			code, out := s.run(0, append(tc.command, "--dir", s.dir)...)
			remedy := regexp.MustCompile(`mv (\S+) (\S+), then run \S*packhouse (.*)`).FindStringSubmatch(out)
			if code == cli.ExitOK || remedy == nil || !strings.Contains(out, s.at(tc.name)) || !strings.Contains(out, tc.what) {
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
