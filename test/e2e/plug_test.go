package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestPulledPlug cuts the power under load, as far as that can be done without
// a switch: the store is on a file system of its own in a file, and what the
// kernel has written to that file when the server is stopped in its tracks is
// what a machine would find. Everything acknowledged is read back from there.
func TestPulledPlug(t *testing.T) {
	for _, after := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) { pullPlug(t, after) })
	}
}

func pullPlug(t *testing.T, after time.Duration) {
	device, mounted := filepath.Join(t.TempDir(), "device"), t.TempDir()
	makeDevice(t, device)
	mountDevice(t, device, mounted)
	in := install(t, "--tls", "off")
	root := func(dir string) []string {
		return []string{"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + filepath.Join(dir, "data")}
	}
	in.env = root(mounted)
	s := in.serve()
	client := in.client()

	var mu sync.Mutex
	var acknowledged []pushed
	var pushing sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		pushing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				size := []int{10, 5_000, 300_000}[n%3]
				repository, tag := fmt.Sprintf("plug/r%d-%d", w, n%7), fmt.Sprintf("v%d", n)
				result := pushArtifact(in, client, admin, repository, tag, noise(uint64(w*100_000+n), size))
				if result.err != nil {
					return // the server was stopped meanwhile
				}
				mu.Lock()
				acknowledged = append(acknowledged, result)
				mu.Unlock()
			}
		})
	}
	time.Sleep(after)
	eventually(t, "enough pushes to prove something", patience, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) >= 10
	})
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	promised := len(acknowledged)
	all := acknowledged[:promised:promised]
	mu.Unlock()
	found := copyDevice(t, device)
	close(stop)
	s.kill()
	pushing.Wait()

	again := t.TempDir()
	mountDevice(t, found, again)
	in.env = root(again)
	s = in.serve()
	in.readAllBack(all)
	t.Logf("%d pushes were acknowledged before the power went, and are there", promised)
	// It goes on.
	if result := pushArtifact(in, client, admin, "plug/after", "v1", noise(7, 1000)); result.err != nil {
		t.Errorf("push after the restart: %v", result.err)
	}
	s.stop()
}

// makeDevice makes an empty file system in a file.
func makeDevice(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(f.Truncate(512<<20), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), need(t, "mkfs.ext4"), "-q", "-F", name).CombinedOutput(); err != nil {
		t.Skipf("a file system cannot be made here: %v\n%s", err, out)
	}
}

func mountDevice(t *testing.T, device, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), need(t, "mount"), "-o", "loop", device, dir).CombinedOutput(); err != nil {
		t.Skipf("a file system of its own cannot be mounted here, which needs root and loop devices: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		for range 50 { // until the last process that used it is gone
			if syscall.Unmount(dir, 0) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
	})
}

// copyDevice copies what the kernel has written so far. It may be writing still,
// so only a copy counts that is the same twice.
func copyDevice(t *testing.T, device string) string {
	t.Helper()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for range 20 {
		for _, to := range []string{one, two} {
			if out, err := exec.CommandContext(t.Context(), need(t, "cp"), "--sparse=always", device, to).CombinedOutput(); err != nil {
				t.Fatalf("copy: %v\n%s", err, out)
			}
		}
		if same(t, one, two) {
			return one
		}
	}
	t.Skip("the device is never still here")
	return ""
}

func same(t *testing.T, one, two string) bool {
	t.Helper()
	a, err := os.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := os.Open(two)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(a, p)
		m, _ := io.ReadFull(b, q)
		if n != m || !bytes.Equal(p[:n], q[:m]) {
			return false
		}
		if err != nil {
			return true
		}
	}
}
