//go:build unix

// Package ttytest runs a program on a pseudo-terminal for tests: it types input, and verifies the
// screen, the exact output, and that the terminal's state is restored.
//
//	c := ttytest.Start(t, exec.Command("packhouse", "setup"), 80, 24)
//	c.Wants("Under which name")
//	c.Keys("\x03")
//	c.Ends(130)
package ttytest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// patience is how long the program may take to reach an expected state, also on a busy machine.
const patience = 90 * time.Second

// Console is a terminal that runs a program.
type Console struct {
	Child *exec.Cmd

	t        testing.TB
	terminal *os.File // the user's side
	line     *os.File // the program's side
	before   *term.State
	gone     chan struct{} // closed at the end of the output
	ended    chan struct{} // closed when the program has exited

	mu      sync.Mutex
	screen  vt10x.Terminal
	written bytes.Buffer
}

// Screen size of a terminal that reports no size.
const assumedCols, assumedRows = 80, 24

// Start runs a program on a new terminal of the given size; one of 0×0 reports no size. Unless
// SysProcAttr is set otherwise, it is the program's controlling terminal. A program that is still
// running at the end of the test is killed before the test's directories are removed.
func Start(t testing.TB, child *exec.Cmd, cols, rows int) *Console {
	t.Helper()
	terminal, line, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(line.Close(), terminal.Close()) })
	c := &Console{
		Child: child, t: t, terminal: terminal, line: line, screen: vt10x.New(vt10x.WithSize(assumedCols, assumedRows)),
		gone: make(chan struct{}), ended: make(chan struct{}),
	}
	c.Resize(cols, rows)
	if c.before, err = term.GetState(int(line.Fd())); err != nil {
		t.Fatal(err)
	}
	child.Stdin, child.Stdout, child.Stderr = line, line, line
	if child.SysProcAttr == nil {
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = child.Wait() // its state has the exit code
	}()
	t.Cleanup(func() {
		_ = child.Process.Kill()
		<-c.ended
	})
	go c.watch()
	return c
}

// open creates a terminal. Closing the user's side ends a pending read on it.
func open() (terminal, line *os.File, err error) {
	blocking, line, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err := errors.Join(err, blocking.Close()); err != nil {
		return nil, nil, errors.Join(err, line.Close())
	}
	return os.NewFile(uintptr(fd), blocking.Name()), line, nil
}

// watch renders the program's output.
func (c *Console) watch() {
	defer close(c.gone)
	buffer := make([]byte, 4096)
	for {
		n, err := c.terminal.Read(buffer)
		c.mu.Lock()
		c.written.Write(buffer[:n])
		_, _ = c.screen.Write(buffer[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Text returns the screen's content, one line per row.
func (c *Console) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.String()
}

// Written returns the complete output of the program, and the echo of its input.
func (c *Console) Written() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written.String()
}

// Wants waits until a text is on the screen.
func (c *Console) Wants(text string) {
	c.t.Helper()
	c.await(func() bool { return strings.Contains(c.Text(), text) }, "never came to the screen: "+text)
}

// Loses waits until a text is no longer on the screen. A frame arrives in pieces, so parts of the
// previous one may remain for a moment.
func (c *Console) Loses(text string) {
	c.t.Helper()
	c.await(func() bool { return !strings.Contains(c.Text(), text) }, "never left the screen: "+text)
}

func (c *Console) await(reached func() bool, otherwise string) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if reached() {
			return
		}
	}
	c.t.Fatalf("%s\n%s", otherwise, c.Text())
}

// Keys types text.
func (c *Console) Keys(keys string) {
	c.t.Helper()
	if _, err := c.terminal.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// Signal sends a signal to the program.
func (c *Console) Signal(signal syscall.Signal) {
	c.t.Helper()
	if err := c.Child.Process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
}

// Resize changes the window.
func (c *Console) Resize(cols, rows int) {
	c.t.Helper()
	if cols > 0 && rows > 0 {
		c.mu.Lock()
		c.screen.Resize(cols, rows)
		c.mu.Unlock()
	}
	raw, err := c.terminal.SyscallConn() // Fd would switch to blocking reads
	if err != nil {
		c.t.Fatal(err)
	}
	size := &unix.Winsize{Row: uint16(rows), Col: uint16(cols)} //nolint:gosec // of a test
	if controlErr := raw.Control(func(fd uintptr) { err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) }); controlErr != nil || err != nil {
		c.t.Fatal(controlErr, err)
	}
}

// Line returns the program's side of the terminal.
func (c *Console) Line() *os.File { return c.line }

// HangUp closes the terminal, like a dropped connection.
func (c *Console) HangUp() { _ = errors.Join(c.line.Close(), c.terminal.Close()) }

// Exit waits for the program and returns its exit code.
func (c *Console) Exit() int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("the program does not end:\n%s", c.Text())
	}
	return c.Child.ProcessState.ExitCode()
}

// modes are terminal modes that programs enable and must disable again.
var modes = []struct{ what, on, off string }{
	{"the alternate screen", "\x1b[?1049h", "\x1b[?1049l"},
	{"the hidden cursor", "\x1b[?25l", "\x1b[?25h"},
	{"bracketed paste", "\x1b[?2004h", "\x1b[?2004l"},
}

// Ends waits for the program, compares its exit code, reads the rest of its output, and verifies
// that the terminal's state is restored.
func (c *Console) Ends(code int) {
	c.t.Helper()
	if got := c.Exit(); got != code {
		c.t.Errorf("exit code %d, want %d:\n%s", got, code, c.Text())
	}
	after, err := term.GetState(int(c.line.Fd()))
	if err != nil {
		c.t.Fatal(err)
	}
	if *after != *c.before {
		c.t.Errorf("the modes of the terminal are not what they were: %+v, were %+v", after, c.before)
	}
	_ = c.line.Close() // the last open file: the reader ends
	<-c.gone
	written := c.Written()
	for _, mode := range modes {
		if strings.LastIndex(written, mode.on) > strings.LastIndex(written, mode.off) {
			c.t.Errorf("%s is left behind", mode.what)
		}
	}
}
