package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
)

// TestServerOfUnknownUser runs a server as a user that neither a unit nor the installation names, and
// verifies that the commands of other users recognize it, or name its user.
func TestServerOfUnknownUser(t *testing.T) {
	s := newPlace(t)
	data, addr := filepath.Join(s.root, "data"), porttest.Free(t)
	if code, out := s.run(0, "setup", "--yes", "--offline", "--no-start", "--dir", s.dir, "--service", "none",
		"--hostname", "localhost", "--addr", addr, "--storage-path", data); code != cli.ExitOK {
		t.Fatalf("setup: exit %d\n%s", code, out)
	}
	for _, dir := range []string{s.at("auth"), s.at("certs")} {
		s.ok(os.Chown(dir, 0, victim))
		s.ok(os.Chmod(dir, 0o750)) //nolint:gosec // its group is the server
	}
	for _, name := range []string{"auth/htpasswd-basic", "certs/tls.key"} {
		s.ok(os.Chown(s.at(name), 0, victim))
		s.ok(os.Chmod(s.at(name), 0o640)) //nolint:gosec // likewise
	}
	s.ok(filepath.WalkDir(data, func(path string, _ os.DirEntry, _ error) error {
		return os.Lchown(path, victim, victim)
	}))
	s.startServer(victim)

	for _, tc := range []struct {
		name   string
		uid    int
		args   []string
		want   []string
		refuse []string
	}{
		{"status of root", 0, []string{"status", "--dir", s.dir}, []string{
			"if uid 50022 runs your server, run the command as that user; if not, look at it first",
			"otherwise run chown root: " + data + "; its content keeps its owners",
		}, []string{addr}},
		{
			"check of root", 0,
			[]string{"check", "--quick", "--dir", s.dir},
			[]string{"served by this installation"},
			[]string{"in use"},
		},
		{"config verify of root", 0, []string{"config", "verify", s.at("myconfig.yml")}, nil, []string{"in use"}},
		{
			"status of a third user", mallory,
			[]string{"status", "--dir", s.dir},
			[]string{"may not see whether a server runs"},
			[]string{"in use"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, out := s.run(tc.uid, tc.args...)
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q:\n%s", want, out)
				}
			}
			for _, text := range tc.refuse {
				if strings.Contains(out, text) {
					t.Errorf("%q:\n%s", text, out)
				}
			}
		})
	}
}

// startServer starts the server of the installation as a user, and stops it when the test ends.
func (s *planted) startServer(uid int) {
	s.t.Helper()
	command := exec.CommandContext(s.t.Context(), s.program, "serve", "--dir", s.dir) //nolint:gosec // the test's own
	command.Dir, command.Env = "/", []string{"HOME=" + s.home, "PATH=/nonexistent", raceOptions + "=atexit_sleep_ms=0"}
	as := &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)} //nolint:gosec // small
	command.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	log, err := command.StderrPipe()
	s.ok(err)
	s.ok(command.Start())
	started := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var text strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), `msg="admin socket"`) {
				started <- ""
			}
		}
		started <- text.String()
	}()
	s.t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		_ = command.Wait()
	})
	if text := <-started; text != "" {
		s.t.Fatalf("the server does not start:\n%s", text)
	}
}
