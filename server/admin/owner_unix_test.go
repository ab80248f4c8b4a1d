//go:build unix

package admin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// mallory is another user. It needs no account.
const mallory = 50001

// TestMain turns the test binary into a listener or a client of another user, for the tests below.
func TestMain(m *testing.M) {
	switch path := os.Getenv("ADMIN_TEST_PATH"); os.Getenv("ADMIN_TEST_AS") {
	case "listener":
		os.Exit(listenAsOther(path))
	case "client":
		conn, err := net.Dial("unix", path)
		if err == nil {
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", PathStatus)
			_, err = io.Copy(os.Stdout, conn)
		}
		fmt.Println("end", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// listenAsOther listens at path, and prints everything that a client sends before it closes.
func listenAsOther(path string) int {
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			return 0
		}
		received, _ := io.ReadAll(conn)
		fmt.Printf("received %d bytes\n", len(received))
	}
}

// asOther prepares a process of another user.
func asOther(t *testing.T, uid uint32, role, path string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe") //nolint:gosec // this test itself
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("needs /proc to run the test binary as another user")
	}
	cmd.Dir = "/"
	cmd.Env = []string{"ADMIN_TEST_AS=" + role, "ADMIN_TEST_PATH=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Stderr = os.Stderr
	return cmd
}

// otherListener starts a listener of another user at path, and returns what it prints.
func otherListener(t *testing.T, uid uint32, path string) *os.File {
	t.Helper()
	cmd := asOther(t, uid, "listener", path)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); out.Close() })
	if line := nextLine(t, out); line != "ready" {
		t.Fatalf("the other user's listener: %s", line)
	}
	return out
}

// nextLine reads one line, byte by byte so that nothing is buffered.
func nextLine(t *testing.T, f *os.File) string {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := f.Read(b); err != nil {
			t.Fatalf("%v after %q", err, line)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

// place makes a directory below one that all users can enter.
func place(t *testing.T, uid int, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sub := filepath.Join(dir, "run")
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(sub, 0o700), os.Chmod(sub, mode), os.Chown(sub, uid, uid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return sub
}

// TestClientVerifiesTheServer: root sends nothing to a socket of another user, whatever of it looks right.
func TestClientVerifiesTheServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make sockets of several users")
	}
	rename := func(t *testing.T, path string) string { // into a directory of root, as a socket of root
		moved := filepath.Join(place(t, 0, 0o700), "admin.sock")
		if err := errors.Join(os.Rename(path, moved), os.Chown(moved, 0, 0)); err != nil {
			t.Fatal(err)
		}
		return moved
	}
	for _, tc := range []struct {
		name  string
		plant func(t *testing.T, path string) string
		users []int
		cause string
	}{
		{name: "another user's socket", cause: "it belongs to another user (owner uid 50001"},
		{name: "of a user that nobody names", users: []int{50002}, cause: "it belongs to another user (owner uid 50001"},
		{name: "the server's user", users: []int{mallory}},
		{name: "a directory of another user", cause: "it belongs to another user", plant: func(t *testing.T, path string) string {
			if err := os.Lchown(path, 0, 0); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{name: "a directory of all users", cause: "all users", users: []int{mallory}, plant: func(t *testing.T, path string) string {
			if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{name: "the process behind it", cause: "a process of uid 50001 listens", plant: rename},
		{name: "a link to it", cause: "is not a socket", plant: func(t *testing.T, path string) string {
			link := filepath.Join(place(t, 0, 0o700), "admin.sock")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			return link
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(place(t, mallory, 0o700), "s")
			other := otherListener(t, mallory, path)
			at := path
			if tc.plant != nil {
				at = tc.plant(t, path)
			}
			client, err := Dial(at, tc.users...)
			if tc.cause == "" {
				if err != nil {
					t.Fatal(err)
				}
				client.Close()
				return
			}
			if !errors.Is(err, ErrUntrusted) || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), tc.cause) {
				t.Errorf("%v, want %q", err, tc.cause)
			}
			// A connection may have been opened to find out who listens; nothing was sent over it.
			moved := at
			if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
				moved = path
			}
			last, err := net.Dial("unix", moved)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(last, "last")
			last.Close()
			for line := ""; line != "received 4 bytes"; {
				if line = nextLine(t, other); line != "received 4 bytes" && line != "received 0 bytes" {
					t.Errorf("the other user's process: %s", line)
				}
			}
		})
	}
}

// TestServerVerifiesTheClient: the server answers nobody but root and its own user, even if the mode of the socket was changed.
func TestServerVerifiesTheClient(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	path := filepath.Join(place(t, 0, 0o755), "admin.sock")
	refused := make(chan error, 1)
	l, err := Listen(path, func(err error) { refused <- err })
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("secret")) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := asOther(t, mallory, "client", path).Output()
	if err != nil || !strings.Contains(string(out), "end") || strings.Contains(string(out), "secret") {
		t.Errorf("another user was answered %q, %v", out, err)
	}
	if err := <-refused; !strings.Contains(err.Error(), strconv.Itoa(mallory)) {
		t.Errorf("reported %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := Dial(path)
	if err != nil {
		t.Fatalf("root: %v", err)
	}
	client.Close()
}

// TestListenRefusesForeignDirectories: another user could put a socket of its own in place of this one.
func TestListenRefusesForeignDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(filepath.Join(dir, "admin.sock"), nil); !errors.Is(err, ErrUntrusted) {
		t.Errorf("writable by all users: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, mallory, mallory)); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(filepath.Join(dir, "admin.sock"), nil); !errors.Is(err, ErrUntrusted) {
		t.Errorf("of another user: %v", err)
	}
}
