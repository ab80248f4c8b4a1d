package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// toolTimeout bounds one call of a client: on a loaded machine a push of tiny
// content takes a second, so what takes longer hangs.
const toolTimeout = 2 * time.Minute

// patience is how long anything may take that a test waits for, on a machine
// that is slow, or busy with others.
const patience = 90 * time.Second

// need finds a program: in .tools/bin first, where tools.sh puts what it
// builds, then on the PATH. A missing one skips the test, except under CI=true.
func need(t *testing.T, name string) string {
	t.Helper()
	pinned, err := filepath.Abs(filepath.Join("..", "..", ".tools", "bin", name))
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	if _, err := os.Stat(pinned); err == nil {
		return pinned
	}
	for _, name := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} { // not on everybody's PATH
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: test/e2e/tools.sh installs it", name)
	}
	t.Skipf("%s is not installed: test/e2e/tools.sh installs it, as root also what comes through apt", name)
	return ""
}

// tool is a client with a home of its own: no login, trust or cache of the
// person who runs the tests reaches it, and none is left behind.
type tool struct {
	t    *testing.T
	path string
	dir  string // where it runs
	env  []string
}

// newTool prepares a client by its name or absolute path. It trusts nothing yet.
func newTool(t *testing.T, name string) *tool {
	t.Helper()
	path := name
	if !filepath.IsAbs(name) {
		path = need(t, name)
	}
	home := t.TempDir()
	return &tool{t: t, path: path, dir: t.TempDir(), env: []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"DOCKER_CONFIG=" + filepath.Join(home, ".docker"),
		"REGISTRY_AUTH_FILE=" + filepath.Join(home, "auth.json"),
		"XDG_RUNTIME_DIR=" + home,
		"XDG_CACHE_HOME=" + filepath.Join(home, ".cache"),
		"LC_ALL=C",
	}}
}

// set adds a variable to the client's environment.
func (c *tool) set(name, value string) { c.env = append(c.env, name+"="+value) }

// run calls the client, which has to succeed, and returns its standard output
// without the closing newline.
func (c *tool) run(args ...string) string {
	c.t.Helper()
	return c.runWith("", args...)
}

// runWith is run with something on standard input.
func (c *tool) runWith(stdin string, args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.call(stdin, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(c.path), strings.Join(args, " "), err, stdout, stderr)
	}
	return strings.TrimRight(stdout, "\n")
}

// fails calls the client, which must not succeed.
func (c *tool) fails(args ...string) {
	c.t.Helper()
	_ = c.failsWith("", args...)
}

// failsWith is fails with something on standard input. It returns all that the
// client printed.
func (c *tool) failsWith(stdin string, args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.call(stdin, args...)
	if err == nil {
		c.t.Fatalf("%s %s succeeded and must not\n%s%s", filepath.Base(c.path), strings.Join(args, " "), stdout, stderr)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() < 0 {
		c.t.Fatalf("%s %s: %v", filepath.Base(c.path), strings.Join(args, " "), err)
	}
	return stdout + stderr
}

func (c *tool) call(stdin string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Dir = c.dir
	cmd.Env = c.env
	cmd.Stdin = strings.NewReader(stdin)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	cmd.WaitDelay = patience // for what it has said to be read, and not for what it left running
	stop := time.AfterFunc(toolTimeout, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	if err := cmd.Start(); err != nil {
		return "", "", fmt.Errorf("start: %w", err)
	}
	err = cmd.Wait()
	return out.String(), words.String(), err
}

// write puts a file into the directory that the client runs in.
func (c *tool) write(name string, content []byte) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatalf("make directory: %v", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		c.t.Fatalf("write file: %v", err)
	}
}

// read returns a file of the directory that the client runs in.
func (c *tool) read(name string) []byte {
	c.t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatalf("read file: %v", err)
	}
	return content
}
