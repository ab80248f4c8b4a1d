//go:build linux

package usercmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
)

// TestPromptIsQuiet verifies that the echo is off before a prompt for a password is written.
func TestPromptIsQuiet(t *testing.T) {
	for name, ask := range map[string]func(*cli.App) (setup.Secret, error){
		"once":  func(a *cli.App) (setup.Secret, error) { return cli.ReadPassword(a, "password of admin: ") },
		"twice": func(a *cli.App) (setup.Secret, error) { return askPassword(a, "admin", false) },
	} {
		t.Run(name, func(t *testing.T) {
			master, slave, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			defer slave.Close()
			prompts := 0
			got, err := ask(&cli.App{Stdin: slave, Stderr: hasty(func(words []byte) {
				state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
				if err != nil || state.Lflag&unix.ECHO != 0 {
					t.Errorf("the terminal shows what is typed when %q is written (%v)", words, err)
				}
				if bytes.HasSuffix(words, []byte(": ")) {
					prompts++
					if _, err := master.WriteString("typed at once\n"); err != nil {
						t.Error(err)
					}
				}
			})})
			if err != nil || got.Reveal() != "typed at once" || prompts == 0 {
				t.Fatalf("%v after %d prompts, %v", got, prompts, err)
			}
			state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			if err != nil || state.Lflag&unix.ECHO == 0 {
				t.Errorf("the terminal stays quiet (%v)", err)
			}
			_, err = slave.WriteString("the end")
			if err != nil {
				t.Fatal(err)
			}
			screen := make([]byte, 256)
			n, err := master.Read(screen)
			if err != nil || strings.Contains(string(screen[:n]), "typed") {
				t.Errorf("shown: %q (%v)", screen[:n], err)
			}
		})
	}
}

// hasty is a user who reacts to each piece of a screen as it is written.
type hasty func(words []byte)

func (h hasty) Write(p []byte) (int, error) {
	h(p)
	return len(p), nil
}
