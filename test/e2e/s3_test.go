package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// useS3 makes the bucket the storage of an installation.
func useS3(t *testing.T, in *installation, engine string) {
	t.Helper()
	text, err := os.ReadFile(in.configuration())
	if err != nil {
		t.Fatalf("read configuration: %v", err)
	}
	var out []string
	inStorage := false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "storage:"):
			inStorage = true
			out = append(out, fmt.Sprintf(`storage:
  s3: {region: us-east-1, bucket: %s, rootdirectory: /e2e, accesskey: %s, secretkey: %q, regionendpoint: "http://%s", forcepathstyle: true, secure: false}
  delete: {enabled: true}
`, s3Bucket, s3Key, s3Secret, engine))
		case inStorage && strings.TrimSpace(line) != "" && line[0] != ' ' && line[0] != '#':
			inStorage = false
			fallthrough
		case !inStorage:
			out = append(out, line)
		}
	}
	if err := os.WriteFile(in.configuration(), []byte(strings.Join(out, "")), 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
}

// replicas are processes that share a bucket, behind a load balancer without a
// memory: every request goes to the next one.
type replicas struct {
	*installation
	all   []*replica
	turns atomic.Uint64
}

type replica struct {
	addr    string
	server  *server
	forward *httputil.ReverseProxy
	down    atomic.Bool
}

func newReplicas(t *testing.T, engine string, n int) *replicas {
	t.Helper()
	addr := startS3Engine(t, engine)
	in := install(t, "--tls", "off", "--insecure")
	useS3(t, in, addr)
	c := &replicas{installation: in}
	for range n {
		r := &replica{addr: freeAddress(t)}
		r.forward = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.addr})
		// What breaks on the way breaks for the client too: nothing is retried here.
		r.forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		r.forward.ErrorLog = nil
		c.all = append(c.all, r)
		c.startReplica(r)
	}
	listener, err := net.Listen("tcp", in.addr)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	balancer := &http.Server{Handler: http.HandlerFunc(c.pass), ReadHeaderTimeout: time.Minute}
	go func() { _ = balancer.Serve(listener) }()
	t.Cleanup(func() { _ = balancer.Close() })
	return c
}

func (c *replicas) pass(w http.ResponseWriter, r *http.Request) {
	for range c.all {
		next := c.all[c.turns.Add(1)%uint64(len(c.all))]
		if !next.down.Load() {
			next.forward.ServeHTTP(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

func (c *replicas) startReplica(r *replica) {
	c.t.Helper()
	behind := *c.installation
	behind.addr = r.addr
	runtime := c.t.TempDir() // for its admin socket
	behind.env = append([]string{
		"REGISTRY_HTTP_ADDR=" + r.addr, "RUNTIME_DIRECTORY=" + runtime, "REGISTRY_HTTP_LIMITS_UPLOADSPERUSER=100000",
	}, c.env...)
	r.server = behind.serve()
	r.down.Store(false)
}

// killReplica ends a process as a power cut would. The balancer hears of it a
// moment later.
func (c *replicas) killReplica(r *replica) {
	r.server.kill()
	time.Sleep(50 * time.Millisecond) // the balancer notices late
	r.down.Store(true)
}

// TestS3Engine runs the storage engine's own tests against a real S3 server:
// its contract, three processes on one bucket, turns with CNCF distribution, and
// pushes through a connection that toxiproxy cuts, resets and delays.
func TestS3Engine(t *testing.T) {
	need(t, "toxiproxy")
	need(t, "registry")
	onS3Engines(t, testS3Engine)
}

func testS3Engine(t *testing.T, engine string) {
	program := need(t, engine)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "./server/storage/s3/")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "PACKHOUSE_TEST_S3="+program)
	out, err := cmd.CombinedOutput()
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("--- SKIP")) {
			t.Errorf("skipped: %s", line)
		}
		if bytes.Contains(line, []byte("compare_test.go")) || bytes.Contains(line, []byte("faults_test.go")) {
			t.Logf("%s", bytes.TrimSpace(line))
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
