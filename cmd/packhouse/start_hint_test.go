//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// say runs a command and returns its exit code and everything that it prints.
func say(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var said bytes.Buffer
	a := &cli.App{Stdin: os.Stdin, Stdout: &said, Stderr: &said, Env: os.Environ(), Now: time.Now}
	code := run(t.Context(), a, args)
	return code, said.String()
}

// TestHintsToStart verifies what reload and status advise if no server runs: to create a missing
// configuration, or the command that starts the server of this one.
func TestHintsToStart(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	dir := filepath.Join(t.TempDir(), "my registry")
	file := filepath.Join(dir, installation.ConfigFile)
	other := filepath.Join(t.TempDir(), "other.yml")
	expect := func(want string, code int, said string) {
		t.Helper()
		if code == cli.ExitOK || !strings.Contains(said, want) {
			t.Errorf("exit %d, want %q:\n%s", code, want, said)
		}
	}
	for _, command := range []string{"reload", "status"} {
		code, said := say(t, command, file)
		expect(" setup --dir "+setup.Shell(dir)+" to create the configuration", code, said)
		code, said = say(t, command, other)
		expect(" setup to create the configuration", code, said)
	}
	if code, said := say(t, "setup", "--yes", "--no-start", "--offline", "--dir", dir, "--hostname", "localhost",
		"--addr", porttest.Free(t), "--storage-path", filepath.Join(dir, "data")); code != cli.ExitOK {
		t.Fatalf("setup: %d\n%s", code, said)
	}
	for _, command := range []string{"reload", "status"} {
		code, said := say(t, command, file)
		expect("start it: ", code, said)
		expect(" serve "+setup.Shell(file), code, said)
		code, said = say(t, command, "--dir", dir)
		expect(" serve "+setup.Shell(file), code, said)
	}
}

// TestHintsToStartSystemd verifies that they name the unit of a server that systemd runs.
func TestHintsToStartSystemd(t *testing.T) {
	var said bytes.Buffer
	a := &cli.App{Stdin: os.Stdin, Stdout: &said, Stderr: &said, Env: os.Environ(), Now: time.Now}
	dir := supervised(t, a)
	for _, command := range []string{"reload", "status", "check"} {
		if code, said := say(t, command, "--dir", dir); code == cli.ExitOK ||
			!strings.Contains(said, "systemctl start packhouse.service") {
			t.Errorf("%s: exit %d, want the unit:\n%s", command, code, said)
		}
	}
}
