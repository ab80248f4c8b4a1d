package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// peak returns the peak resident memory of a server in MiB (proc(5), VmHWM).
func (s *server) peak() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatalf("read memory: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatalf("read memory: %v", err)
	}
	return kib / 1024
}

// TestUploadsOfOneRobot pushes 200 layers under one robot account at once, each on its own connection, all of them
// halfway at the same time, and limits the memory that the server needs for that.
func TestUploadsOfOneRobot(t *testing.T) {
	t.Run("filesystem", func(t *testing.T) { testUploadsOfOneRobot(t, install(t), 128) })
	t.Run("s3", func(t *testing.T) {
		engine := startS3(t)
		in := install(t, "--tls", "off", "--insecure")
		useS3(t, in, engine)
		testUploadsOfOneRobot(t, in, 256)
	})
}

func testUploadsOfOneRobot(t *testing.T, in *installation, most int) {
	const many, size = 200, 1 << 20
	s := in.serve()
	client := in.client()
	client.Timeout = 3 * patience
	transport := client.Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost = many
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // one connection each
	var halfway, work sync.WaitGroup
	halfway.Add(many)
	for i := range many {
		work.Go(func() {
			layer := noise(uint64(5000+i), size)
			half := sync.OnceFunc(halfway.Done)
			defer half()
			if err := in.pushHalfway(client, "robot/app", layer, func() { half(); halfway.Wait() }); err != nil {
				t.Errorf("layer %d of %d: %v", i, many, err)
			}
		})
	}
	work.Wait()
	if peak := s.peak(); peak > most {
		t.Errorf("the server needed %d MiB, want at most %d", peak, most)
	} else {
		t.Logf("the server needed %d MiB of %d", peak, most)
	}
	if err := readBlob(in, client, reader, "robot/app", digestOf(noise(5000+many-1, size))); err != nil {
		t.Error(err)
	}
	s.stop()
}

// pushHalfway pushes a layer as crane does, POST, PATCH and PUT, and calls pause halfway through the PATCH.
func (in *installation) pushHalfway(client *http.Client, repository string, layer []byte, pause func()) error {
	started, err := in.request(client, writer, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", []byte{})
	if err != nil || started.status != http.StatusAccepted {
		return fmt.Errorf("start: %w, %d %s", err, started.status, started.body)
	}
	half := len(layer) / 2
	body := io.MultiReader(bytes.NewReader(layer[:half]), &pausing{pause}, bytes.NewReader(layer[half:]))
	request, err := http.NewRequest(http.MethodPatch, in.scheme+"://"+in.addr+started.header.Get("Location"), body)
	if err != nil {
		return err
	}
	request.ContentLength = int64(len(layer))
	request.SetBasicAuth(writer, in.passwords[writer])
	patched, err := client.Do(request)
	if err != nil {
		return err
	}
	said, _ := io.ReadAll(patched.Body)
	_ = patched.Body.Close()
	if patched.StatusCode != http.StatusAccepted {
		return fmt.Errorf("patch: %d %s", patched.StatusCode, said)
	}
	ended, err := in.request(client, writer, http.MethodPut, finishLocation(answer{header: patched.Header}, digestOf(layer)), []byte{})
	if err != nil || ended.status != http.StatusCreated {
		return fmt.Errorf("finish: %w, %d %s", err, ended.status, ended.body)
	}
	return nil
}

// pausing is an empty reader that calls a function.
type pausing struct{ pause func() }

func (p *pausing) Read([]byte) (int, error) {
	p.pause()
	return 0, io.EOF
}

// TestCranePushesOverSlowLines is a build farm behind a slow line: twelve crane push images of eight layers at once,
// all as one user. crane gives up five seconds after the first 429 and ignores Retry-After.
func TestCranePushesOverSlowLines(t *testing.T) {
	need(t, "toxiproxy")
	in := install(t)
	s := in.serve()
	line := startFaults(t, in.addr)
	line.post("/proxies/s3/toxics", map[string]any{"type": "bandwidth", "stream": "upstream", "attributes": map[string]any{"rate": 250}})
	behind := *in
	behind.addr = line.addr
	crane := craneTool(&behind, writer)
	const pushes, layers = 12, 8
	for i := range pushes {
		args := []string{"append", "--oci-empty-base", "--output", fmt.Sprintf("image%d.tar", i), "--new_tag", "image:v1"}
		for j := range layers {
			name := fmt.Sprintf("layer-%d-%d.tar", i, j)
			crane.write(name, archive(t, "etc/noise", string(noise(uint64(100*i+j), 150<<10))))
			args = append(args, "--new_layer", name)
		}
		crane.run(args...)
	}
	var work sync.WaitGroup
	began := time.Now()
	for i := range pushes {
		work.Go(func() {
			_, said, err := crane.call("", "push", fmt.Sprintf("image%d.tar", i), fmt.Sprintf("%s/slow/app%d:v1", line.addr, i))
			if err != nil {
				t.Errorf("push %d of %d: %v\n%s", i, pushes, err, said)
			}
		})
	}
	work.Wait()
	t.Logf("%d pushes took %v", pushes, time.Since(began).Round(time.Millisecond))
	for i := range pushes {
		crane.run("validate", "--remote", fmt.Sprintf("%s/slow/app%d:v1", line.addr, i))
	}
	s.stop()
}

// TestHTTP2UploadOverALongLine uploads 40 MB by HTTP/2 over a round trip of 100 ms, faster than the receive window of
// net/http, 1 MiB per round trip, allows on any machine.
func TestHTTP2UploadOverALongLine(t *testing.T) {
	need(t, "toxiproxy")
	in := install(t)
	s := in.serve()
	line := startFaults(t, in.addr)
	for _, stream := range []string{"upstream", "downstream"} {
		line.post("/proxies/s3/toxics", map[string]any{
			"name": stream, "type": "latency", "stream": stream, "attributes": map[string]any{"latency": 50},
		})
	}
	behind := *in
	behind.addr = line.addr
	const size, trip = 40_000_000, 100 * time.Millisecond
	upload := func(seed uint64, second bool) time.Duration {
		client := behind.client()
		transport := client.Transport.(*http.Transport)
		transport.ForceAttemptHTTP2 = second
		defer transport.CloseIdleConnections()
		content := noise(seed, size)
		digest := digestOf(content)
		began := time.Now()
		target := "/v2/long/app/blobs/uploads/?digest=" + digest
		got, err := behind.request(client, writer, http.MethodPost, target, content)
		if err != nil || got.status != http.StatusCreated {
			t.Fatalf("upload: %v, %d %s", err, got.status, got.body)
		}
		return time.Since(began)
	}
	first, best := upload(1, false), time.Hour
	for i := range 3 { // the machine may be busy
		best = min(best, upload(uint64(i+2), true))
	}
	t.Logf("HTTP/1.1 took %v, HTTP/2 at best %v", first.Round(time.Millisecond), best.Round(time.Millisecond))
	if limit := size / (1 << 20) * trip; best > limit {
		t.Errorf("HTTP/2 took %v at best; a window of 1 MiB takes %v", best, limit)
	}
	s.stop()
}
