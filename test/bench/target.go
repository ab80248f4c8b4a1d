package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// target is a peer that runs.
type target struct {
	peer
	at        place
	base      string // scheme and address
	client    *http.Client
	cmd       *exec.Cmd
	done      chan struct{}
	auth      bool
	coldStart time.Duration // from the start of the process to the first answer

	serial   int            // of things pushed, so that none is pushed twice
	tags     map[string]int // by repository
	page     int            // tags that somebody gets who asks for no page
	listed   bool           // the repositories of the catalogue are there
	flatness float64        // rate of the last thousand tags pushed against that of the first
}

// start starts the peer and waits for its first answer.
func (p peer) start(ctx context.Context, at place, clients int) (*target, error) {
	if err := os.MkdirAll(at.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	var err error
	if at.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if at.data == "" {
		at.data = filepath.Join(at.dir, "data")
	}
	args, err := p.arguments(at)
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	scheme := "http"
	if at.setting.tls {
		scheme = "https"
		transport.TLSClientConfig = &tls.Config{RootCAs: at.certificate.pool}
	}
	t := &target{
		peer: p, at: at, base: scheme + "://" + at.address, auth: at.setting.cost > 0 && !p.bare,
		client: &http.Client{Transport: transport, Timeout: 5 * time.Minute},
		done:   make(chan struct{}), tags: map[string]int{},
	}
	log, err := os.Create(filepath.Join(at.dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	t.cmd = exec.CommandContext(ctx, p.binary, args...)
	t.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none", "RUNTIME_DIRECTORY="+at.dir)
	t.cmd.Stdout, t.cmd.Stderr = log, log
	started := time.Now()
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	go func() {
		_ = t.cmd.Wait()
		close(t.done)
	}()
	for {
		response, err := t.client.Get(t.base + "/v2/")
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			t.coldStart = time.Since(started)
			return t, nil
		}
		select {
		case <-t.done:
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("it ended at once: %s", said)
		case <-time.After(time.Millisecond):
		}
		if time.Since(started) > 30*time.Second {
			t.stop()
			return nil, fmt.Errorf("no answer: %w", err)
		}
	}
}

// stop ends the peer and removes its directory, which may hold gigabytes.
func (t *target) stop() {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.done:
	case <-time.After(5 * time.Second):
		_ = t.cmd.Process.Kill()
		<-t.done
	}
	t.client.CloseIdleConnections()
	_ = os.RemoveAll(t.at.dir)
}

// resident returns the largest and the present resident size, in MiB.
func (t *target) resident() (peak, now float64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(t.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(words[1], 64)
		switch words[0] {
		case "VmHWM:":
			peak = kib / 1024
		case "VmRSS:":
			now = kib / 1024
		}
	}
	return peak, now
}

// forgetPeak makes the present resident size the largest, so that the peak of
// what follows can be told. It does nothing where the kernel does not offer it.
func (t *target) forgetPeak() {
	_ = os.WriteFile("/proc/"+strconv.Itoa(t.cmd.Process.Pid)+"/clear_refs", []byte("5"), 0)
}

// buffers are what answers are read into: large ones, so that the client takes
// as little of the machine as it can.
var buffers = sync.Pool{New: func() any { return new([256 * kib]byte) }}

// request is one request and what is wanted of its answer.
type request struct {
	method, path string // path may be a whole URL
	body         io.Reader
	size         int64
	contentType  string
	want         []int     // one of these statuses; nothing is 200
	to           io.Writer // where the body of the answer goes; nothing throws it away
}

// answer is what came back, without the body.
type answer struct {
	status   int
	header   http.Header
	received int64
}

func (t *target) do(ctx context.Context, r request) (answer, error) {
	url := r.path
	if strings.HasPrefix(url, "/") {
		url = t.base + url
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, url, r.body)
	if err != nil {
		return answer{}, err
	}
	sent.ContentLength = r.size
	if r.contentType != "" {
		sent.Header.Set("Content-Type", r.contentType)
	}
	sent.Header.Set("Accept", manifestType+", */*")
	if t.auth {
		sent.SetBasicAuth(user, password)
	}
	response, err := t.client.Do(sent)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	if r.want == nil {
		r.want = []int{http.StatusOK}
	}
	if !slices.Contains(r.want, response.StatusCode) {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return answer{}, fmt.Errorf("%s %s: %d instead of %v: %s", r.method, r.path, response.StatusCode, r.want, said)
	}
	if r.to == nil {
		r.to = io.Discard
	}
	buffer := buffers.Get().(*[256 * kib]byte)
	defer buffers.Put(buffer)
	received, err := io.CopyBuffer(struct{ io.Writer }{r.to}, response.Body, buffer[:])
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return answer{response.StatusCode, response.Header, received}, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), errors.Join(listener.Close())
}
