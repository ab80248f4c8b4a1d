//go:build linux

package apply

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// nobody is a user who owns nothing.
const nobody = 65534

// asNobody runs one test of this binary as another user, since root may write and read everywhere. It tells the test what dir is.
func asNobody(t *testing.T, test, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	public, err := os.MkdirTemp("", "setup-as-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(public) })
	if err := os.Chmod(public, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(public, "setup.test")
	copyFile(t, os.Args[0], binary)
	command := exec.CommandContext(t.Context(), binary, "-test.run=^"+test+"$", "-test.v")
	command.Dir, command.Env = public, append(os.Environ(), "AS_NOBODY="+dir, "HOME="+public, "TMPDIR="+public)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Chmod(0o755), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// publicDir is a directory of root's that everybody may look into.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "setup-of-root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestADirectoryThatCannotBeWrittenStaysEmpty(t *testing.T) {
	dir := os.Getenv("AS_NOBODY")
	if dir == "" {
		parent := publicDir(t)
		asNobody(t, t.Name(), filepath.Join(parent, "packhouse"))
		if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
		return
	}
	m := machine.Detect(t.Context(), machine.ThisMachine())
	flags := answer.Values{
		"dir":          {dir},
		"hostname":     {"registry.example.com"},
		"addr":         {"127.0.0.1:5391"},
		"storage-path": {filepath.Join(dir, "data")},
	}
	resolved, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags})
	told := map[string]bool{}
	for _, f := range findings {
		if f.Severity == finding.Refused {
			told[f.Flag] = true
		}
	}
	if !told["--dir"] || len(told) != 1 { // the storage path below it is the same cause
		t.Errorf("refused: %v", findings)
	}
	planned, err := plan.Make(t.Context(), m, nil, resolved, plan.Options{HashCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), planned, Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("applied all the same: %v", err)
	}
}

// TestAStorageThatCannotBeMadeUndoesTheRest fails in the middle, for want of rights at one place.
func TestAStorageThatCannotBeMadeUndoesTheRest(t *testing.T) {
	locked := os.Getenv("AS_NOBODY")
	if locked == "" {
		asNobody(t, t.Name(), publicDir(t))
		return
	}
	m := machine.Detect(t.Context(), machine.ThisMachine())
	dir := filepath.Join(t.TempDir(), "etc", "packhouse")
	flags := answer.Values{
		"dir":          {dir},
		"hostname":     {"registry.example.com"},
		"addr":         {"127.0.0.1:5391"},
		"storage-path": {filepath.Join(locked, "data")},
	}
	resolved, _ := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags, Quick: true})
	planned, err := plan.Make(t.Context(), m, nil, resolved, plan.Options{HashCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), planned, Options{}); !errors.Is(err, os.ErrPermission) {
		t.Fatalf("applied all the same: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory that was made for it is left: %v", err)
	}
}

func TestPortsThatAreNotPermitted(t *testing.T) {
	if os.Getenv("AS_NOBODY") == "" {
		if low, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil ||
			strings.TrimSpace(string(low)) != "1024" {
			t.Skip("everybody may bind low ports here")
		}
		asNobody(t, t.Name(), "x")
		return
	}
	a := question.Answers{Addr: ":443", Hostname: "a", Existing: &installation.Installed{}}
	findings := answertest.Question(t, "addr").Probe(t.Context(), machine.Detect(t.Context(), machine.ThisMachine()), &a)
	if len(findings) != 1 || findings[0].Code != setup.CodePortRight ||
		!strings.Contains(findings[0].Remedy, "setcap") {
		t.Errorf("%v", findings)
	}
}

// TestAForeignHalfDoneSetupIsTold: who may not mend it is told to ask its owner.
func TestAForeignHalfDoneSetupIsTold(t *testing.T) {
	dir := os.Getenv("AS_NOBODY")
	if dir == "" {
		dir = filepath.Join(publicDir(t), "packhouse")
		m := machinetest.New(t, &machinetest.Host{})
		planned := planFor(t, m, dir, nil)
		if _, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
			if strings.HasPrefix(operation, "rename "+installation.ConfigFile) {
				return errKilled
			}
			return nil
		}}); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		asNobody(t, t.Name(), dir)
		if in, err := Open(dir); err != nil || in.Recovered == "" {
			t.Errorf("its owner cannot mend it: %v", err)
		}
		return
	}
	in, err := Open(dir)
	if err != nil || !in.HalfDone {
		t.Fatalf("%+v, %v", in, err)
	}
	_, findings := answer.Resolve(
		t.Context(), machine.Detect(t.Context(), machine.ThisMachine()), in, answer.Input{Quick: true},
	)
	if !finding.AnyRefused(findings) {
		t.Errorf("%v", findings)
	}
}
