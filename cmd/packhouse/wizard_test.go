//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/term"

	"packhouse/setup"
)

// console is a terminal with the real program on it.
type console struct {
	t      *testing.T
	child  *exec.Cmd
	master *os.File // the side of the person
	slave  *os.File // the side of the program
	before *term.State

	mu      sync.Mutex
	screen  vt10x.Terminal
	written []byte
}

func openConsole(t *testing.T, cols, rows int, args ...string) *console {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)}); err != nil { //nolint:gosec // small
		t.Fatal(err)
	}
	c := &console{t: t, master: master, slave: slave, screen: vt10x.New(vt10x.WithSize(cols, rows))}
	if c.before, err = term.GetState(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("packhouse") // this test binary under its own name, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	run := t.TempDir()
	c.child = exec.Command(program, args...)
	c.child.Env = []string{"HOME=" + run, "RUNTIME_DIRECTORY=" + run, "TERM=xterm-256color", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + run}
	c.child.Stdin, c.child.Stdout, c.child.Stderr = slave, slave, slave
	c.child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.child.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			c.mu.Lock()
			c.written = append(c.written, buffer[:n]...)
			_, _ = c.screen.Write(buffer[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.child.Process.Kill()
		_ = slave.Close()
		<-read
		_ = master.Close()
	})
	return c
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.String()
}

func (c *console) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSuffix(string(c.written), endMark)
}

// endMark is written after the program's end, so that it is known when all of its output was read. Nobody else rings three times.
const endMark = "\a\a\a"

// drain waits until everything that the program wrote was read.
func (c *console) drain() {
	c.t.Helper()
	if _, err := c.slave.WriteString(endMark); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		done := strings.HasSuffix(string(c.written), endMark)
		c.mu.Unlock()
		if done {
			return
		}
	}
	c.t.Fatal("the terminal does not give what was written to it")
}

// wants waits until a text is on the screen.
func (c *console) wants(text string) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(c.text(), text) {
			return
		}
	}
	c.t.Fatalf("%q never came to the screen:\n%s", text, c.text())
}

// changes waits until the screen is another one.
func (c *console) changes(before string) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c.text() != before {
			return
		}
	}
	c.t.Fatalf("the screen stays as it is:\n%s", before)
}

// resize makes the screen that is drawn on as large as the terminal says it is by now.
func (c *console) resize(cols, rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.Resize(cols, rows)
}

func (c *console) keys(keys string) {
	c.t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the program, compares its exit code, and holds the terminal against what it was.
func (c *console) ends(code int) {
	c.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.child.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		c.t.Fatalf("the program does not end:\n%s", c.text())
	}
	c.drain()
	if got := c.child.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d, want %d:\n%s", got, code, c.text())
	}
	after, err := term.GetState(int(c.slave.Fd()))
	if err != nil {
		c.t.Fatal(err)
	}
	if *after != *c.before {
		c.t.Errorf("the modes of the terminal are not what they were")
	}
	if all := c.all(); strings.Count(all, "\x1b[?1049h") != strings.Count(all, "\x1b[?1049l") {
		c.t.Errorf("the alternate screen was not left as often as it was entered")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
	return listener.Addr().String()
}

const (
	enter = "\r"
	ctrlC = "\x03"
)

// steps are the questions of the wizard in their order, each told by words on its screen.
var steps = []string{"Under which name", "By which other names", "At which address", "Where does the server", "Who may use", "Where shall packs"}

func TestWizardInstalls(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 100, 30, "setup", "--dir", dir, "--hostname", "localhost", "--addr", freeAddress(t), "--storage-path", dir+"/data")
	for _, step := range steps {
		c.wants(step)
		c.keys(enter)
	}
	c.wants("In which directory")
	c.keys(enter)
	c.wants("Who shall start")
	c.keys(enter)
	c.wants("This is what will be written")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written before the review was agreed to: %v", err)
	}
	c.keys(enter)
	c.wants("15 of 15 checks passed")
	c.keys(enter)
	c.wants("The registry works")
	shape := regexp.MustCompile(`(?:[a-z0-9]{4}-){6}[a-z0-9]{4}`)
	if shape.MatchString(c.all()) {
		t.Error("a password was on the screen before anybody asked for it")
	}
	c.keys("p")
	c.wants("hide password")
	password := shape.FindString(c.text())
	if password == "" {
		t.Fatalf("p does not show the password:\n%s", c.text())
	}
	c.keys("p" + enter)
	c.wants("ctrl+c")
	c.keys(ctrlC)
	c.ends(exitOK)
	if !strings.Contains(c.text(), "packhouse serve "+dir) {
		t.Errorf("the card is not left on the normal screen:\n%s", c.text())
	}
	if got := strings.Count(c.all(), password); got != 1 {
		t.Errorf("the password was written %d times, want once", got)
	}
	for _, name := range []string{"myconfig.yml", "auth/htpasswd-basic", "certs/tls.crt", "certs/ca.crt", "handoff.md", "answers.yml"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(data), password) {
			t.Errorf("the password stands in %s", name)
		}
	}
}

func TestWizardLeavesNothingBehind(t *testing.T) {
	for i, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "D")
			c := openConsole(t, 80, 24, "setup", "--dir", dir, "--hostname", "localhost", "--addr", freeAddress(t), "--storage-path", dir+"/data")
			for _, before := range steps[:i] {
				c.wants(before)
				c.keys(enter)
			}
			c.wants(step)
			c.keys(ctrlC)
			c.ends(exitInterrupted)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

func TestWizardEndsOnSignals(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: exitTerminated, syscall.SIGHUP: exitHangup} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "D")
			c := openConsole(t, 80, 24, "setup", "--dir", dir, "--hostname", "localhost")
			c.wants(steps[0])
			if err := c.child.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			c.ends(code)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

func TestWizardGoesBackWithoutLosingAnswers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 80, 24, "setup", "--dir", dir, "--addr", freeAddress(t), "--storage-path", dir+"/data")
	c.wants(steps[0])
	c.keys(strings.Repeat("\x7f", 80) + "localhost" + enter)
	c.wants(steps[1])
	c.keys(enter)
	c.wants(steps[2])
	c.keys("\x1b")
	c.wants(steps[1])
	c.keys("\x1b")
	c.wants(steps[0])
	c.wants("› localhost")
	c.keys(ctrlC)
	c.ends(exitInterrupted)
}

// TestMuteTerminal holds that no command asks the terminal anything that it would then wait for: bubbletea does so at import.
func TestMuteTerminal(t *testing.T) {
	c := openConsole(t, 80, 24, "version")
	c.ends(exitOK)
	if want := fmt.Sprintf("packhouse %s\r\n", version); c.all() != want {
		t.Errorf("the terminal got %q, want %q", c.all(), want)
	}
}

// TestWizardKeepsPasswordsNobodyLookedAt holds that nobody is locked out of what they just installed.
func TestWizardKeepsPasswordsNobodyLookedAt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 100, 30, "setup", "--dir", dir, "--hostname", "localhost", "--addr", freeAddress(t), "--storage-path", dir+"/data")
	for _, step := range append(slices.Clone(steps), "In which directory", "Who shall start", "This is what will be written") {
		c.wants(step)
		c.keys(enter)
	}
	c.wants("15 of 15 checks passed")
	c.keys(ctrlC)
	c.ends(exitInterrupted)
	path := filepath.Join(dir, setup.PasswordsFile)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s is %04o, want 0600", path, info.Mode().Perm())
	}
	password := setup.InitialPasswords(dir)["admin"].Reveal()
	if password == "" || strings.Contains(c.all(), password) {
		t.Errorf("the password is %d bytes long, and on the screen is %v", len(password), strings.Contains(c.all(), password))
	}
	again := openConsole(t, 100, 30, "setup", "--dir", dir, "--dry-run")
	again.ends(exitOK)
}
