package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"packhouse/setup/installation"
)

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
	a := &app{stdin: os.Stdin, stdout: io.Discard, stderr: said, env: []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir}, now: time.Now}
	cmd := newSetup(a)
	cmd.SetArgs([]string{"--yes", "--dir", at, "--hostname", "localhost", "--addr", freeAddress(t), "--storage-path", filepath.Join(dir, "data"), "--no-start", "--offline"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("setup: %v; see %s", err, said.Name())
	}
	sitting := (&setupRun{app: a, o: setupOptions{dir: at}}).newAsked()
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
