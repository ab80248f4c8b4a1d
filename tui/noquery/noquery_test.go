package noquery_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"

	"packhouse/tui/noquery"
)

// TestMain lets the test run itself as a small program on a terminal.
func TestMain(m *testing.M) {
	if os.Getenv("NOQUERY_CHILD") == "" {
		os.Exit(m.Run())
	}
	noquery.Restore()
	_ = tea.Quit // the library is linked in, which is all that it takes
	ci, ok := os.LookupEnv("CI")
	fmt.Printf("CI=%q %v", ci, ok)
}

// TestMuteTerminal holds that a program which does nothing with its terminal writes nothing to it but its own words, though the terminal
// library is linked in: not a byte of a question.
func TestMuteTerminal(t *testing.T) {
	for _, tc := range []struct{ name, ci, want string }{
		{"CI unset", "", `CI="" false`},
		{"CI set", "CI=woodpecker", `CI="woodpecker" true`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = []string{"NOQUERY_CHILD=1", "TERM=xterm-256color", "GORACE=atexit_sleep_ms=20"}
			if tc.ci != "" {
				child.Env = append(child.Env, tc.ci)
			}
			terminal, err := pty.Start(child)
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			got, _ := io.ReadAll(terminal) // ends with an error of the terminal's when the child has gone
			if err := child.Wait(); err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("the terminal got %q, want %q", got, tc.want)
			}
			if bytes.ContainsRune(got, '\x1b') {
				t.Error("an escape sequence was written before main began")
			}
		})
	}
}
