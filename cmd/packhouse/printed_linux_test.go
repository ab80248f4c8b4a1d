package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// paste runs a line in a shell, from another directory than the one it was printed in, and returns its
// exit code and what it says. A server that the line starts is stopped once it listens.
func (s *site) paste(line string) outcome {
	s.t.Helper()
	command := s.command("version")
	command.Args = append(
		command.Args[:len(command.Args)-2], "sh", "-c", line,
	) // in place of the program and its argument
	if len(command.Args) == 3 {
		command.Path = "/bin/sh"
	}
	command.Dir = "/"
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if !strings.Contains(line, " serve") {
		watchdog := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
		defer watchdog.Stop()
		_ = command.Run()
		return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
	command.Args[len(command.Args)-1] = "exec " + line
	log, err := os.Create(s.at("paste.log"))
	s.must(err)
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	s.must(command.Start())
	within(func() bool {
		said, _ := os.ReadFile(log.Name())
		return answers("127.0.0.1:"+s.port) || strings.Contains(string(said), "error:")
	})
	_ = command.Process.Signal(syscall.SIGTERM)
	_ = command.Wait()
	said, err := os.ReadFile(log.Name())
	s.must(err)
	return outcome{command.ProcessState.ExitCode(), "", string(said)}
}

// TestPrintedCommandsRun pastes what commands print about an installation that is not the default one, in a directory with a space, with a
// program that PATH does not find.
func TestPrintedCommandsRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	program, err := exec.LookPath("packhouse")
	s.must(err)
	program = publicProgram(t, program, s.root)
	hidden := filepath.Join(s.root, "my tools")
	s.must(os.Mkdir(hidden, 0o755)) //nolint:gosec // see publicRoot
	s.must(os.Rename(program, filepath.Join(hidden, "packhouse")))
	program = filepath.Join(hidden, "packhouse")
	s.dir = s.at("my registry")
	s.env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	run := setup.Shell(program)
	at := " --dir " + setup.Shell(s.dir)
	first := s.paste(
		run + " setup --yes --no-start --offline --hostname localhost --addr 127.0.0.1:" + s.port + " --storage-path " + s.data + at,
	)
	if first.code != cli.ExitOK && first.code != cli.ExitFindings {
		t.Fatalf("setup: %d\n%s", first.code, first.stderr)
	}
	config := setup.Shell(filepath.Join(s.dir, installation.ConfigFile))
	for _, tt := range []struct{ ask, line string }{
		{"status" + at, run + " serve " + config},
		{"reload" + at, run + " serve " + config},
		{"user add admin" + at, run + " user passwd" + at + " admin"},
		{"user passwd nobody" + at, run + " user list" + at},
		{"cert trust" + at, run + " cert export" + at + " ca"},
		{"check --quick" + at, run + " serve " + config},
		{"check --quick " + config, run + " serve " + config},
		{"setup --yes --no-start --offline --json" + at, run + " setup --yes" + at},
		{"setup --yes --dry-run --serve --offline --json --san 192.0.2.1" + at, "--serve"},
		{"user add two" + at, ""},
		{"rollback --yes" + at, run + " rollback" + at},
	} {
		got := s.paste(run + " " + tt.ask)
		said := strings.NewReplacer(`\"`, `"`, `\u003c`, "<").Replace(got.stdout + got.stderr)
		if !strings.Contains(said, tt.line) {
			t.Errorf("%s does not print %s:\n%s", tt.ask, tt.line, said)
			continue
		}
		if !strings.HasPrefix(tt.line, run) {
			continue
		}
		line := tt.line
		if strings.Contains(line, " setup --yes") {
			line = said[strings.Index(said, line):]
			line, _, _ = strings.Cut(line, `"`)
			line += " --no-start --offline"
		}
		switch { // what a person types at a terminal
		case strings.Contains(line, " rollback"):
			line += " --yes"
		case strings.Contains(line, " passwd"):
			line = "echo correct-horse-battery | " + line + " --password-stdin"
		}
		if pasted := s.paste(line); pasted.code != cli.ExitOK && pasted.code != cli.ExitFindings {
			t.Errorf("%s prints a line that ends with %d:\n%s\n%s", tt.ask, pasted.code, line, pasted.stderr)
		}
	}
}

// TestReadmeCommands pastes the commands of README.md unchanged, in their order, as a user without privileges.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, publicRoot(t))
	if os.Geteuid() == 0 {
		s.uid = 65534
		s.sh("chown -R 65534:65534 .")
	}
	s.sh("chmod 755 .")
	program, err := exec.LookPath("packhouse")
	s.must(err)
	program = publicProgram(t, program, filepath.Dir(s.root))
	s.env = []string{
		"PATH=" + filepath.Dir(program) + ":" + os.Getenv(
			"PATH",
		), "PACKHOUSE_ADDR=127.0.0.1:" + s.port, "PACKHOUSE_OFFLINE=true",
		"SSL_CERT_FILE=" + s.at("ca.crt"), "PACKHOUSE_PASSWORD_ADMIN=correct-horse-battery",
	}
	url := "https://127.0.0.1:" + s.port
	s.sh(
		"mkdir nginx-1.25.0; echo '{\"name\":\"nginx\",\"displayName\":\"nginx\",\"version\":\"1.25.0\",\"layer\":\"addon\"}' > nginx-1.25.0/pack.json; chmod -R a+rX nginx-1.25.0",
	)
	ran := 0
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "packhouse ") {
			continue
		}
		where := "cd " + setup.Shell(s.root) + "; "
		switch {
		case strings.Contains(line, " setup "):
			line += " --san 127.0.0.1" // the one address that this machine is sure to have
		case strings.Contains(line, " pack push"):
			where += "echo correct-horse-battery | packhouse registry login 127.0.0.1:" + s.port + " -u admin --password-stdin && "
		}
		got := s.paste(where + strings.Replace(line, "URL", url, 1))
		if got.code != cli.ExitOK && got.code != cli.ExitFindings {
			t.Errorf("%s ends with %d:\n%s%s", line, got.code, got.stdout, got.stderr)
		}
		if ran++; ran == 1 {
			s.dir = s.at(".config/packhouse")
			s.sh("cp .config/packhouse/certs/ca.crt . && chmod 644 ca.crt")
			s.serve()
		}
	}
	if ran < 8 {
		t.Errorf("README.md has %d commands", ran)
	}
}
