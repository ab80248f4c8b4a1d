//go:build unix

package tui

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
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

	"packhouse/setup"
	"packhouse/tui/noquery"
)

// TestMain lets the test run itself as the program that a shell would have started.
func TestMain(m *testing.M) {
	scenario := os.Getenv("PACKHOUSE_TUI_SCENARIO")
	if scenario == "" {
		os.Exit(m.Run())
	}
	noquery.Restore()
	o := fixtureOptions()
	o.In, o.Out = os.Stdin, os.Stderr
	switch scenario {
	case "panic in a job":
		o.Plan = func(context.Context, setup.Resolved) (*setup.Plan, error) { panic("a mistake") }
	case "panic in an update":
		o.Steps[0].Questions[0].Validate = func(_ context.Context, _ *setup.Machine, a *setup.Answers) []setup.Finding {
			if a.Hostname == "boom" {
				panic("a mistake")
			}
			return nil
		}
	case "slow apply":
		o.Apply = func(ctx context.Context, _ *setup.Plan, progress func(verb, path string)) (*setup.Applied, error) {
			progress("write", "certs/tls.crt")
			<-ctx.Done()
			time.Sleep(300 * time.Millisecond) // putting back takes a while, and the program has to wait for it
			if err := os.WriteFile(os.Getenv("PACKHOUSE_TUI_WITNESS"), []byte("put back"), 0o600); err != nil {
				panic(err)
			}
			return nil, ctx.Err()
		}
	}
	outcome, err := Run(context.Background(), o)
	fmt.Println(outcome.Card.URL)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(70)
	}
	os.Exit(outcome.ExitCode())
}

// console is a terminal with the program on it.
type console struct {
	t        *testing.T
	child    *exec.Cmd
	terminal *os.File // the side of the person
	line     *os.File // the side of the program
	before   *term.State

	mu     sync.Mutex
	screen vt10x.Terminal
	bytes  bytes.Buffer
	gone   chan struct{}
}

func console80x24(t *testing.T, scenario string, env ...string) *console {
	t.Helper()
	blocking, line, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	terminal := pollable(t, blocking)
	t.Cleanup(func() { terminal.Close(); line.Close() })
	resize(t, terminal, 80, 24)
	c := &console{t: t, terminal: terminal, line: line, screen: vt10x.New(vt10x.WithSize(80, 24)), gone: make(chan struct{})}
	if c.before, err = term.GetState(int(line.Fd())); err != nil {
		t.Fatal(err)
	}
	c.child = exec.Command(os.Args[0])
	c.child.Env = append([]string{"PACKHOUSE_TUI_SCENARIO=" + scenario, "TERM=xterm-256color", "NO_COLOR="}, env...)
	c.child.Stdin, c.child.Stdout, c.child.Stderr = line, line, line
	c.child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: scenario != "no controlling terminal"}
	if err := c.child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.child.Process.Kill() })
	go c.watch()
	return c
}

// pollable makes a file of which a pending read ends when it is closed.
func pollable(t *testing.T, file *os.File) *os.File {
	t.Helper()
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), file.Name())
}

// resize changes the window, without the method Fd, which would make the file block again.
func resize(t *testing.T, terminal *os.File, cols, rows uint16) {
	t.Helper()
	raw, err := terminal.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
}

// watch draws what the program writes.
func (c *console) watch() {
	defer close(c.gone)
	reader := bufio.NewReader(c.terminal)
	buffer := make([]byte, 4096)
	for {
		n, err := reader.Read(buffer)
		c.mu.Lock()
		c.bytes.Write(buffer[:n])
		_, _ = c.screen.Write(buffer[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.String()
}

func (c *console) written() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes.String()
}

// wants waits until a text is on the screen.
func (c *console) wants(text string) {
	c.t.Helper()
	for range 500 {
		if strings.Contains(c.text(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("%q never came to the screen:\n%s", text, c.text())
}

func (c *console) keys(keys string) {
	c.t.Helper()
	if _, err := c.terminal.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// wantsEnd waits for the program and holds the terminal against what it was.
func (c *console) wantsEnd(code int) {
	c.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.child.Wait() }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		c.t.Fatalf("the program does not end:\n%s", c.text())
	}
	if got := c.child.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d, want %d:\n%s", got, code, c.text())
	}
	after, err := term.GetState(int(c.line.Fd()))
	if err != nil {
		c.t.Fatal(err)
	}
	if *after != *c.before {
		c.t.Errorf("the modes of the terminal are not what they were: %+v, were %+v", after, c.before)
	}
	c.line.Close()
	<-c.gone
	written := c.written()
	for _, mode := range []struct{ what, on, off string }{
		{"the alternate screen", "\x1b[?1049h", "\x1b[?1049l"},
		{"the hidden cursor", "\x1b[?25l", "\x1b[?25h"},
		{"bracketed paste", "\x1b[?2004h", "\x1b[?2004l"},
	} {
		on, off := strings.LastIndex(written, mode.on), strings.LastIndex(written, mode.off)
		if on < 0 {
			c.t.Errorf("%s was never switched on: the test looks at the wrong bytes", mode.what)
		}
		if off < on {
			c.t.Errorf("%s is left behind", mode.what)
		}
	}
	for _, never := range []string{"\x1b[?1000h", "\x1b[?1002h", "\x1b[?1003h", "\x1b[?1006h", "\x1b[?1004h", "\x1b]11;?", "\x1b[6n", secretWord, "goroutine "} {
		if strings.Contains(written, never) {
			c.t.Errorf("the terminal got %q", never)
		}
	}
}

// toReview are the keys from the first step to the review.
const toReview = "\r\r\r\r\r\r\r\r"

func (c *console) walk(keys string) {
	c.t.Helper()
	c.wants("By which name")
	for _, stop := range []string{"Untick what", "resolves to", "Where does the server", "Where does the certificate", "Who may come", "Where is content", "Which directory", "Enter writes"}[:len(keys)] {
		c.keys("\r")
		c.wants(stop)
	}
}

func TestTerminalWholeWay(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "whole way")
	c.walk(toReview)
	c.keys("\r")
	c.wants("4 of 5 checks passed")
	c.keys("\r")
	c.wants("The registry works")
	c.keys("p")
	c.wants(generatedWord)
	c.keys("\r")
	c.wants("the server runs until ctrl+c")
	if strings.Contains(c.text(), generatedWord) {
		t.Error("the password is still on the screen")
	}
	c.keys("\x03")
	c.wantsEnd(0)
	if text := c.text(); !strings.Contains(text, "https://registry.example.com:5000") || strings.Contains(text, generatedWord) {
		t.Errorf("the card without the password should stay on the screen:\n%s", text)
	}
}

func TestTerminalIsGivenBack(t *testing.T) {
	for _, tc := range []struct {
		name, scenario string
		leave          func(c *console)
		code           int
	}{
		{"ctrl+c", "plain", func(c *console) { c.keys("\x03") }, 130},
		{"SIGINT", "plain", func(c *console) { c.signal(syscall.SIGINT) }, 130},
		{"SIGTERM", "plain", func(c *console) { c.signal(syscall.SIGTERM) }, 143},
		{"SIGHUP", "plain", func(c *console) { c.signal(syscall.SIGHUP) }, 129},
		{"ctrl+c in the review", "plain", func(c *console) { c.walk(toReview); c.keys("\x03") }, 130},
		{"SIGTERM while serving", "plain", func(c *console) {
			c.walk(toReview)
			for _, stop := range []string{"4 of 5", "The registry works", "nobody has seen", "until ctrl+c"} {
				c.keys("\r")
				c.wants(stop)
			}
			c.signal(syscall.SIGTERM)
		}, 0},
		{"panic in a job", "panic in a job", func(c *console) { c.walk(toReview[:7]); c.keys("\r") }, 70},
		{"panic in an update", "panic in an update", func(c *console) { c.keys("\x15boom\r") }, 70},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := console80x24(t, tc.scenario)
			c.wants("By which name")
			tc.leave(c)
			c.wantsEnd(tc.code)
		})
	}
}

// TestTerminalGone holds that a program whose terminal is taken away (a line that drops) ends and does not spin.
func TestTerminalGone(t *testing.T) {
	for _, scenario := range []string{"plain", "no controlling terminal"} { // without one there is no SIGHUP either
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			c := console80x24(t, scenario)
			c.wants("By which name")
			c.line.Close()
			c.terminal.Close()
			ended := make(chan error, 1)
			go func() { ended <- c.child.Wait() }()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the program does not end")
			}
			if got := c.child.ProcessState.ExitCode(); got != 129 {
				t.Errorf("exit code %d, want 129", got)
			}
		})
	}
}

// TestTerminalStopsApply holds that leaving while files are written waits until they are put back.
func TestTerminalStopsApply(t *testing.T) {
	t.Parallel()
	witness := t.TempDir() + "/witness"
	c := console80x24(t, "slow apply", "PACKHOUSE_TUI_WITNESS="+witness)
	c.walk(toReview)
	c.keys("\r")
	c.wants("write certs/tls.crt")
	c.signal(syscall.SIGTERM)
	c.wantsEnd(143)
	if _, err := os.Stat(witness); err != nil {
		t.Error("the program ended before the apply had")
	}
}

// TestTerminalGoneInApply holds that a line that drops while files are written does not cut the writing off.
func TestTerminalGoneInApply(t *testing.T) {
	t.Parallel()
	witness := t.TempDir() + "/witness"
	c := console80x24(t, "slow apply", "PACKHOUSE_TUI_WITNESS="+witness)
	c.walk(toReview)
	c.keys("\r")
	c.wants("write certs/tls.crt")
	c.line.Close()
	c.terminal.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.child.Wait() }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the program does not end")
	}
	if got := c.child.ProcessState.ExitCode(); got != 129 {
		t.Errorf("exit code %d, want 129", got)
	}
	if _, err := os.Stat(witness); err != nil {
		t.Error("the program ended before the apply had")
	}
}

func TestTerminalPaste(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "plain")
	c.wants("By which name")
	c.keys("\x15\x1b[200~evil\u202egpj.example\x1b[201~")
	c.wants("U+202E")
	c.keys("\x1b[200~  pasted.example.com\n\x1b[201~")
	c.wants("› pasted.example.com")
	c.keys("\x03")
	c.wantsEnd(130)
}

func TestTerminalResize(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "plain")
	c.wants("By which name")
	for _, size := range []struct {
		cols, rows uint16
		want       string
	}{{40, 12, "Step 1/8"}, {30, 8, "wizard needs 40×12"}, {120, 34, "myconfig.yml"}} {
		c.mu.Lock()
		c.screen.Resize(int(size.cols), int(size.rows))
		c.mu.Unlock()
		resize(t, c.terminal, size.cols, size.rows)
		c.wants(size.want)
	}
	c.keys("\x03")
	c.wantsEnd(130)
}

func TestRunWantsTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o := fixtureOptions()
	o.In, o.Out = null, null
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("without a terminal: %v, want ErrNoTerminal", err)
	}
}

func (c *console) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.child.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}
