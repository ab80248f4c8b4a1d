package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup/installation"
)

// TestTrialOnStoreOfServer verifies that a trial server of root leaves the server of another user able to use its store.
func TestTrialOnStoreOfServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can act as several users")
	}
	s := newPlace(t)
	data := filepath.Join(s.root, "data")
	set := func(args ...string) {
		t.Helper()
		if code, out := s.run(0, append([]string{"setup", "--yes", "--offline", "--dir", s.dir}, args...)...); code != cli.ExitOK &&
			code != cli.ExitFindings {
			t.Fatalf("setup %v: exit %d\n%s", args, code, out)
		}
	}
	set("--no-start", "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", data, "--service", "none")
	walk := func(root string, do func(path string, st *syscall.Stat_t)) {
		t.Helper()
		s.ok(filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			do(path, info.Sys().(*syscall.Stat_t)) //nolint:forcetypeassert // on linux
			return nil
		}))
	}
	walk(data, func(path string, _ *syscall.Stat_t) { s.give(victim, path) })
	for _, dir := range []string{s.at("auth"), s.at("certs")} { // as setup gives them to the user of a service
		s.ok(os.Chown(dir, 0, victim))
		s.ok(os.Chmod(dir, 0o750)) //nolint:gosec // its group is the server
	}
	s.give(victim, s.at("auth/htpasswd-basic"), s.at("certs/tls.key"))
	s.runsAs(victim)

	set("--log-level", "debug")
	found := 0
	walk(data, func(path string, st *syscall.Stat_t) {
		if found++; st.Uid != victim || st.Gid != victim {
			t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
		}
	})
	if _, err := os.Stat(filepath.Join(data, "docker")); err != nil || found < 10 {
		t.Errorf("the trial server wrote no content: %v", err)
	}
	if code, out := s.run(victim, "store", "reindex", "--dir", s.dir); code != cli.ExitOK {
		t.Errorf("store reindex: exit %d\n%s", code, out)
	}
}

// runsAs records the user of the server in the manifest.
func (s *planted) runsAs(uid int) {
	s.t.Helper()
	path := s.at(installation.ManifestFile)
	data, err := os.ReadFile(path)
	s.ok(err)
	var m installation.Manifest
	s.ok(json.Unmarshal(data, &m))
	m.Settings["run-as"] = strconv.Itoa(uid)
	data, err = json.Marshal(m)
	s.ok(err)
	s.ok(os.WriteFile(path, data, 0o644)) //nolint:gosec // it is no secret
}
