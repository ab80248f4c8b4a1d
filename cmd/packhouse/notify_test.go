//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/cmd/packhouse/porttest"
)

// listenToNotices makes this process one that a service manager wants to hear from, and returns what it hears.
func listenToNotices(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 4096)
		n, err := socket.Read(message)
		if err != nil {
			t.Fatalf("the service manager hears nothing: %v", err)
		}
		return string(message[:n])
	}
}

// TestServeTellsTheServiceManager: that it is ready once it can be asked over the admin socket, and that it drains, for how long.
func TestServeTellsTheServiceManager(t *testing.T) {
	hears := listenToNotices(t)
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	vendorFiles(t, dir)
	file := filepath.Join(dir, "myconfig.yml")
	const config = "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: %q, draintimeout: 7s}\nauth: {htpasswd: {realm: r, path: %s/htpasswd}}\n"
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, porttest.Free(t), dir), 0o600); err != nil {
		t.Fatal(err)
	}
	newApp := func() *cli.App {
		said := &words{}
		return &cli.App{Stdin: os.Stdin, Stdout: said, Stderr: said, Env: []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir}, Now: time.Now}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server, ended := newApp(), make(chan int, 1)
	go func() { ended <- run(ctx, server, []string{"serve", file}) }()
	if got := hears(); got != "READY=1" {
		t.Fatalf("at the start: %q\n%s", got, server.Stderr)
	}
	if a := newApp(); run(t.Context(), a, []string{"reload", file}) != cli.ExitOK {
		t.Errorf("a server that is ready cannot be asked: %s", a.Stderr)
	}
	stop()
	if got, want := hears(), fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", (7*time.Second+deployment.DrainMargin).Microseconds()); got != want {
		t.Errorf("at the end: %q, want %q", got, want)
	}
	if code := <-ended; code != cli.ExitOK {
		t.Errorf("serve: exit %d\n%s", code, server.Stderr)
	}
}

// TestWatchdogIsFedByAnswers: no sign goes out before the handler has answered once more.
func TestWatchdogIsFedByAnswers(t *testing.T) {
	a := &cli.App{Stderr: &words{}}
	var asked atomic.Int64
	answer := make(chan struct{}, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-answer
		asked.Add(1) // seen by whoever hears of it
		if r.URL.Path != "/health" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(http.StatusServiceUnavailable) // a full disk is no reason to be killed
	})
	deployment.FeedWatchdog(a, handler)() // nobody watches
	hears := listenToNotices(t)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	stop := deployment.FeedWatchdog(a, handler)
	for turn := 1; turn <= 3; turn++ {
		answer <- struct{}{}
		if got := hears(); got != "WATCHDOG=1" || asked.Load() != int64(turn) {
			t.Errorf("turn %d: %q after %d answers", turn, got, asked.Load())
		}
	}
	stop()
	close(answer)
}
