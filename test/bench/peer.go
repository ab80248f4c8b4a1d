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
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// setting is how the servers run: with what proof of identity, and over what.
type setting struct {
	name string
	cost int  // of bcrypt; 0 is no authentication
	tls  bool // else plain HTTP on loopback
	all  bool // every scenario; else only the small reads
}

// settings are measured in this order. What costs bcrypt 10 on every request
// is shown by the small reads alone.
var settings = []setting{
	{name: "none-plain", all: true},
	{name: "bcrypt5-tls", cost: 5, tls: true, all: true},
	{name: "bcrypt10-tls", cost: 10, tls: true},
}

func (s setting) wants(of scenario) bool { return s.all || of.small }

const (
	user     = "bench"
	password = "made for measuring only"
)

// peer is a registry to be measured.
type peer struct {
	name   string
	binary string
}

// target is a peer that runs.
type target struct {
	peer
	dir       string // holds its store; removed at the end
	base      string // scheme and address
	client    *http.Client
	cmd       *exec.Cmd
	done      chan struct{}
	auth      bool
	coldStart time.Duration // from the start of the process to the first answer
	tagged    bool          // the repository to list has its tags
	serial    int           // of things pushed, so that none is pushed twice
}

// start writes a configuration that both peers take, starts the peer on an
// empty store, and waits for its first answer.
func (p peer) start(ctx context.Context, dir string, setting setting, certificate certificate, clients int) (*target, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var config strings.Builder
	fmt.Fprintf(&config, "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\n",
		filepath.Join(dir, "data"))
	fmt.Fprintf(&config, "http:\n  addr: %s\n", address)
	if setting.tls {
		fmt.Fprintf(&config, "  tls:\n    certificate: %s\n    key: %s\n", certificate.certFile, certificate.keyFile)
	}
	if setting.cost > 0 {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), setting.cost)
		if err != nil {
			return nil, fmt.Errorf("hash password: %w", err)
		}
		users := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(users, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("write users: %w", err)
		}
		fmt.Fprintf(&config, "auth:\n  htpasswd:\n    realm: bench\n    path: %s\n", users)
		if p.name == "packhouse" {
			// Ours only: distribution lets everybody do everything.
			fmt.Fprintf(&config, "    roles:\n      admin: [%s]\n", user)
		}
	}
	file := filepath.Join(dir, "myconfig.yml")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	scheme := "http"
	if setting.tls {
		scheme = "https"
		transport.TLSClientConfig = &tls.Config{RootCAs: certificate.pool}
	}
	t := &target{
		peer: p, dir: dir, base: scheme + "://" + address, auth: setting.cost > 0,
		client: &http.Client{Transport: transport, Timeout: 5 * time.Minute},
		done:   make(chan struct{}),
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	t.cmd = exec.CommandContext(ctx, p.binary, "serve", file)
	t.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
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
			_ = response.Body.Close()
			t.coldStart = time.Since(started)
			return t, nil
		}
		select {
		case <-t.done:
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("it ended at once: %s", said)
		case <-time.After(time.Millisecond):
		}
		if time.Since(started) > 20*time.Second {
			t.stop()
			return nil, fmt.Errorf("no answer: %w", err)
		}
	}
}

// stop ends the peer and removes what it stored, which is gigabytes.
func (t *target) stop() {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.done:
	case <-time.After(5 * time.Second):
		_ = t.cmd.Process.Kill()
		<-t.done
	}
	t.client.CloseIdleConnections()
	_ = os.RemoveAll(t.dir)
}

// memory returns the largest and the present resident size, in MiB.
func (t *target) memory() (peak, now float64) {
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

// do sends a request and wants one status. The body of the answer is read and
// thrown away; its size is returned.
func (t *target) do(ctx context.Context, want int, method, path string, body io.Reader, size int64, contentType string) (http.Header, int64, error) {
	url := path
	if strings.HasPrefix(path, "/") {
		url = t.base + path
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, 0, err
	}
	request.ContentLength = size
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", manifestType+", */*")
	if t.auth {
		request.SetBasicAuth(user, password)
	}
	response, err := t.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return nil, 0, fmt.Errorf("%s %s: %d instead of %d: %s", method, path, response.StatusCode, want, said)
	}
	received, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return nil, received, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return response.Header, received, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), errors.Join(listener.Close())
}
