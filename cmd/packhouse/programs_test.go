package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/packcmd"
)

// raceOptions is the variable with the options of the race detector. Unless it is set, a program
// with the detector does not sleep for a second when it ends.
const raceOptions = "GORACE"

// racedDir is the directory beside the program of the tests that has the same program with the race
// detector.
const racedDir = "race"

func TestMain(m *testing.M) {
	if _, set := os.LookupEnv(raceOptions); !set {
		_ = os.Setenv(raceOptions, "atexit_sleep_ms=20")
	}
	if len(os.Args) > 2 && os.Args[1] == "pack" && os.Args[2] == packcmd.RenderCommand {
		mainOnMachine() // renderPack in a test ran its own program, which is this one
	}
	if os.Args[0] == batchName {
		mainOfBatch()
	}
	testscript.Main(programs{m}, map[string]func(){"packhouse": mainOnMachine})
}

// programs runs the tests with two programs if they run with the race detector. The tests start
// packhouse a thousand times; with the detector, each start takes four times as long, and bcrypt ten
// times. So "packhouse" in PATH has no detector, and what runs concurrently executes the one in
// racedDir.
type programs struct{ m *testing.M }

func (p programs) Run() int {
	if hasRaceDetector() {
		if err := buildPlain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return p.m.Run()
}

// hasRaceDetector reports whether this program was built with the race detector.
func hasRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// buildPlain moves the program of the tests to racedDir and builds it again without the race
// detector, with the flags of the release.
func buildPlain() error {
	program, err := exec.LookPath("packhouse")
	if err != nil {
		return err
	}
	raced := filepath.Join(filepath.Dir(program), racedDir, "packhouse")
	if err := errors.Join(os.Mkdir(filepath.Dir(raced), 0o700), os.Rename(program, raced)); err != nil {
		return err
	}
	build := exec.Command("go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", program, ".") //nolint:noctx // ends by itself
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build packhouse without the race detector: %w\n%s", err, out)
	}
	return nil
}

// execRaced replaces this process by the same program with the race detector if there is one and
// the command runs goroutines that share data: a server, the terminal interface, concurrent uploads.
func execRaced(a *cli.App) {
	concurrent := []string{"serve", "--serve", "push"}
	shares := func(arg string) bool { return slices.Contains(concurrent, arg) }
	if !a.Interactive() && !slices.ContainsFunc(os.Args[1:], shares) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	raced := filepath.Join(filepath.Dir(self), racedDir, "packhouse")
	if _, err := os.Stat(raced); err != nil {
		return
	}
	// PATH names the program, as before.
	env := append(os.Environ(), "PATH="+filepath.Dir(raced)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	panic(syscall.Exec(raced, os.Args, env)) //nolint:gosec // the same program
}

// runPlain runs a test in the program that buildPlain built, and fails as it does.
func runPlain(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("packhouse")
	if err != nil {
		t.Fatal(err)
	}
	timeout := time.Duration(0) // none
	if deadline, ok := t.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	command := exec.CommandContext(t.Context(), program)
	command.Args = []string{"packhouse.test", "-test.v", "-test.run=^" + t.Name() + "$", "-test.timeout=" + timeout.String()}
	out, err := command.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
