//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup/installation"
)

// site is a machine with one fault on it: a directory for everything, a port, and a world around the program, made of namespaces, where the
// fault is one of the machine and not of a file.
type site struct {
	t    *testing.T
	root string // everything lies below it
	dir  string // of the installation
	data string // of the store
	port string // that nobody listens at

	args  []string // more flags of setup
	env   []string // more variables
	stdin string
	world string // lines of sh that make the machine before the program starts; they run in mount and network namespaces of their own
	uid   int    // of the program; 0: that of the test
	pid   string // of the server, once it runs
	host  int    // process whose namespaces the program starts in, once a server runs in them
}

// publicRoot is a directory that everybody may look into, for programs that run as somebody else. It lies on a disk.
func publicRoot(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("", "faults-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return root
}

func newSite(t *testing.T, parent string) *site {
	t.Helper()
	root, err := os.MkdirTemp(parent, "site-")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.Mkdir(filepath.Join(root, "run"), 0o700)); err != nil { //nolint:gosec // see publicRoot
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(porttest.Free(t))
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, root: root, dir: filepath.Join(root, "D"), data: filepath.Join(root, "data"), port: port}
}

// at is a path of the site.
func (s *site) at(name string) string { return filepath.Join(s.root, name) }

// write makes a file of the site.
func (s *site) write(name, content string, mode fs.FileMode) string {
	s.t.Helper()
	path := name
	if !filepath.IsAbs(name) {
		path = s.at(name)
	}
	if err := errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// must stops a test whose fault could not be made.
func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// sh changes the machine of the test itself.
func (s *site) sh(line string) {
	s.t.Helper()
	command := exec.Command("sh", "-ec", line)
	command.Dir = s.root
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// setupArgs are the flags of a setup that is fine; of flags that are given twice the last one counts.
func (s *site) setupArgs(more ...string) []string {
	return append([]string{
		"setup", "--yes", "--json", "--no-start", "--dir", s.dir, "--hostname", "registry.example.com", "--addr", "127.0.0.1:" + s.port, "--storage-path", s.data, "--offline",
	}, more...)
}

// outcome is what a run of the program came to.
type outcome struct {
	code           int
	stdout, stderr string
}

// command is the real program, in the world of the site.
func (s *site) command(args ...string) *exec.Cmd {
	s.t.Helper()
	program, err := exec.LookPath("packhouse") // this test binary under its own name, see TestMain
	if err != nil {
		s.t.Fatal(err)
	}
	if s.uid != 0 && os.Geteuid() != 0 {
		s.t.Skip("only root can start programs as another user")
	}
	if s.uid != 0 {
		program = publicProgram(s.t, program, filepath.Dir(s.root))
	}
	line := append([]string{program}, args...)
	if s.uid != 0 {
		id := fmt.Sprint(s.uid)
		line = append([]string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--"}, line...)
	}
	switch {
	case s.host != 0:
		line = append(
			[]string{"nsenter", "--target", fmt.Sprint(s.host), "--mount", "--net", "--wd=" + s.root, "--"},
			line...)
	case s.world != "":
		line = append(
			[]string{
				"unshare",
				"--mount",
				"--net",
				"sh",
				"-ec",
				"ip link set lo up\n" + s.world + "\nexec \"$@\"",
				"sh",
			},
			line...)
	}
	command := exec.Command(line[0], line[1:]...) //nolint:gosec // of the test
	command.Dir = s.root
	command.Env = append(
		[]string{
			"HOME=" + s.root,
			"RUNTIME_DIRECTORY=" + s.at("run"),
			"PATH=" + os.Getenv("PATH"),
			"TMPDIR=" + s.root,
			raceOptions + "=" + os.Getenv(raceOptions),
		},
		s.env...)
	if s.world != "" { // the checks look at that machine, and not at one where everything is as it should be
		command.Env = append(command.Env, machineVariable+"=real")
	}
	command.Stdin = strings.NewReader(s.stdin)
	return command
}

// publicProgram copies the program, once, to a directory whose programs other users can run.
func publicProgram(t *testing.T, program, root string) string {
	t.Helper()
	path := filepath.Join(root, "packhouse")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	beside := fmt.Sprintf("%s-%d", path, time.Now().UnixNano())
	// A process forked meanwhile would have the file open for writing until its exec, and the program
	// could not be run (ETXTBSY, https://go.dev/issue/22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := errors.Join(os.WriteFile(beside, data, 0o755), os.Rename(beside, path)); err != nil { //nolint:gosec // see publicRoot
		t.Fatal(err)
	}
	return path
}

// run executes the program to its end.
func (s *site) run(args ...string) outcome {
	s.t.Helper()
	command := s.command(args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	defer watchdog.Stop()
	_ = command.Wait() // its code is what counts
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// entry is the line of a user, made once.
var entry = sync.OnceValue(func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte("seeded-with-faults"), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return "admin:" + string(hash) + "\n"
})

// install sets a registry up that is fine, around a file of users that is there.
func (s *site) install(more ...string) {
	s.t.Helper()
	s.must(errors.Join(os.Mkdir(s.dir, 0o755), os.Mkdir(s.inDir("auth"), 0o700))) //nolint:gosec // as setup makes it
	s.write(s.inDir(installation.HtpasswdFile), entry(), 0o600)
	if got := s.run(s.setupArgs(more...)...); got.code != cli.ExitOK {
		s.t.Fatalf("a setup without a fault ends with %d:\n%s", got.code, got.stderr)
	}
}

// serve starts the server of the installation and returns when it answers.
func (s *site) serve() {
	s.t.Helper()
	command := s.command("serve", "--dir", s.dir)
	log, err := os.Create(s.at("run/serve.log"))
	s.must(err)
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	s.must(command.Start())
	s.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	var said []byte
	if !within(func() bool {
		said, err = os.ReadFile(log.Name())
		return err == nil && bytes.Contains(said, []byte("admin socket")) // the server opens it last
	}) {
		s.t.Fatalf("the server does not listen:\n%s", said)
	}
	s.pid = fmt.Sprint(command.Process.Pid)
	if s.world != "" {
		s.host = command.Process.Pid
	}
}

// listen holds the port of the site until the end of the test.
func (s *site) listen() net.Listener {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+s.port)
	s.must(err)
	s.t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// tree is everything below a directory: kinds, modes, owners and contents. What a running server keeps for itself is left out.
func (s *site) tree() string {
	s.t.Helper()
	var all strings.Builder
	s.must(filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.root, path)
		if err != nil {
			return err
		}
		if name == "run" || strings.HasPrefix(name, "run/") || strings.HasPrefix(name, "data/") && s.serving() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf(" %x", data)
		}
		owner, _ := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&all, "%s %v %d:%d%s\n", name, info.Mode(), owner.Uid, owner.Gid, content)
		return nil
	}))
	return all.String()
}

// serving tells whether a server was started here.
func (s *site) serving() bool {
	_, err := os.Stat(s.at("run/serve.log"))
	return err == nil
}

// difference names the lines that two trees do not share, without their contents.
func difference(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	var lines []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			lines = append(lines, "- "+line[:min(len(line), 80)])
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			lines = append(lines, "+ "+line[:min(len(line), 80)])
		}
	}
	return strings.Join(lines, "\n")
}

// diagnosis is what the program made of a fault, whichever command found it.
type diagnosis struct{ code, cause, remedy string }

// diagnoses reads the JSON of setup, check, status and config verify.
func diagnoses(t *testing.T, stdout string) []diagnosis {
	t.Helper()
	type checkResult struct{ Code, Seen, Cause, Remedy string }
	var all struct {
		Findings []struct{ Code, What, Remedy string }
		Results  []checkResult
		Checks   struct{ Results []checkResult }
	}
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		t.Errorf("no JSON: %v: %q", err, stdout)
	}
	var out []diagnosis
	for _, f := range all.Findings {
		if all.Results == nil { // in check, the findings are those of the results
			out = append(out, diagnosis{f.Code, f.What, f.Remedy})
		}
	}
	for _, r := range append(all.Results, all.Checks.Results...) {
		if r.Code != "" {
			out = append(out, diagnosis{r.Code, r.Seen + ": " + r.Cause, r.Remedy})
		}
	}
	return out
}
