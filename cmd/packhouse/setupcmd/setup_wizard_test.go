//go:build unix

package setupcmd

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup/installation"
	"packhouse/tui/session"
)

// TestLeavingChecksSaysWhatStays leaves the wizard once the files are written: the normal screen says that they stay.
func TestLeavingChecksSaysWhatStays(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	a := &asked{
		Run: &Run{
			App: &cli.App{Stdout: &said, Stderr: &said, Env: []string{"PATH=/nonexistent"}},
			o:   setupOptions{dir: "/etc/pack house"},
		},
	}
	_ = a.concluded(session.Outcome{Stage: session.Applied}, nil)
	for _, want := range []string{"the installation in /etc/pack house is written and stays", "check --dir '/etc/pack house' completes them", "rollback --dir '/etc/pack house' goes back"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not in %q", want, said.String())
		}
	}
}

// TestStartsTakeTurns: who stops a start and begins another one gets the server of the first, or one that is not in its way.
func TestStartsTakeTurns(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	at := filepath.Join(dir, "D")
	said, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	a := &cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: said, Env: []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir}, Now: time.Now}
	cmd := New(a)
	cmd.SetArgs([]string{"--yes", "--dir", at, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", filepath.Join(dir, "data"), "--no-start", "--offline"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("setup: %v; see %s", err, said.Name())
	}
	sitting := (&Run{App: a, o: setupOptions{dir: at}}).newAsked()
	b, err := sitting.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sitting.plan(t.Context(), b.Resolved)
	if err != nil {
		t.Fatal(err)
	}
	const starts = 3
	var servers [starts]installation.Running
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() {
			server, err := sitting.start(t.Context(), plan)
			if err != nil || server == nil {
				t.Errorf("start %d: %v, %v", i, server, err)
				return
			}
			servers[i] = server
		})
	}
	all.Wait()
	for i, server := range servers {
		if server != nil && server != servers[0] {
			t.Errorf("start %d has a server of its own", i)
		}
	}
	if servers[0] == nil {
		t.Fatal("nothing was started")
	}
	if err := servers[0].Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
