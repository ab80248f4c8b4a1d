//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup/installation"
	"packhouse/tui/ttytest"
)

// openConsole is a terminal with the real program on it.
func openConsole(t *testing.T, cols, rows int, args ...string) *ttytest.Console {
	t.Helper()
	return openConsoleIn(t, t.TempDir(), cols, rows, args...)
}

// openConsoleIn is openConsole with the directory that holds the sockets of running servers.
func openConsoleIn(t *testing.T, run string, cols, rows int, args ...string) *ttytest.Console {
	t.Helper()
	program, err := exec.LookPath("packhouse") // this test binary under its own name, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(program, args...)
	child.Env = []string{"HOME=" + run, "RUNTIME_DIRECTORY=" + run, "TERM=xterm-256color", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + run, raceOptions + "=" + os.Getenv(raceOptions)}
	return ttytest.Start(t, child, cols, rows)
}

const (
	enter = "\r"
	ctrlC = "\x03"
)

// steps are the questions of the wizard in their order, each told by words on its screen.
var steps = []string{"Under which name", "By which other names", "At which address", "Where does the server", "Who may use", "Where shall packs"}

func TestWizardInstalls(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 100, 30, "setup", "--dir", dir, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", dir+"/data")
	for _, step := range steps {
		c.Wants(step)
		c.Keys(enter)
	}
	c.Wants("In which directory")
	c.Keys(enter)
	c.Wants("How should the server run")
	c.Keys(enter)
	c.Wants("These files will be written")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written before the review was agreed to: %v", err)
	}
	c.Keys(enter)
	c.Wants("15 of 15 checks passed")
	c.Keys(enter)
	c.Wants("The registry works")
	shape := regexp.MustCompile(`(?:[a-z0-9]{4}-){6}[a-z0-9]{4}`)
	if shape.MatchString(c.Written()) {
		t.Error("a password was on the screen before anybody asked for it")
	}
	c.Keys("p")
	c.Wants("keep it now")
	password := shape.FindString(c.Text())
	if password == "" {
		t.Fatalf("p does not show the password:\n%s", c.Text())
	}
	c.Keys("p" + enter)
	c.Wants("the server runs until ctrl+c")
	c.Keys(ctrlC)
	c.Ends(cli.ExitOK)
	if !strings.Contains(c.Text(), "packhouse serve "+dir) {
		t.Errorf("the card is not left on the normal screen:\n%s", c.Text())
	}
	if got := strings.Count(c.Written(), password); got != 1 {
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
	t.Parallel()
	for i, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "D")
			c := openConsole(t, 80, 24, "setup", "--dir", dir, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", dir+"/data")
			for _, before := range steps[:i] {
				c.Wants(before)
				c.Keys(enter)
			}
			c.Wants(step)
			c.Keys(ctrlC)
			c.Ends(cli.ExitInterrupted)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

func TestWizardEndsOnSignals(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: cli.ExitTerminated, syscall.SIGHUP: cli.ExitHangup} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "D")
			c := openConsole(t, 80, 24, "setup", "--dir", dir, "--hostname", "localhost")
			c.Wants(steps[0])
			c.Signal(signal)
			c.Ends(code)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

func TestWizardGoesBackWithoutLosingAnswers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 80, 24, "setup", "--dir", dir, "--addr", porttest.Free(t), "--storage-path", dir+"/data")
	c.Wants(steps[0])
	c.Keys(strings.Repeat("\x7f", 80) + "localhost" + enter)
	c.Wants(steps[1])
	c.Keys(enter)
	c.Wants(steps[2])
	c.Keys("\x1b")
	c.Wants(steps[1])
	c.Keys("\x1b")
	c.Wants(steps[0])
	c.Wants("› localhost")
	c.Keys(ctrlC)
	c.Ends(cli.ExitInterrupted)
	if want := "packhouse setup --dir " + dir + " --hostname localhost "; !strings.Contains(c.Written(), want) { // and after the screen is given back
		t.Errorf("%q is not left on the normal screen:\n%s", want, c.Text())
	}
}

// TestMuteTerminal holds that no command asks the terminal anything that it would then wait for: bubbletea does so at import.
func TestMuteTerminal(t *testing.T) {
	t.Parallel()
	c := openConsole(t, 80, 24, "version")
	c.Ends(cli.ExitOK)
	if want := fmt.Sprintf("packhouse %s\r\n", version); c.Written() != want {
		t.Errorf("the terminal got %q, want %q", c.Written(), want)
	}
}

// TestWizardKeepsPasswordsNobodyLookedAt holds that nobody is locked out of what they just installed.
func TestWizardKeepsPasswordsNobodyLookedAt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 100, 30, "setup", "--dir", dir, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", dir+"/data")
	for _, step := range append(slices.Clone(steps), "In which directory", "How should the server run", "These files will be written") {
		c.Wants(step)
		c.Keys(enter)
	}
	c.Wants("15 of 15 checks passed")
	c.Keys(ctrlC)
	c.Ends(cli.ExitInterrupted)
	path := filepath.Join(dir, installation.PasswordsFile)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s is %04o, want 0600", path, info.Mode().Perm())
	}
	password := installation.InitialPasswords(dir)["admin"].Reveal()
	if password == "" || strings.Contains(c.Written(), password) {
		t.Errorf("the password is %d bytes long, and on the screen is %v", len(password), strings.Contains(c.Written(), password))
	}
	again := openConsole(t, 100, 30, "setup", "--dir", dir, "--dry-run")
	again.Ends(cli.ExitOK)
}
