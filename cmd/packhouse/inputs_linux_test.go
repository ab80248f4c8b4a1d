package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFilesOfOtherUsers verifies that root neither reads nor repeats a file that a flag names and
// another user can write, and follows no link of another user to a pack.
func TestFilesOfOtherUsers(t *testing.T) {
	s := newPlanted(t)
	own, theirs := filepath.Join(s.root, "secret"), filepath.Join(s.theft, "given")
	s.write(own, "hunter2: content\n", 0o600)
	s.write(theirs, "hunter2: content\n", 0o644)
	s.give(mallory, theirs)
	pack, link := filepath.Join(s.root, "pack"), filepath.Join(s.theft, "pack")
	s.ok(os.CopyFS(pack, os.DirFS(filepath.Join("..", "..", "packs", "testdata", "hello-1.2.3"))))
	s.ok(os.Symlink(pack, link))
	s.give(mallory, link)
	inSetup := []string{"setup", "--yes", "--offline", "--no-start", "--dir", s.dir}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"answers of another user", append(inSetup, "--answers", theirs), exitUsage, "look at it first"},
		{"answers that are another file", append(inSetup, "--answers", own), exitUsage, "unknown key"},
		{"password in setup", append(inSetup, "--password-file", "ci="+theirs), exitUsage, "look at it first"},
		{"password", []string{"user", "passwd", "ci", "--dir", s.dir, "--password-file", theirs}, exitFailed, "look at it"},
		{"CA", []string{"check", "--url", "https://localhost:1", "--ca-file", theirs}, exitFailed, "look at it first"},
		{"pack of another user", []string{"pack", "push", link, "-r", "localhost:1"}, exitFailed, "symbolic link"},
		{"lint of a pack", []string{"pack", "lint", link}, exitFailed, "symbolic link"},
		{"name like a path", []string{"user", "add", "../x", "--dir", s.dir}, exitUsage, "slash"},
		{"name of all", []string{"user", "add", "*", "--dir", s.dir}, exitUsage, "every user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.state()
			code, out := s.run(0, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.want) || strings.Contains(out, "hunter2") {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tc.code, tc.want, out)
			}
			if changed := changesOf(before, s.state()); len(changed) > 0 {
				t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
			}
		})
	}
}

// TestPlantedOwnerRecordBlocksNothing verifies that the server's user cannot block commands of root
// with a pipe in the store.
func TestPlantedOwnerRecordBlocksNothing(t *testing.T) {
	s := newPlanted(t)
	record := filepath.Join(s.root, "data", "packhouse", "installation.json")
	s.ok(os.Remove(record))
	s.ok(syscall.Mkfifo(record, 0o600))
	s.give(mallory, record)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"user", "add", "eve"}, exitOK, "uid 50021"},
		{[]string{"status"}, exitFindings, "not running"},
		{[]string{"rollback", "--yes"}, exitOK, ""},
		{[]string{"uninstall", "--yes"}, exitOK, ""},
	} {
		if code, out := s.run(0, append(tc.args, "--dir", s.dir)...); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s", tc.args, code, tc.code, tc.want, out)
		}
	}
}
