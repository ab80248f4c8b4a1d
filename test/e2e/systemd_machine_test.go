package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notPossible is how boot.sh ends where no machine can be made.
const notPossible = 77

// machine is a machine that systemd runs, inside of this one: see boot.sh. It
// has the files of this one, and what is changed in it is gone with it.
type machine struct {
	t   *testing.T
	pid int // of its systemd, seen from here
}

// bootMachine starts a machine and puts the program under test into it. Where
// none can be made the test is skipped, with the reason.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a machine that systemd runs")
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skipf("systemd is not here: %v", err)
	}
	for _, name := range []string{"bash", "ip", "journalctl", "mount", "nsenter", "setpriv", "systemctl", "unshare"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("a machine that systemd runs cannot be made: %v", err)
		}
	}
	group := makeGroup(t)
	script, err := filepath.Abs("boot.sh")
	if err != nil {
		t.Fatalf("find boot.sh: %v", err)
	}
	// A group of processes has a namespace of its own only from within.
	cmd := exec.Command("unshare", "--cgroup", "bash", script, t.TempDir())
	words := &journal{}
	cmd.Stdout, cmd.Stderr = words, words
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		UseCgroupFD: true, CgroupFD: int(group.Fd()), Pdeathsig: syscall.SIGKILL, Setsid: true,
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("a machine that systemd runs cannot be made: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the first process: all others end with it
		<-ended
	})
	m := &machine{t: t, pid: cmd.Process.Pid}
	deadline := time.After(toolTimeout)
	for state := ""; state != "running" && state != "degraded"; {
		select {
		case err := <-ended:
			ended <- err
			if cmd.ProcessState.ExitCode() == notPossible {
				t.Skipf("a machine that systemd runs cannot be made: %s", words)
			}
			t.Fatalf("systemd ended: %v\n%s", err, words)
		case <-deadline:
			t.Fatalf("systemd does not come up, it is %q\n%s", state, words)
		case <-time.After(100 * time.Millisecond):
			// Until it runs, what answers might be the systemd underneath.
			if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.pid)); string(name) != "systemd\n" {
				continue
			}
			out, _ := m.try("", "systemctl", "is-system-running")
			state = strings.TrimSpace(out)
		}
	}
	program, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatalf("read the binary: %v", err)
	}
	if err := os.WriteFile(m.path("/usr/local/bin/packhouse"), program, 0o755); err != nil {
		t.Fatalf("install the binary: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.try("", "journalctl", "--no-pager", "--output", "short", "--lines", "30")
			t.Logf("the journal:\n%s", out)
		}
	})
	return m
}

// makeGroup makes a control group for a machine, which is removed with it.
func makeGroup(t *testing.T) *os.File {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Skipf("find the control groups: %v", err)
	}
	root := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			root = f[1]
			break
		}
	}
	if root == "" {
		t.Skip("there are no control groups of version 2 for systemd")
	}
	of, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("find the control group: %v", err)
	}
	own := ""
	for line := range strings.Lines(string(of)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = path
		}
	}
	path := filepath.Join(root, own, fmt.Sprintf("packhouse-e2e-%d", os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Skipf("make a control group: %v", err)
	}
	group, err := os.Open(path)
	if err != nil {
		t.Fatalf("open control group: %v", err)
	}
	t.Cleanup(func() {
		group.Close()
		eventually(t, "the control group is gone", patience, func() bool { return removeGroup(path) == nil })
	})
	return group
}

// removeGroup removes a control group with those below it; none may have a process.
func removeGroup(path string) error {
	below, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range below {
		if entry.IsDir() {
			if err := removeGroup(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(path)
}

// path is where a file of the machine is seen from here.
func (m *machine) path(name string) string {
	return filepath.Join("/proc", fmt.Sprint(m.pid), "root", name)
}

// command is a program to be run in the machine, as root.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", fmt.Sprint(m.pid), "--all", "--root", "--wd", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER="}
	return cmd
}

// try runs a program in the machine and returns all that it printed, and how
// it ended.
func (m *machine) try(stdin string, args ...string) (string, int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	cmd := m.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		m.t.Errorf("%s hangs", strings.Join(args, " "))
	}
	if err != nil && cmd.ProcessState == nil {
		m.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// run runs a program in the machine that has to succeed, and returns what it
// printed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, code := m.try("", args...)
	if code != 0 {
		m.t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// show returns a property of the service.
func (m *machine) show(property string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--property", property, "--value", "packhouse.service"))
}
