package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"packhouse/cmd/packhouse/porttest"
)

// The users of the tests on planted files. They need no account.
const (
	mallory = 50021 // plants
	victim  = 50022 // runs commands beside root
)

// planted is an installation of root, a stand-in for a system directory, and a directory of mallory, all below one root.
type planted struct {
	t                              *testing.T
	program                        string
	root, home, dir, system, theft string
	cwd                            string // current directory of commands; empty: the root
}

// newPlanted makes an installation with a backup, as root.
func newPlanted(t *testing.T) *planted {
	t.Helper()
	s := newPlace(t)
	for _, args := range [][]string{
		{
			"setup", "--yes", "--offline", "--no-start", "--dir", s.dir, "--hostname", "registry.example.com", "--addr", porttest.Free(t),
			"--storage-path", filepath.Join(s.root, "data"),
		},
		{"user", "add", "ci", "--dir", s.dir, "--role", "writer"},
	} {
		if code, out := s.run(0, args...); code != 0 {
			t.Fatalf("packhouse %v: exit %d\n%s", args, code, out)
		}
	}
	s.ok(os.Chown(s.theft, mallory, mallory))
	return s
}

// newPlace makes the directories of an installation to be, and a program that all users can run. It skips the test without root.
func newPlace(t *testing.T) *planted {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	root, bin := t.TempDir(), t.TempDir()
	s := &planted{
		t: t, root: root, home: filepath.Join(root, "home"), dir: filepath.Join(root, "home", "packhouse"),
		system: filepath.Join(root, "system"), theft: filepath.Join(root, "mallory"),
	}
	self, err := exec.LookPath("packhouse")
	s.ok(err)
	s.program = publicProgram(t, self, bin)
	for _, dir := range []string{filepath.Dir(root), root, bin} {
		s.ok(os.Chmod(dir, 0o755)) //nolint:gosec // other users are to run the program
	}
	s.ok(os.Mkdir(s.home, 0o755))                                      //nolint:gosec // other users are to pass
	s.ok(os.Mkdir(s.theft, 0o755))                                     //nolint:gosec // likewise
	s.ok(os.Mkdir(s.system, 0o755))                                    //nolint:gosec // likewise
	s.ok(os.Mkdir(filepath.Join(s.system, "cron.d"), 0o755))           //nolint:gosec // likewise
	s.write(filepath.Join(s.system, "shadow"), "root:secret\n", 0o600) // nothing may read, change or remove it
	return s
}

func (s *planted) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("prepare: %v", err)
	}
}

func (s *planted) at(name string) string { return filepath.Join(s.dir, name) }

func (s *planted) write(path, content string, mode fs.FileMode) {
	s.t.Helper()
	s.ok(os.WriteFile(path, []byte(content), 0o600))
	s.ok(os.Chmod(path, mode))
}

func (s *planted) give(uid int, paths ...string) {
	s.t.Helper()
	for _, path := range paths {
		s.ok(os.Lchown(path, uid, uid))
	}
}

// hexSum is the SHA-256 of a text, as journals have it.
func hexSum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// plant writes an unfinished run with the steps, as a user would who wants it finished by root.
func (s *planted) plant(uid int, journal map[string]any) {
	s.t.Helper()
	work := s.at(".setup")
	for _, dir := range []string{work, filepath.Join(work, "new"), filepath.Join(work, "old")} {
		s.ok(os.Mkdir(dir, 0o700))
	}
	s.write(filepath.Join(work, "new", "0"), "* * * * * root id\n", 0o644)
	s.write(filepath.Join(work, "old", "0"), "* * * * * root id\n", 0o644)
	data, err := json.Marshal(journal)
	s.ok(err)
	s.write(filepath.Join(work, "journal.json"), string(data), 0o600)
	s.write(filepath.Join(work, "old", "backup.json"), string(data), 0o600)
	s.ok(filepath.WalkDir(work, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, uid))
	}))
}

// journalOf returns a journal in the form of version 1, whose paths are absolute.
func journalOf(state string, steps ...map[string]any) map[string]any {
	return map[string]any{"version": 1, "state": state, "at": "2026-01-02T03:04:05Z", "steps": steps}
}

func (s *planted) creates() map[string]any {
	return map[string]any{
		"path": filepath.Join(s.system, "cron.d", "job"), "kind": "create", "mode": 0o644, "uid": -1, "gid": -1,
		"staged": s.at(".setup/new/0"), "sum": hexSum("* * * * * root id\n"), "existed": false,
	}
}

// state describes everything below the root of the site: kind, mode, owner and content.
func (s *planted) state() map[string]string {
	s.t.Helper()
	seen := map[string]string{}
	s.ok(filepath.WalkDir(s.root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("no owner")
		}
		line := fmt.Sprintf("%v %d:%d %d", info.Mode(), st.Uid, st.Gid, st.Nlink)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path) //nolint:gosec // below the site
			if err != nil {
				return err
			}
			line += " " + hexSum(string(data))
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " " + target
		}
		seen[strings.TrimPrefix(path, s.root)] = line
		return nil
	}))
	return seen
}

// run runs packhouse as a user, and returns its exit code and output. A command that does not end within the patience of the tests is
// killed, and its exit code is -1.
func (s *planted) run(uid int, args ...string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	command := s.command(ctx, uid, args...)
	command.Env = append(command.Env, envOf(args)...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	command.WaitDelay = time.Second
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String()
	}
	s.ok(err)
	return 0, out.String()
}

// command returns packhouse as run runs it.
func (s *planted) command(ctx context.Context, uid int, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, s.program, args...) //nolint:gosec // the test's own
	command.Dir = cmp.Or(s.cwd, "/")
	command.Env = []string{"HOME=" + s.home, "PATH=/nonexistent", raceOptions + "=atexit_sleep_ms=0"}
	if uid != 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}} //nolint:gosec // small
	}
	return command
}

// envOf returns the additional environment of a command: serve ends before it listens, because its
// store cannot be made.
func envOf(args []string) []string {
	if args[0] != "serve" {
		return nil
	}
	return []string{"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/dev/null/store"}
}

// batch returns a process that runs commands as run does.
func (s *planted) batch(uid int) *batch {
	s.t.Helper()
	return startBatch(s.t, s.command(context.Background(), uid)) // it ends with its input
}

// changesOf lists what differs between two states.
func changesOf(before, after map[string]string) (lines []string) {
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if before[path] != after[path] {
			lines = append(lines, fmt.Sprintf("%s: %q, was %q", path, after[path], before[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[path]; !ok {
			lines = append(lines, fmt.Sprintf("%s: %q, was not there", path, after[path]))
		}
	}
	return lines
}

// commands are all commands of packhouse that read an installation, with the directory of the installation still to be added.
func (s *planted) commands() [][]string {
	config := s.at("myconfig.yml")
	dir := []string{"--dir", s.dir}
	return [][]string{
		append([]string{"setup", "--yes", "--offline", "--no-start"}, dir...),
		append([]string{"setup", "--yes", "--offline", "--dry-run"}, dir...),
		append([]string{"serve"}, dir...),
		{"serve", config},
		append([]string{"check", "--quick"}, dir...),
		{"check", "--quick", config},
		append([]string{"status", "--json"}, dir...),
		append([]string{"reload"}, dir...),
		append([]string{"user", "list"}, dir...),
		append([]string{"user", "add", "eve"}, dir...),
		append([]string{"user", "passwd", "ci"}, dir...),
		append([]string{"user", "role", "ci", "reader"}, dir...),
		append([]string{"user", "remove", "ci"}, dir...),
		append([]string{"cert", "show"}, dir...),
		append([]string{"cert", "rotate"}, dir...),
		append([]string{"cert", "export", "ca"}, dir...),
		append([]string{"cert", "trust", "curl"}, dir...),
		append([]string{"config", "verify"}, dir...),
		append([]string{"config", "show"}, dir...),
		append([]string{"rollback", "--dry-run"}, dir...),
		append([]string{"rollback", "--yes"}, dir...),
		append([]string{"uninstall", "--dry-run"}, dir...),
		append([]string{"uninstall", "--yes"}, dir...),
		append([]string{"uninstall", "--yes", "--data"}, dir...),
		append([]string{"store", "gc"}, dir...),
		append([]string{"store", "scrub"}, dir...),
		append([]string{"store", "reindex"}, dir...),
	}
}

// copySite copies a tree with modes, owners and links.
func copySite(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		at := to + strings.TrimPrefix(path, from)
		switch {
		case info.IsDir():
			err = os.MkdirAll(at, 0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			target, failure := os.Readlink(path)
			err = errors.Join(failure, os.Symlink(target, at))
		default:
			data, failure := os.ReadFile(path) //nolint:gosec // the test's own
			err = errors.Join(failure, os.WriteFile(at, data, 0o600))
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
			err = os.Lchown(at, int(st.Uid), int(st.Gid))
		}
		if err == nil && info.Mode()&fs.ModeSymlink == 0 {
			err = os.Chmod(at, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatalf("copy: %v", err)
	}
}
