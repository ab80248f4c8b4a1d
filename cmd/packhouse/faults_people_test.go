//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// Faults of terminals, of people at them and of programs that are killed: here it is not a finding that counts, but what is left behind.

// absentDir fails a test where something was written for an installation.
func absentDir(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

func TestFaultTerminalTooSmall(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 30, 8, "setup", "--dir", dir, "--hostname", "localhost")
	c.Wants("This window is 30×8")
	c.Resize(80, 24)
	c.Wants(steps[0])
	c.Keys(ctrlC)
	c.Ends(cli.ExitInterrupted)
	absentDir(t, dir)
}

func TestFaultTerminalWithoutASize(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(t, 0, 0, "setup", "--dir", dir, "--hostname", "localhost")
	c.Wants(steps[0])
	c.Keys(ctrlC)
	c.Ends(cli.ExitInterrupted)
	absentDir(t, dir)
}

// TestFaultConnectionDropped takes the terminal away, as a lost ssh connection does.
func TestFaultConnectionDropped(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "D")
	c := openConsole(
		t, 80, 24, "setup", "--dir", dir, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path",
		dir+"/data",
	)
	c.Wants(steps[0])
	c.Keys(enter)
	c.Wants(steps[1])
	if err := unix.IoctlSetInt(int(c.Line().Fd()), unix.TIOCVHANGUP, 0); err != nil {
		t.Skipf("the terminal cannot be taken away: %v", err)
	}
	if got := c.Exit(); got != cli.ExitHangup {
		t.Errorf("exit code %d, want %d", got, cli.ExitHangup)
	}
	absentDir(t, dir)
}

func TestFaultConfigurationChangedDuringTheReview(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	s.install()
	c := openConsole(t, 100, 30, "setup", "--dir", s.dir, "--offline", "--log-level", "debug")
	for _, step := range append(slices.Clone(steps), "In which directory", "How should the server run") {
		c.Wants(step)
		c.Keys(enter)
	}
	c.Wants("These changes will be made") // the plan is made
	s.edit("realm: packhouse", "realm: packs")
	was := s.tree()
	c.Keys("w")
	c.Wants("The installation is as it was before.") // the line above may wrap
	c.Keys(ctrlC)
	c.Exit()
	if is := s.tree(); is != was {
		t.Errorf("something was changed:\n%s", difference(was, is))
	}
}

// TestFaultEarlierSetupCutOff has a setup killed before and behind the point of no return: the next one says which it was.
func TestFaultEarlierSetupCutOff(t *testing.T) {
	t.Parallel()
	root := publicRoot(t)
	for at, says := range map[string]string{
		"journal": "an earlier change was interrupted before it changed anything",
		"commit":  "an earlier change was interrupted; it is complete now",
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, root)
			s.install()
			s.cutOff(at, "--san", "10.9.8.7")
			was := s.tree()
			got := s.run("cert", "show", "--dir", s.dir)
			if got.code != cli.ExitOK ||
				!strings.Contains(got.stderr, "was interrupted and is unfinished; run "+installation.Completes(s.dir)) {
				t.Errorf("a command that only reads: exit code %d, says %q", got.code, got.stderr)
			}
			// check reports it as the result of a check and as a finding.
			for command, times := range map[string]int{"check": 2, "status": 1} {
				got := s.run(command, "--json", "--dir", s.dir)
				said := got.stdout + got.stderr
				if got.code != cli.ExitFindings || strings.Count(said, "was interrupted and is unfinished") != times ||
					!strings.Contains(said, setup.CodeHalfDone) {
					t.Errorf("%s: exit code %d, want the change %d times:\n%s", command, got.code, times, said)
				}
			}
			if is := s.tree(); is != was {
				t.Errorf("a command that only reads changed something:\n%s", difference(was, is))
			}
			got = s.run("setup", "--yes", "--offline", "--no-start", "--dir", s.dir)
			if got.code != cli.ExitOK || !strings.Contains(got.stderr, says) {
				t.Errorf("exit code %d, says %q; want %q", got.code, got.stderr, says)
			}
			got = s.run("cert", "show", "--dir", s.dir)
			if strings.Contains(got.stdout, "10.9.8.7") != (at == "commit") {
				t.Errorf("the certificate is\n%s", got.stdout)
			}
			if _, err := os.Lstat(s.inDir(".setup")); !os.IsNotExist(err) {
				t.Errorf("the workshop is left behind: %v", err)
			}
			if got := s.run("config", "verify", "--dir", s.dir); got.code != cli.ExitOK {
				t.Errorf("the configuration is not valid: %s", got.stdout)
			}
		})
	}
}

// TestFaultTwoSetupsAtOnce runs several setups of one directory at once: one succeeds, the others
// report why they did not or find nothing to do, and the installation is that of one setup.
func TestFaultTwoSetupsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	const people = 3
	outcomes := make([]outcome, people)
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() { outcomes[i] = s.run(s.setupArgs("--user", fmt.Sprintf("person%d", i))...) })
	}
	all.Wait()
	done := 0
	for i, got := range outcomes {
		switch {
		case got.code == cli.ExitOK:
			done++
		case strings.Contains(got.stderr, "another command"),
			strings.Contains(got.stderr, "was changed by another program in the meantime"),
			strings.Contains(got.stderr, "cut off"),
			strings.Contains(got.stderr, "is in use by"): // the trial server of another setup has the port
		default:
			t.Errorf("%d ends with %d and says:\n%s", i, got.code, got.stderr)
		}
	}
	if done == 0 {
		t.Error("nobody has installed anything")
	}
	if got := s.run("config", "verify", "--dir", s.dir); got.code != cli.ExitOK {
		t.Errorf("the configuration is not valid: %s", got.stdout)
	}
	s.serve()
	got := s.run("check", "--json", "--dir", s.dir)
	for _, d := range diagnoses(t, got.stdout) {
		switch d.code {
		case "user-refused", certgen.CodeKeyMismatch, certgen.CodeUntrusted, "port-other-certificate":
			t.Errorf("the installation is of several people: %v", d)
		}
	}
}

// TestFaultKilledAtAnyTime kills setups with SIGKILL wherever they are: what they leave is nothing, or is finished or undone by the next one.
func TestFaultKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	for delay := 20 * time.Millisecond; delay < 200*time.Millisecond; delay += 30 * time.Millisecond {
		command := s.command(s.setupArgs()...)
		s.must(command.Start())
		time.Sleep(delay) // kill at a different moment each time
		_ = command.Process.Signal(syscall.SIGKILL)
		_ = command.Wait()
	}
	if got := s.run(s.setupArgs()...); got.code != cli.ExitOK {
		t.Fatalf("the setup after the killed ones ends with %d:\n%s", got.code, got.stderr)
	}
	if got := s.run("config", "verify", "--dir", s.dir); got.code != cli.ExitOK {
		t.Errorf("the configuration is not valid: %s", got.stdout)
	}
	if _, err := os.Lstat(s.inDir(".setup")); !os.IsNotExist(err) {
		t.Errorf("the workshop is left behind: %v", err)
	}
}

// TestIPv6OnlyMachine holds that a machine without IPv4 is no fault at all.
func TestIPv6OnlyMachine(t *testing.T) {
	if why := canUnshare(); why != "" {
		t.Skip("no namespaces here: " + why)
	}
	t.Parallel()
	s := newSite(t, publicRoot(t))
	s.hosts("2001:db8::17 registry.example.com")
	s.world += "\n" + sixOnly
	args := []string{
		"setup",
		"--yes",
		"--json",
		"--dir",
		s.dir,
		"--hostname",
		"registry.example.com",
		"--addr",
		":" + s.port,
		"--storage-path",
		s.data,
	}
	got := s.run(args...)
	if got.code != cli.ExitOK {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	for _, d := range diagnoses(t, got.stdout) {
		if d.code != setup.CodeRoot && d.code != setup.CodeSmall && d.code != "clock-unsynchronised" {
			t.Errorf("it finds %v", d)
		}
	}
}
