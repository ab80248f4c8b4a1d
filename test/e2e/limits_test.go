package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestFullDiskIsRefusedCleanly fills a small file system: pushes end with 507
// and nothing else, /health stops saying UP, and all that was acknowledged
// stays readable.
func TestFullDiskIsRefusedCleanly(t *testing.T) {
	small := t.TempDir()
	if err := mountSmall(small, "size=96m"); err != nil {
		t.Skipf("a file system of its own cannot be mounted here, which needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	in := install(t)
	in.env = []string{"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + filepath.Join(small, "data")}
	s := in.serve()
	client := in.client()

	// Ever smaller pushes, until nothing fits.
	var kept []pushed
	serial := 0
	for _, size := range []int{1 << 20, 64 << 10, 1 << 10, 1} {
		for refused := false; !refused; serial++ {
			if serial > 3000 {
				t.Fatal("what went in is more than the disk holds")
			}
			result := pushArtifact(in, client, writer, "full/app", fmt.Sprintf("v%d", serial), noise(uint64(2000+serial), size))
			if len(result.blobs) > 0 {
				kept = append(kept, result)
			}
			if result.err == nil {
				continue
			}
			var answered *refusedError
			if !errors.As(result.err, &answered) {
				t.Fatalf("push %d: the connection broke: %v", serial, result.err)
			}
			if answered.status != http.StatusInsufficientStorage {
				t.Fatalf("push %d on a full disk: %v", serial, answered)
			}
			refused = true
		}
	}
	// The state of the storage is looked at now and then, not on every request.
	eventually(t, "503 from /health on a full disk", patience, func() bool {
		health, err := in.request(client, "", "GET", "/health", nil)
		if err != nil {
			t.Fatalf("ask for health: %v", err)
		}
		if strings.Contains(string(health.body), small) {
			t.Errorf("/health tells a path: %s", health.body)
		}
		return health.status == http.StatusServiceUnavailable
	})
	in.readAllBack(kept)
	s.stop()

	// What is full can still be read after a restart.
	s = in.serve()
	in.readAllBack(kept)
	s.stop()
}

func mountSmall(directory, options string) error {
	return syscall.Mount("tmpfs", directory, "tmpfs", 0, options)
}

// TestSecondServerIsRefused holds the rule of one owner per store: who comes
// second is told who was first.
func TestSecondServerIsRefused(t *testing.T) {
	in := install(t)
	s := in.serve()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second := exec.CommandContext(ctx, binary(t), "serve", in.configuration())
	second.Env = append(os.Environ(), "REGISTRY_HTTP_ADDR="+freeAddress(t))
	said, err := second.CombinedOutput()
	if err == nil {
		t.Fatalf("a second server ran on the same store\n%s", said)
	}
	if owner := strconv.Itoa(s.cmd.Process.Pid); !strings.Contains(string(said), owner) {
		t.Errorf("the second server is not told that %s owns the store: %s", owner, said)
	}
	s.kill()
	// The lock dies with its holder.
	in.serve().stop()
}

// TestStopFinishesRunningRequests sends SIGTERM in the middle of an upload,
// which is finished and acknowledged before the server ends.
func TestStopFinishesRunningRequests(t *testing.T) {
	in := install(t)
	in.env = []string{"REGISTRY_HTTP_DRAINTIMEOUT=5m"} // whatever this machine is busy with
	s := in.serve()
	client := in.client()
	client.Timeout = 3 * patience
	started, err := in.request(client, writer, "POST", "/v2/stop/app/blobs/uploads/", []byte{})
	if err != nil || started.status != http.StatusAccepted {
		t.Fatalf("start upload: %v %d", err, started.status)
	}

	content := noise(77, 200_000)
	target := finishLocation(started, digestOf(content))
	if strings.HasPrefix(target, "/") {
		target = in.scheme + "://" + in.addr + target
	}
	reading, writing := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "PUT", target, reading)
	if err != nil {
		t.Fatalf("make request: %v", err)
	}
	request.ContentLength = int64(len(content))
	request.SetBasicAuth(writer, in.passwords[writer])
	// The body flows once the server reads it: the request is running then.
	request.Header.Set("Expect", "100-continue")
	status := make(chan string, 1)
	go func() {
		response, err := client.Do(request)
		if err != nil {
			status <- err.Error()
			return
		}
		_ = response.Body.Close()
		status <- strconv.Itoa(response.StatusCode)
	}()
	if _, err := writing.Write(content[:100_000]); err != nil {
		t.Fatalf("send the first half: %v", err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("signal the server: %v", err)
	}
	// New connections are turned away once it is stopping.
	eventually(t, "no new connections after SIGTERM", patience, func() bool {
		fresh := in.client()
		defer fresh.CloseIdleConnections()
		_, err := in.request(fresh, "", "GET", "/health", nil)
		return err != nil
	})
	if _, err := writing.Write(content[100_000:]); err != nil {
		t.Fatalf("send the second half: %v; the request ended with %s", err, <-status)
	}
	_ = writing.Close()
	if got := <-status; got != "201" {
		t.Errorf("the upload that was running at SIGTERM ended with %s", got)
	}
	<-s.done
	if s.waitErr != nil {
		t.Errorf("the server ended badly: %v", s.waitErr)
	}

	s = in.serve()
	if err := readBlob(in, in.client(), reader, "stop/app", digestOf(content)); err != nil {
		t.Error(err)
	}
	s.stop()
}
