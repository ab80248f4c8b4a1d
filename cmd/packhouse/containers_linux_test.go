package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"packhouse/cmd/packhouse/porttest"
)

// served runs packhouse as a user until its server answers, ends it, and returns what it logged.
func (s *planted) served(uid, gid int, port string, args ...string) string {
	s.t.Helper()
	command := exec.CommandContext(s.t.Context(), s.program, args...) //nolint:gosec // the test's own
	command.Dir = s.root
	command.Env = []string{"HOME=" + s.root, "PATH=/nonexistent", raceOptions + "=atexit_sleep_ms=0"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // small
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = patience
	s.ok(command.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = command.Wait()
	}()
	up := false
	for deadline := time.Now().Add(patience); !up && time.Now().Before(deadline); {
		select {
		case <-done:
			s.t.Fatalf("packhouse %s ended\n%s", strings.Join(args, " "), out.String())
		case <-time.After(20 * time.Millisecond):
			up = answers("127.0.0.1:" + port)
		}
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	<-done
	if !up {
		s.t.Fatalf("packhouse %s does not answer\n%s", strings.Join(args, " "), out.String())
	}
	return out.String()
}

const unsafeWarning = "can be changed by users who must not"

// TestServeInContainers runs the server as containers do: as a user without an account, on a configuration that is not its own.
func TestServeInContainers(t *testing.T) {
	t.Parallel()
	const uid = 65532
	for _, tc := range []struct {
		name   string
		gid    int
		mount  func(s *planted, config, data string) string // returns the path of the configuration
		warned bool
	}{
		{"read-only configuration of root", uid, func(s *planted, config, _ string) string {
			s.ok(os.Chmod(config, 0o444))
			return config
		}, false},
		{"bind mount of another user", uid, func(s *planted, config, _ string) string {
			s.give(1000, config, filepath.Dir(config))
			return config
		}, false},
		{"files of a group", 2000, func(s *planted, config, data string) string {
			s.ok(os.Chown(config, 1000, 2000))
			s.ok(os.Chmod(config, 0o640))
			s.ok(os.Chown(data, 0, 2000))
			s.ok(os.Chmod(data, 0o770|fs.ModeSetgid))
			return config
		}, false},
		{"Secret of Kubernetes", uid, func(s *planted, config, _ string) string {
			mount := filepath.Join(s.root, "secret")
			s.ok(os.Mkdir(mount, 0o755))
			s.ok(os.Chmod(mount, 0o777|fs.ModeSticky))
			s.ok(os.Mkdir(filepath.Join(mount, "..2026"), 0o755))
			s.ok(os.Rename(config, filepath.Join(mount, "..2026", "myconfig.yml")))
			s.ok(os.Symlink("..2026", filepath.Join(mount, "..data")))
			s.ok(os.Symlink("..data/myconfig.yml", filepath.Join(mount, "myconfig.yml")))
			return filepath.Join(mount, "myconfig.yml")
		}, false},
		{"configuration that all users can write", uid, func(s *planted, config, _ string) string {
			s.ok(os.Chmod(config, 0o666))
			return config
		}, true},
		{"content that all users can write", uid, func(s *planted, config, data string) string {
			s.ok(os.Chmod(data, 0o777))
			return config
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newPlace(t)
			port, release, err := porttest.Reserve()
			s.ok(err)
			defer release()
			mount, data := filepath.Join(s.root, "mount"), filepath.Join(s.root, "content")
			s.ok(os.Mkdir(mount, 0o755))
			s.ok(os.Mkdir(data, 0o750))
			s.give(uid, data)
			config := filepath.Join(mount, "myconfig.yml")
			s.write(config, fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: \"127.0.0.1:%s\", secret: 0123456789abcdef0123456789abcdef}\n", data, port), 0o644)
			log := s.served(uid, tc.gid, port, "serve", tc.mount(s, config, data))
			if warned := strings.Contains(log, unsafeWarning); warned != tc.warned {
				t.Errorf("warned: %v, want %v\n%s", warned, tc.warned, log)
			}
		})
	}
}

// TestSetupInAGroupWritableCheckout does what "make run" does, as a user with a group of its own and a umask of 002.
func TestSetupInAGroupWritableCheckout(t *testing.T) {
	t.Parallel()
	const uid = 50031
	s := newPlace(t)
	port, release, err := porttest.Reserve()
	s.ok(err)
	defer release()
	checkout := filepath.Join(s.root, "checkout")
	s.ok(os.Mkdir(checkout, 0o755))
	s.ok(os.Chmod(checkout, 0o775))
	s.give(uid, checkout)
	dir := filepath.Join(checkout, "run")
	log := s.served(uid, uid, port, "setup", "--yes", "--serve", "--offline", "--dir", dir, "--hostname", "localhost", "--addr", "127.0.0.1:"+port,
		"--storage", "filesystem", "--storage-path", filepath.Join(dir, "data"))
	if strings.Contains(log, unsafeWarning) {
		t.Errorf("it warns\n%s", log)
	}
	s.ok(os.Chmod(dir, 0o775))
	if code, out := s.run(uid, "user", "add", "ci", "--dir", dir); code != 0 {
		t.Errorf("user add: exit %d\n%s", code, out)
	}
	s.ok(os.Chmod(checkout, 0o777))
	if code, out := s.run(uid, "user", "add", "eve", "--dir", dir); code == 0 || !strings.Contains(out, "all users can write it") {
		t.Errorf("user add in a directory that all users can write: exit %d\n%s", code, out)
	}
}

// TestUnsafePermissionsAreFound: check, status and config verify report what others can write, and
// secrets that they can read.
func TestUnsafePermissionsAreFound(t *testing.T) {
	t.Parallel()
	s := newPlanted(t)
	s.ok(os.MkdirAll(s.at("../../data/docker/registry/v2/repositories/nginx"), 0o750))
	for _, tc := range []struct {
		name, code string
		mode       fs.FileMode
		acl        []byte // of another user
	}{
		{"", "path-unsafe", 0o777, nil},
		{"auth", "path-unsafe", 0o777, nil},
		{"certs", "path-unsafe", 0o777, nil},
		{"myconfig.yml", "path-unsafe", 0o666, nil},
		{"auth/htpasswd-basic", "file-mode", 0o602, nil},
		{"certs/tls.crt", "path-unsafe", 0o666, nil},
		{"certs/ca.crt", "path-unsafe", 0o666, nil},
		{"handoff.md", "path-unsafe", 0o666, nil},
		{"initial-passwords", "file-mode", 0o644, nil},
		{"backup", "file-mode", 0o755, nil},
		{"../../data/docker", "path-unsafe", 0o777, nil},
		{"../../data/docker/registry/v2/repositories/nginx", "path-unsafe", 0o777, nil},
		{"../../data/packhouse", "path-unsafe", 0o777, nil},
		{"../../data/packhouse/installation.json", "path-unsafe", 0o666, nil},
		{"certs/tls.key", "file-acl", 0o600, grantMallory(4)},
		{"certs/ca.key", "file-acl", 0o600, grantMallory(4)},
		{"auth/htpasswd-basic", "file-acl", 0o600, grantMallory(4)},
		{"initial-passwords", "file-acl", 0o600, grantMallory(4)},
		{"certs", "path-unsafe", 0o700, grantMallory(7)},
	} {
		t.Run(strings.TrimSpace(tc.name+" "+tc.code), func(t *testing.T) {
			s.t = t
			path := s.at(tc.name)
			info, err := os.Stat(path)
			s.ok(err)
			s.ok(os.Chmod(path, tc.mode))
			if tc.acl != nil {
				if err := unix.Setxattr(path, "system.posix_acl_access", tc.acl, 0); err != nil {
					t.Skipf("set an access control list: %v", err)
				}
			}
			defer func() {
				_ = unix.Removexattr(path, "system.posix_acl_access")
				s.ok(os.Chmod(path, info.Mode()))
			}()
			for _, args := range [][]string{{"check", "--quick"}, {"status"}, {"config", "verify"}} {
				_, out := s.run(0, append(args, "--json", "--dir", s.dir)...)
				if !strings.Contains(out, `"`+tc.code+`"`) && !(tc.mode == 0o602 && strings.Contains(out, `"path-unsafe"`)) ||
					!strings.Contains(out, path) {
					t.Errorf("packhouse %s does not report %s of %s\n%s", strings.Join(args, " "), tc.code, path, out)
				}
			}
		})
	}
}

// grantMallory returns an access control list in the form of the kernel that gives another user rights.
func grantMallory(rights uint16) []byte {
	list := binary.LittleEndian.AppendUint32(nil, 2) // the version
	for _, entry := range []struct {
		tag, rights uint16
		id          uint32
	}{{1, 7, 0xffffffff}, {2, rights, mallory}, {4, 0, 0xffffffff}, {0x10, rights, 0xffffffff}, {0x20, 0, 0xffffffff}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.rights)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	return list
}
