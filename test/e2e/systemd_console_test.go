package e2e

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// What is typed at a console.
const (
	enter     = "\r"
	tab       = "\t"
	down      = "\x1b[B"
	backspace = "\x7f"
)

// console is a terminal with a program of a machine on it.
type console struct {
	t        *testing.T
	cmd      *exec.Cmd
	terminal *os.File
	ended    chan struct{} // the program, and all that it wrote is drawn

	mu     sync.Mutex
	screen vt10x.Terminal
}

// console runs a program of the machine on a terminal that is tall enough for
// whatever the program has to say at once.
func (m *machine) console(args ...string) *console {
	m.t.Helper()
	const columns, rows = 120, 45
	cmd := m.command(m.t.Context(), args...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		m.t.Fatalf("start %s on a terminal: %v", strings.Join(args, " "), err)
	}
	c := &console{t: m.t, cmd: cmd, terminal: terminal, ended: make(chan struct{}), screen: vt10x.New(vt10x.WithSize(columns, rows))}
	go c.watch()
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.t.Logf("the screen:\n%s", c.text())
		}
		_ = cmd.Process.Kill()
		<-c.ended
		_ = terminal.Close()
	})
	return c
}

// watch draws what the program writes, until its end.
func (c *console) watch() {
	defer close(c.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := c.terminal.Read(buffer)
		c.mu.Lock()
		_, _ = c.screen.Write(buffer[:n])
		c.mu.Unlock()
		if err != nil { // nobody has the other side open any more
			_ = c.cmd.Wait() // how it ended stands in its state
			return
		}
	}
}

// text is what is on the screen, a line for each row.
func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.String()
}

// wants waits until all of these are on the screen at once.
func (c *console) wants(words ...string) {
	c.t.Helper()
	eventually(c.t, "on the screen: "+strings.Join(words, " | "), toolTimeout, func() bool {
		text := c.text()
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return true
	})
}

// keys types.
func (c *console) keys(keys string) {
	c.t.Helper()
	if _, err := c.terminal.WriteString(keys); err != nil {
		c.t.Fatalf("type: %v", err)
	}
}

// ends waits for the program, which has to end with this code.
func (c *console) ends(code int) {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(toolTimeout):
		c.t.Fatal("the program does not end")
	}
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit %d, want %d", got, code)
	}
}
