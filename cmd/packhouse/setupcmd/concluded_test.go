package setupcmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/session"
)

// TestConcluded verifies that the wizard exits with 1 only if nothing was written, and moves the CA's key only if no
// check failed.
func TestConcluded(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, filepath.FromSlash(installation.CAKeyFile))
	if err := errors.Join(os.Mkdir(filepath.Dir(key), 0o700), os.WriteFile(key, []byte("key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	written := func(stage session.Stage, status check.Status) session.Outcome {
		return session.Outcome{
			Stage: stage, Plan: &plan.Plan{Dir: dir}, Applied: &apply.Applied{},
			Report: check.Report{Results: []check.Result{{Status: status}}},
		}
	}
	for _, tc := range []struct {
		name    string
		outcome session.Outcome
		err     error
		target  string
		code    int
		moved   bool
	}{
		{"nothing written", session.Outcome{}, nil, "", cli.ExitFailed, false},
		{"terminal lost before", session.Outcome{}, io.ErrUnexpectedEOF, "", cli.ExitFailed, false},
		{"terminal lost after", written(session.Applied, check.Passed), io.ErrUnexpectedEOF, "", cli.ExitFindings, false},
		{"not checked", written(session.Applied, check.Passed), nil, "new.key", cli.ExitFindings, false},
		{"check failed", written(session.Proved, check.Failed), nil, "new.key", cli.ExitFindings, false},
		{"key cannot be moved", written(session.Proved, check.Passed), nil, "none/new.key", cli.ExitFindings, false},
		{"proven", written(session.Proved, check.Passed), nil, "new.key", cli.ExitOK, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := setupOptions{dir: dir}
			if tc.target != "" {
				o.moveCAKey = filepath.Join(t.TempDir(), tc.target)
			}
			a := &cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}
			err := (&Run{App: a, o: o}).newAsked().concluded(tc.outcome, tc.err)
			if code := codeOf(t, err); code != tc.code {
				t.Errorf("exit code %d, want %d: %v", code, tc.code, err)
			}
			if tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v does not include %v", err, tc.err)
			}
			if _, err := os.Stat(o.moveCAKey); (err == nil) != tc.moved {
				t.Errorf("the key is at its new place: %v, want %v", err == nil, tc.moved)
			}
		})
	}
}

// codeOf returns the exit code of a command that ends with err.
func codeOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return cli.ExitOK
	}
	return cli.Classify(t.Context(), err).Code
}
