package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// variant is one way in which mallory prepares an installation for the next command of root.
type variant struct {
	name  string
	plant func(*planted)
	// reads is set where the commands that only read may succeed: nobody else can write the installation any more, and only its journal is
	// wrong.
	reads bool
}

// sticky opens the directory above the installation to all users, as /tmp is.
func (s *planted) sticky() { s.ok(os.Chmod(s.home, 0o777|os.ModeSticky)) }

func variants() []variant {
	return []variant{
		{"directory of another user", func(s *planted) { s.give(mallory, s.dir) }, false},
		{"journal creates a system file", func(s *planted) {
			s.give(mallory, s.dir)
			s.plant(mallory, journalOf("commit", s.creates()))
		}, false},
		{"journal chowns a system directory", func(s *planted) {
			s.give(mallory, s.dir)
			s.plant(mallory, journalOf("commit", map[string]any{
				"path": s.system, "kind": "update", "mode": fs.ModeDir | 0o777, "uid": mallory, "gid": mallory, "existed": true,
			}))
		}, false},
		{"journal removes a system file", func(s *planted) {
			s.give(mallory, s.dir)
			s.plant(mallory, journalOf("commit", map[string]any{"path": filepath.Join(s.system, "shadow"), "kind": "remove", "uid": -1, "gid": -1}))
		}, false},
		{"journal puts back a system file", func(s *planted) {
			s.give(mallory, s.dir)
			s.plant(mallory, journalOf("rollback", map[string]any{
				"path": filepath.Join(s.system, "cron.d", "job"), "kind": "update", "mode": 0o644, "existed": true,
				"old": s.at(".setup/old/0"), "oldMode": 0o644, "oldUid": 0, "oldGid": 0,
			}))
		}, false},
		{"staged files elsewhere", func(s *planted) {
			s.give(mallory, s.dir)
			s.plant(mallory, nil)
			s.ok(os.Remove(s.at(".setup/journal.json")))
			s.write(s.at(".setup/beside.json"), `["`+filepath.Join(s.system, "shadow")+`"]`, 0o600)
		}, false},
		{"directory that all users can write", func(s *planted) {
			s.ok(os.Chmod(s.dir, 0o777))
			s.plant(mallory, journalOf("commit", s.creates()))
		}, false},
		{"directory that a group can write", func(s *planted) {
			s.ok(os.Chown(s.dir, 0, mallory))
			s.ok(os.Chmod(s.dir, 0o775))
			s.plant(mallory, journalOf("commit", s.creates()))
		}, false},
		{"sticky directory", func(s *planted) {
			s.ok(os.Chmod(s.dir, 0o777|os.ModeSticky))
			s.plant(mallory, journalOf("commit", s.creates()))
		}, false},
		{"directory above of another user", func(s *planted) { s.give(mallory, s.home) }, false},
		{"directory above that all users can write", func(s *planted) { s.ok(os.Chmod(s.home, 0o777)) }, false},
		{"working directory of another user", func(s *planted) { s.plant(mallory, journalOf("commit", s.creates())) }, false},
		{"journal of another user", func(s *planted) {
			s.plant(0, journalOf("commit", s.creates()))
			s.give(mallory, s.at(".setup/journal.json"))
		}, false},
		{"working directory is a link", func(s *planted) {
			s.plant(mallory, journalOf("commit", s.creates()))
			s.ok(os.Rename(s.at(".setup"), filepath.Join(s.theft, "setup")))
			s.ok(os.Symlink(filepath.Join(s.theft, "setup"), s.at(".setup")))
			s.give(mallory, s.at(".setup"))
		}, false},
		{"end of a run is a link to a system directory", func(s *planted) {
			s.ok(os.Symlink(s.system, s.at(".setup-complete")))
			s.give(mallory, s.at(".setup-complete"))
		}, false},
		{"installation is a link of another user", func(s *planted) {
			s.sticky()
			s.ok(os.Rename(s.dir, filepath.Join(s.root, "real")))
			s.ok(os.Symlink(filepath.Join(s.root, "real"), s.dir))
			s.give(mallory, s.dir)
		}, false},
		{"configuration of another user", func(s *planted) { s.give(mallory, s.at("myconfig.yml")) }, false},
		{"configuration that all users can write", func(s *planted) { s.ok(os.Chmod(s.at("myconfig.yml"), 0o666)) }, false},
		{"configuration is a link to a file of another user", func(s *planted) {
			s.ok(os.Rename(s.at("myconfig.yml"), filepath.Join(s.theft, "myconfig.yml")))
			s.ok(os.Symlink(filepath.Join(s.theft, "myconfig.yml"), s.at("myconfig.yml")))
		}, false},
		{"configuration is a hard link", func(s *planted) { s.ok(os.Link(s.at("myconfig.yml"), filepath.Join(s.theft, "myconfig.yml"))) }, false},
		{"manifest of another user lists a system file", func(s *planted) {
			data, err := json.Marshal(map[string]any{"version": 1, "files": []any{map[string]any{
				"path": filepath.Join(s.system, "shadow"), "sha256": hexSum("root:secret\n"), "mode": "0600", "uid": 0, "gid": 0,
			}}})
			s.ok(err)
			s.write(s.at(".installed.json"), string(data), 0o644)
			s.give(mallory, s.at(".installed.json"))
		}, false},
		{"manifest that all users can write", func(s *planted) { s.ok(os.Chmod(s.at(".installed.json"), 0o666)) }, false},
		{"manifest is a link", func(s *planted) {
			s.ok(os.Rename(s.at(".installed.json"), filepath.Join(s.root, "installed.json")))
			s.ok(os.Symlink(filepath.Join(s.root, "installed.json"), s.at(".installed.json")))
		}, false},
		{"key of the CA of another user", func(s *planted) { s.give(mallory, s.at("certs/ca.key")) }, false},
		{"key of the CA is a hard link", func(s *planted) {
			s.ok(os.Remove(s.at("certs/ca.key")))
			s.ok(os.Link(filepath.Join(s.system, "shadow"), s.at("certs/ca.key")))
		}, false},
		{"directory of the keys that all users can write", func(s *planted) { s.ok(os.Chmod(s.at("certs"), 0o777)) }, false},
		{"passwords are a link to a system file", func(s *planted) {
			s.ok(os.RemoveAll(s.at("initial-passwords")))
			s.ok(os.Symlink(filepath.Join(s.system, "shadow"), s.at("initial-passwords")))
		}, false},
		{"passwords are a pipe", func(s *planted) {
			s.ok(os.RemoveAll(s.at("initial-passwords")))
			s.ok(syscall.Mkfifo(s.at("initial-passwords"), 0o666))
		}, false},
		{"answers of another user", func(s *planted) { s.give(mallory, s.at("answers.yml")) }, false},
		{"backup of another user", func(s *planted) { s.give(mallory, s.backup()) }, false},
		{"manifest of a backup that all users can write", func(s *planted) { s.ok(os.Chmod(filepath.Join(s.backup(), "backup.json"), 0o666)) }, false},
		{"content of a backup is a link", func(s *planted) {
			old, err := filepath.Glob(filepath.Join(s.backup(), "[0-9]*"))
			s.ok(err)
			s.ok(os.Remove(old[0]))
			s.ok(os.Symlink(filepath.Join(s.system, "shadow"), old[0]))
		}, false},
		{"journal of root with a path that leaves the installation", func(s *planted) {
			step := s.creates()
			step["path"], step["staged"] = "../../system/cron.d/job", "0"
			journal := journalOf("commit", step)
			journal["version"] = 2
			s.plant(0, journal)
		}, true},
		{"journal of root with a system path", func(s *planted) { s.plant(0, journalOf("commit", s.creates())) }, true},
	}
}

// backup is the only generation of the backup.
func (s *planted) backup() string {
	s.t.Helper()
	entries, err := os.ReadDir(s.at("backup"))
	s.ok(err)
	if len(entries) != 1 {
		s.t.Fatalf("backups: %v", entries)
	}
	return filepath.Join(s.at("backup"), entries[0].Name())
}

// TestPlantedFilesMoveNothing runs every command as root, and some as another user, on installations that mallory prepared, and compares
// everything there and in a system directory before and after.
func TestPlantedFilesMoveNothing(t *testing.T) {
	t.Parallel()
	s := newPlanted(t)
	pristine := filepath.Join(t.TempDir(), "pristine")
	copySite(t, s.root, pristine)
	commands, root, other := s.commands(), s.batch(0), s.batch(victim)
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			s.t = t
			s.ok(os.RemoveAll(s.root))
			copySite(t, pristine, s.root)
			v.plant(s)
			before := s.state()
			for _, args := range commands {
				code, out := root.run(t, args, envOf(args))
				after := s.state()
				if v.reads { // commands about the store may use it: only the installation's journal is wrong
					maps.DeleteFunc(after, func(path, _ string) bool { return strings.HasPrefix(path, "/data") })
					maps.DeleteFunc(before, func(path, _ string) bool { return strings.HasPrefix(path, "/data") })
				}
				if lines := changesOf(before, after); len(lines) > 0 {
					t.Fatalf("packhouse %s (exit %d) changed\n%s\n%s", strings.Join(args, " "), code, strings.Join(lines, "\n"), out)
				}
				if code == 0 && !v.reads && !slices.Contains(args, s.at("myconfig.yml")) {
					t.Errorf("packhouse %s: exit 0, want a refusal\n%s", strings.Join(args, " "), out)
				}
			}
			if !v.reads {
				s.asVictim(other, before)
			}
		})
	}
}

// asVictim runs commands as a user who owns nothing there.
func (s *planted) asVictim(b *batch, before map[string]string) {
	s.t.Helper()
	for _, args := range [][]string{
		{"status", "--dir", s.dir}, {"user", "list", "--dir", s.dir}, {"setup", "--yes", "--offline", "--no-start", "--dir", s.dir},
	} {
		if code, out := b.run(s.t, args, nil); len(changesOf(before, s.state())) > 0 {
			s.t.Fatalf("packhouse %s as another user (exit %d)\n%s\n%s", strings.Join(args, " "), code,
				strings.Join(changesOf(before, s.state()), "\n"), out)
		}
	}
}
