package filesystem_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// pushRoot names, in the environment, the store that a process which is to be killed pushes into.
const pushRoot = "PACKHOUSE_TEST_PUSH_ROOT"

// TestPushUntilKilled is that process: it says what was acknowledged, line by line.
func TestPushUntilKilled(t *testing.T) {
	root := os.Getenv(pushRoot)
	if root == "" {
		t.Skip("only run by TestKilledUnderLoad")
	}
	s := open(t, filesystem.Options{Root: root})
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				text, repo, tag := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n), fmt.Sprint("r", w%2), fmt.Sprint("t", w, "-", n%5)
				if err := storagetest.NewImage(t, text, nil).TryPush(t, s, repo, tag); err != nil {
					t.Error(err)
					return
				}
				fmt.Println("acknowledged", repo, tag, text)
			}
		})
	}
	all.Wait()
}

// TestKilledUnderLoad kills a process that pushes, again and again, and reads back all that it acknowledged.
func TestKilledUnderLoad(t *testing.T) {
	root, rounds := t.TempDir(), 2
	if os.Getenv("SOAK") != "" {
		rounds = int(soak() / time.Second)
	}
	type pushed struct{ repo, tag, text string }
	var before []pushed
	for range max(rounds, 2) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPushUntilKilled$", "-test.v")
		cmd.Env = append(os.Environ(), pushRoot+"="+root)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged []pushed
		lines := bufio.NewScanner(out)
		for killed := false; lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) != 4 || fields[0] != "acknowledged" {
				continue
			}
			acknowledged = append(acknowledged, pushed{fields[1], fields[2], fields[3]})
			if !killed && len(acknowledged) > 30 {
				killed = true
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if len(acknowledged) == 0 {
			t.Fatal("nothing was pushed")
		}
		s := open(t, filesystem.Options{Root: root})
		for _, p := range append(acknowledged, before...) {
			storagetest.NewImage(t, p.text, nil).Check(t, s, p.repo)
		}
		for _, p := range acknowledged { // a tag may have moved on, and points to something whole
			d, err := s.ResolveTag(context.Background(), storagetest.Repo(t, p.repo), storagetest.Tag(t, p.tag))
			if err == nil {
				_, err = s.GetManifest(context.Background(), storagetest.Repo(t, p.repo), d, false)
			}
			if err != nil {
				t.Errorf("tag %s of %s: %v", p.tag, p.repo, err)
			}
		}
		closing(t, s)
		before = append(before, acknowledged...)
	}
}
