//go:build unix

package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/noquery"
	"packhouse/tui/ttytest"
)

// TestMain lets the test run itself as the program that a shell would have started.
func TestMain(m *testing.M) {
	scenario := os.Getenv("PACKHOUSE_TUI_SCENARIO")
	if scenario == "" {
		os.Exit(m.Run())
	}
	noquery.Restore()
	ctx, cancel := context.WithCancelCause(context.Background())
	o := fixtureOptions()
	o.In, o.Out = os.Stdin, os.Stderr
	switch scenario {
	case "panic in a job":
		o.Plan = func(context.Context, answer.Resolved) (*plan.Plan, error) { panic("a mistake") }
	case "panic in an update":
		o.Steps[0].Questions[0].Validate = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			if a.Hostname == "boom" {
				panic("a mistake")
			}
			return nil
		}
	case "signal before the first frame":
		o.Preview = func(question.Answers) []byte {
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			return nil
		}
	case "context that a signal ended":
		o.Steps[0].Questions[0].Validate = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			if a.Hostname == "boom" {
				cancel(terminated{})
			}
			return nil
		}
	case "slow apply":
		o.Apply = func(ctx context.Context, _ *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
			progress("write", "certs/tls.crt")
			<-ctx.Done()
			time.Sleep(300 * time.Millisecond) // putting back takes a while, and the program has to wait for it
			if err := os.WriteFile(os.Getenv("PACKHOUSE_TUI_WITNESS"), []byte("put back"), 0o600); err != nil {
				panic(err)
			}
			return nil, ctx.Err()
		}
	}
	outcome, err := Run(ctx, o)
	fmt.Println(outcome.Card.URL)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(70)
	}
	os.Exit(outcome.ExitCode())
}

// terminated is the cause of a context that SIGTERM ended, though that is heard nowhere else.
type terminated struct{}

func (terminated) Error() string     { return "terminated" }
func (terminated) Signal() os.Signal { return syscall.SIGTERM }

// console80x24 is a terminal with the scenario on it.
func console80x24(t *testing.T, scenario string, env ...string) *console {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(
		[]string{"PACKHOUSE_TUI_SCENARIO=" + scenario, "TERM=xterm-256color", "NO_COLOR=", "GORACE=atexit_sleep_ms=20"},
		env...)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: scenario != "no controlling terminal"}
	return &console{Console: ttytest.Start(t, child, 80, 24), t: t}
}

// console is a terminal with the wizard on it.
type console struct {
	*ttytest.Console
	t *testing.T
}

// wantsEnd waits for the program, holds the terminal against what it was, and looks at what it was
// sent.
func (c *console) wantsEnd(code int) {
	c.t.Helper()
	c.Ends(code)
	written := c.Written()
	for _, always := range []string{"\x1b[?1049h", "\x1b[?25l", "\x1b[?2004h"} {
		if !strings.Contains(written, always) {
			c.t.Errorf("%q was never switched on: the test looks at the wrong bytes", always)
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
	c.Wants("By which name")
	for _, stop := range []string{"Untick what", "resolves to", "Where does the server", "Where does the certificate", "Who may come", "Where is content", "Which directory", "will be written"}[:len(keys)] {
		c.Keys("\r")
		c.Wants(stop)
	}
}

func TestTerminalWholeWay(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "whole way")
	c.walk(toReview)
	c.Keys("\r")
	c.Wants("4 of 5 checks passed")
	c.Keys("\r")
	c.Wants("The registry works")
	c.Keys("p")
	c.Wants(generatedWord)
	c.Keys("\r")
	c.Wants("the server runs until ctrl+c")
	c.Loses(generatedWord)
	c.Keys("\x03")
	c.wantsEnd(0)
	if text := c.Text(); !strings.Contains(text, "https://registry.example.com:5000") ||
		strings.Contains(text, generatedWord) {
		t.Errorf("the card without the password should stay on the screen:\n%s", text)
	}
}

func TestTerminalIsGivenBack(t *testing.T) {
	for _, tc := range []struct {
		name, scenario string
		leave          func(c *console)
		code           int
	}{
		{"ctrl+c", "plain", func(c *console) { c.Keys("\x03") }, 130},
		{"SIGINT", "plain", func(c *console) { c.Signal(syscall.SIGINT) }, 130},
		{"SIGTERM", "plain", func(c *console) { c.Signal(syscall.SIGTERM) }, 143},
		{"SIGHUP", "plain", func(c *console) { c.Signal(syscall.SIGHUP) }, 129},
		{"ctrl+c in the review", "plain", func(c *console) { c.walk(toReview); c.Keys("\x03") }, 130},
		{"SIGTERM while serving", "plain", func(c *console) {
			c.walk(toReview)
			for _, stop := range []string{"4 of 5", "The registry works", "has not been shown", "until ctrl+c"} {
				c.Keys("\r")
				c.Wants(stop)
			}
			c.Signal(syscall.SIGTERM)
		}, 0},
		{"a context that a signal ended", "context that a signal ended", func(c *console) { c.Keys("\x15boom") }, 143},
		{"panic in a job", "panic in a job", func(c *console) { c.walk(toReview[:7]); c.Keys("\r") }, 70},
		{"panic in an update", "panic in an update", func(c *console) { c.Keys("\x15boom\r") }, 70},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := console80x24(t, tc.scenario)
			c.Wants("By which name")
			tc.leave(c)
			c.wantsEnd(tc.code)
		})
	}
}

// TestTerminalHearsFromTheBeginning: a signal that comes before anything is drawn is no other than
// a later one.
func TestTerminalHearsFromTheBeginning(t *testing.T) {
	t.Parallel()
	console80x24(t, "signal before the first frame").wantsEnd(143)
}

// TestTerminalGone holds that a program whose terminal is taken away (a line that drops) ends and
// does not spin.
func TestTerminalGone(t *testing.T) {
	for _, scenario := range []string{"plain", "no controlling terminal"} { // without one there is no SIGHUP either
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			c := console80x24(t, scenario)
			c.Wants("By which name")
			c.HangUp()
			if got := c.Exit(); got != 129 {
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
	c.Keys("\r")
	c.Wants("write certs/tls.crt")
	c.Signal(syscall.SIGTERM)
	c.wantsEnd(143)
	if _, err := os.Stat(witness); err != nil {
		t.Error("the program ended before the apply had")
	}
}

// TestTerminalGoneInApply holds that a line that drops while files are written does not cut the
// writing off.
func TestTerminalGoneInApply(t *testing.T) {
	t.Parallel()
	witness := t.TempDir() + "/witness"
	c := console80x24(t, "slow apply", "PACKHOUSE_TUI_WITNESS="+witness)
	c.walk(toReview)
	c.Keys("\r")
	c.Wants("write certs/tls.crt")
	c.HangUp()
	if got := c.Exit(); got != 129 {
		t.Errorf("exit code %d, want 129", got)
	}
	if _, err := os.Stat(witness); err != nil {
		t.Error("the program ended before the apply had")
	}
}

func TestTerminalPaste(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "plain")
	c.Wants("By which name")
	c.Keys("\x15\x1b[200~evil\u202egpj.example\x1b[201~")
	c.Wants("U+202E")
	c.Keys("\x1b[200~  pasted.example.com\n\x1b[201~")
	c.Wants("› pasted.example.com")
	c.Keys("\x03")
	c.wantsEnd(130)
}

func TestTerminalResize(t *testing.T) {
	t.Parallel()
	c := console80x24(t, "plain")
	c.Wants("By which name")
	for _, size := range []struct {
		cols, rows int
		want       string
	}{{40, 12, "Step 1/8"}, {30, 8, "wizard needs 40×12"}, {120, 34, "myconfig.yml"}} {
		c.Resize(size.cols, size.rows)
		c.Wants(size.want)
	}
	c.Keys("\x03")
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
