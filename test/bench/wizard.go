package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// What somebody who installs waits for.
const (
	firstFrame = "first frame"
	wholeSetup = "setup --yes, whole"
)

func wizardNames(options) []string { return []string{firstFrame, wholeSetup} }

// measureWizard takes the median of a number of starts, each in a home of its own.
func measureWizard(ctx context.Context, b *bench, wanted []string) error {
	program := b.peers[0].binary
	b.report.columns = b.peers[:1]
	b.report.heading("The wizard", "packhouse", "to the best", "target")
	for _, of := range []struct {
		name string
		once func(ctx context.Context, program, home string) (time.Duration, error)
	}{{firstFrame, awaitFirstFrame}, {wholeSetup, setUpWhole}} {
		if !slices.Contains(wanted, of.name) {
			continue
		}
		var times []float64
		for number := range b.starts {
			home := filepath.Join(b.dir, "wizard", fmt.Sprint(number))
			if err := os.MkdirAll(home, 0o700); err != nil {
				return fmt.Errorf("make directory: %w", err)
			}
			took, err := of.once(ctx, program, home)
			_ = os.RemoveAll(home)
			if err != nil {
				return fmt.Errorf("%s: %w", of.name, err)
			}
			times = append(times, took.Seconds()*thousand)
		}
		figure := median(times)
		b.report.figures("wizard", of.name, millis, []float64{figure}, []string{
			fmt.Sprintf("%s (%s to %s)", number(figure), number(slices.Min(times)), number(slices.Max(times))),
		})
	}
	return nil
}

// inHome is the environment of somebody whose home is new.
func inHome(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8"}
}

const (
	columns = 100
	rows    = 32
)

// awaitFirstFrame starts the wizard on a terminal and returns when the whole
// of its first screen stands: the question in its box, and the keys below.
func awaitFirstFrame(ctx context.Context, program, home string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "setup", "--dir", filepath.Join(home, "installation"))
	cmd.Env, cmd.Dir = inHome(home), home
	started := time.Now()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		return 0, fmt.Errorf("start on a terminal: %w", err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = terminal.Close()
		_ = cmd.Wait()
	}()
	stop := context.AfterFunc(ctx, func() { _ = terminal.Close() })
	defer stop()
	screen := vt10x.New(vt10x.WithSize(columns, rows))
	buffer := make([]byte, 64*kib)
	for {
		n, err := terminal.Read(buffer)
		at := time.Since(started)
		_, _ = screen.Write(buffer[:n])
		if complete(screen.String()) {
			return at, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read the screen: %w; it shows:\n%s", err, strings.TrimSpace(screen.String()))
		}
	}
}

// complete tells whether a screen holds a whole frame: a question, where the
// answer goes, boxes that are closed, and the keys in the last line.
func complete(screen string) bool {
	lines := strings.Split(strings.TrimRight(screen, "\n "), "\n")
	if len(lines) < rows-1 {
		return false
	}
	keys, box := lines[len(lines)-1], lines[len(lines)-2]
	return strings.Contains(screen, "?") && strings.Contains(screen, "›") && strings.Contains(box, "╯") && strings.Contains(keys, "ctrl+c")
}

// setUpWhole installs on a file system with a private CA, a trial server and
// all checks, as a script would.
func setUpWhole(ctx context.Context, program, home string) (time.Duration, error) {
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(home, "installation")
	cmd := exec.CommandContext(ctx, program, "setup", "--yes", "--dir", dir, "--hostname", "localhost", "--san", "127.0.0.1",
		"--addr", address, "--user", "ci:writer", "--user", "palette:reader", "--storage", "filesystem", "--storage-path", filepath.Join(home, "data"))
	cmd.Env, cmd.Dir = inHome(home), home
	started := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(started)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	if !strings.Contains(string(out), "round trip") {
		return 0, errors.New("setup says nothing of its checks")
	}
	return took, nil
}
