package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// orderingReplicas are processes that order certificates together: they share
// a bucket and nothing else. What the CA sends to the ports of the installation
// reaches any of them, one after the other.
type orderingReplicas struct {
	*ordering
	engine string // address of the bucket's
	ca     *acmeCA
	all    []*orderingReplica
	byTLS  *turns
	byHTTP *turns
}

type orderingReplica struct {
	*ordering
	server *server
	down   atomic.Bool
}

// turns is a load balancer for connections.
type turns struct {
	next   atomic.Uint64
	pick   func(n uint64) string // address; empty: nobody is there
	mu     sync.Mutex
	passed map[string]int
	held   chan struct{} // while open, connections wait; nil: they do not
	waits  atomic.Int64
}

func takeTurns(t *testing.T, addr string, pick func(uint64) string) *turns {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &turns{pick: pick, passed: map[string]int{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.pass(conn)
		}
	}()
	return b
}

func (b *turns) pass(conn net.Conn) {
	defer conn.Close()
	b.mu.Lock()
	held := b.held
	b.mu.Unlock()
	if held != nil {
		b.waits.Add(1)
		<-held
	}
	behind, addr := b.dial()
	if behind == nil {
		return
	}
	defer behind.Close()
	b.mu.Lock()
	b.passed[addr]++
	b.mu.Unlock()
	go func() { _, _ = io.Copy(behind, conn) }()
	_, _ = io.Copy(conn, behind)
}

// dial connects with whose turn it is, or with the one after: who is starting
// up does not listen yet.
func (b *turns) dial() (behind net.Conn, addr string) {
	for range 3 {
		addr = b.pick(b.next.Add(1))
		if behind, err := net.Dial("tcp", addr); err == nil {
			return behind, addr
		}
	}
	return nil, ""
}

// hold lets connections wait until the returned function is called.
func (b *turns) hold() (release func()) {
	held := make(chan struct{})
	b.mu.Lock()
	b.held = held
	b.mu.Unlock()
	return sync.OnceFunc(func() {
		b.mu.Lock()
		b.held = nil
		b.mu.Unlock()
		close(held)
	})
}

// reached tells who was asked.
func (b *turns) reached() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.passed)
}

// newOrderingReplicas makes three replicas, which do not run yet.
func newOrderingReplicas(t *testing.T, withHTTP bool, hosts []string, life time.Duration) *orderingReplicas {
	t.Helper()
	c := &orderingReplicas{engine: startS3(t)}
	// What reaches the installation by TLS is passed on; where it is to fail,
	// the CA goes where nobody listens.
	c.ordering, c.ca = installOrdering(t, withHTTP, hosts, func(tlsAddr, httpAddr string) *acmeCA {
		if withHTTP {
			tlsAddr = freeAddress(t)
		}
		return startCA(t, tlsAddr, httpAddr, life)
	})
	useS3(t, c.installation, c.engine)
	text, err := os.ReadFile(c.configuration())
	if err != nil {
		t.Fatalf("read configuration: %v", err)
	}
	shared := bytes.Replace(text, []byte("cachefile: le-cache"), []byte("cachefile: storage:le-cache"), 1)
	if bytes.Equal(shared, text) {
		t.Fatalf("no cache in\n%s", text)
	}
	if err := os.WriteFile(c.configuration(), shared, 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	for range 3 {
		in, r := *c.installation, &orderingReplica{}
		in.addr = freeAddress(t)
		in.env = append([]string{"REGISTRY_HTTP_ADDR=" + in.addr, "RUNTIME_DIRECTORY=" + t.TempDir()}, c.env...)
		r.ordering = &ordering{installation: &in}
		if withHTTP {
			r.httpAddr = freeAddress(t)
			in.env = append(in.env, "REGISTRY_HTTP_TLS_LETSENCRYPT_HTTPADDR="+r.httpAddr)
		}
		c.all = append(c.all, r)
	}
	alive := func(addr func(*orderingReplica) string) func(uint64) string {
		return func(n uint64) string {
			for i := range c.all {
				if r := c.all[(n+uint64(i))%uint64(len(c.all))]; !r.down.Load() {
					return addr(r)
				}
			}
			return ""
		}
	}
	c.byTLS = takeTurns(t, c.addr, alive(func(r *orderingReplica) string { return r.addr }))
	if withHTTP {
		c.byHTTP = takeTurns(t, c.httpAddr, alive(func(r *orderingReplica) string { return r.httpAddr }))
	}
	return c
}

// start starts all that are down, together.
func (c *orderingReplicas) start() {
	c.t.Helper()
	for _, r := range c.all {
		if r.server == nil || r.down.Load() {
			r.server = launch(c.t, r.env, binary(c.t), "serve", r.configuration())
			r.down.Store(false)
		}
	}
	for _, r := range c.all {
		eventually(c.t, "a server listens", patience, func() bool { return r.leaf(acmeHost) != nil })
	}
}

func (r *orderingReplica) die() {
	r.down.Store(true)
	r.server.kill()
}

// served is the certificate that all who are up serve; nil where they differ,
// or clients refuse it.
func (c *orderingReplicas) served(roots *x509.CertPool) *x509.Certificate {
	var same *x509.Certificate
	for _, r := range c.all {
		if r.down.Load() {
			continue
		}
		leaf := r.leaf(acmeHost)
		if leaf == nil || !r.healthy(roots) || same != nil && !leaf.Equal(same) {
			return nil
		}
		same = leaf
	}
	return same
}

// count counts the replicas whose log says something.
func (c *orderingReplicas) count(says string) int {
	n := 0
	for _, r := range c.all {
		n += strings.Count(r.server.log.String(), says)
	}
	return n
}

// kept tells whether there is an entry in the bucket.
func (c *orderingReplicas) kept(entry string) bool {
	path := "/" + s3Bucket + "/e2e/packhouse/v1/records/acme/le-cache/" + strings.ReplaceAll(entry, "+", "%212b")
	status, err := s3Request(context.Background(), http.MethodHead, c.engine, path)
	if err != nil {
		c.t.Fatalf("ask the engine: %v", err)
	}
	return status == http.StatusOK
}

// command runs packhouse on the installation and returns what it printed.
func (c *orderingReplicas) command(args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(c.t), append(args, "--dir", c.dir)...)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// TestACMEReplicas: three servers that start at the same moment, and share a
// bucket, place one order with one account. The CA reaches now one of them and
// now another one for its proof. All serve what was signed, and what it is
// renewed with.
func TestACMEReplicas(t *testing.T) {
	t.Parallel()
	c := newOrderingReplicas(t, false, []string{acmeHost}, shortLife)
	c.start()
	roots := c.ca.roots()
	var first *x509.Certificate
	eventually(t, "all serve one certificate", patience, func() bool {
		first = c.served(roots)
		return first != nil
	})
	c.ca.counts(1)
	if n := c.byTLS.reached(); n < 2 {
		t.Errorf("the CA reached %d of the servers: this tells nothing", n)
	}
	for entry, want := range map[string]bool{acmeHost: true, acmeHost + "+packhouse": true, "acme_account+key": true, acmeHost + "+token": false} {
		if c.kept(entry) != want {
			t.Errorf("%s is in the bucket: %v", entry, !want)
		}
	}
	// Both end with 4: a certificate of minutes is always about to end.
	var shown struct {
		Orders []struct{ Certificate struct{ Fingerprint string } }
	}
	out, _ := c.command("cert", "show", "--json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || len(shown.Orders) != 1 || shown.Orders[0].Certificate.Fingerprint == "" {
		t.Errorf("cert show: %v\n%s", err, out)
	}
	if out, _ := c.command("cert", "export", "chain"); strings.Count(out, "BEGIN CERTIFICATE") < 2 {
		t.Errorf("cert export chain:\n%s", out)
	}
	eventually(t, "all serve the next certificate", 2*shortLife, func() bool {
		for _, r := range c.all {
			if !r.healthy(roots) {
				t.Fatalf("a request failed around the renewal; the log:\n%s", r.server.log.tail())
			}
		}
		next := c.served(roots)
		return next != nil && !next.Equal(first)
	})
	c.ca.counts(2)
	for _, r := range c.all {
		r.server.stop()
	}
	if n := c.count("certificate obtained"); n != 2 {
		t.Errorf("obtained %d times", n)
	}
}

// TestACMEReplicasByHTTP: the same by HTTP-01.
func TestACMEReplicasByHTTP(t *testing.T) {
	t.Parallel()
	c := newOrderingReplicas(t, true, []string{acmeHost}, time.Hour)
	c.start()
	roots := c.ca.roots()
	eventually(t, "all serve one certificate", patience, func() bool { return c.served(roots) != nil })
	c.ca.counts(2) // an order by each challenge
	if n := c.byHTTP.reached(); n < 2 {
		t.Errorf("the CA reached %d of the servers: this tells nothing", n)
	}
	if c.kept(acmeHost+"+http-01") || c.kept(acmeHost+"+token") {
		t.Error("the answers to the challenges are still in the bucket")
	}
	for _, r := range c.all {
		r.server.stop()
	}
}

// TestACMEReplicaDies: the server that orders is killed while the CA looks for
// its proof. Another one takes over when the lease has run out, and places one
// order; the dead one, started again, places none.
func TestACMEReplicaDies(t *testing.T) {
	t.Parallel()
	c := newOrderingReplicas(t, false, []string{acmeHost}, time.Hour)
	release := c.byTLS.hold()
	defer release()
	c.start()
	eventually(t, "the CA looks for its proof", patience, func() bool { return c.byTLS.waits.Load() > 0 })
	i := -1
	eventually(t, "a server has ordered", patience, func() bool {
		i = slices.IndexFunc(c.all, func(r *orderingReplica) bool {
			return strings.Contains(r.server.log.String(), "certificate ordered")
		})
		return i >= 0
	})
	c.all[i].die()
	release()
	c.ca.counts(1)
	roots := c.ca.roots()
	eventually(t, "the others serve a certificate", 2*time.Minute, func() bool { return c.served(roots) != nil })
	c.ca.counts(2)
	c.start()
	eventually(t, "all serve it", patience, func() bool { return c.served(roots) != nil })
	noMoreOrders(5 * time.Second)
	if n := c.ca.orders(); n != 2 {
		t.Errorf("%d orders after the dead one came back", n)
	}
}

// TestACMEReplicasBrokenName: a name that the CA cannot reach costs one order,
// by however many servers it is wanted and however often these are started.
func TestACMEReplicasBrokenName(t *testing.T) {
	t.Parallel()
	c := newOrderingReplicas(t, false, []string{acmeHost, acmeBroken}, time.Hour)
	c.start()
	roots := c.ca.roots()
	eventually(t, "the good name has a certificate", patience, func() bool { return c.served(roots) != nil })
	eventually(t, "the broken name is told of", patience, func() bool { return c.count("no certificate from the ACME directory") > 0 })
	for range 3 {
		for _, r := range c.all {
			r.die()
		}
		c.start()
		noMoreOrders(8 * time.Second)
	}
	if n := c.ca.orders(); n != 2 {
		t.Errorf("%d orders for two names, three servers and three restarts", n)
	}
	for _, r := range c.all {
		r.server.says("Failed to connect to 127.0.0.97") // those that did not order, too
	}
	out, err := c.command("cert", "show")
	if err == nil || !strings.Contains(out, fmt.Sprintf("no certificate for %s yet", acmeBroken)) || !strings.Contains(out, "Failed to connect") {
		t.Errorf("cert show: %v\n%s", err, out)
	}
}

// TestACMESetupForReplicas: setup on a bucket keeps what it orders there; a
// second machine with the same configuration serves it from the first
// handshake on and orders nothing.
func TestACMESetupForReplicas(t *testing.T) {
	t.Parallel()
	engine := startS3(t)
	in := &installation{t: t, dir: filepath.Join(t.TempDir(), "installation"), addr: freeAddress(t), scheme: "https", passwords: map[string]string{
		admin: "the quick brown fox 1", writer: "jumps over: the dog", reader: "over the lazy cat 2",
	}}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(s3Secret+"\n"), 0o600); err != nil {
		t.Fatalf("write secret: %v", err)
	}
	ca := startCA(t, in.addr, freeAddress(t), time.Hour)
	said := in.setup("--hostname", acmeHost, "--tls", "letsencrypt", "--acme-directory", ca.directory, "--acme-ca", ca.caFile,
		"--storage", "s3", "--s3-bucket", s3Bucket, "--s3-endpoint", "http://"+engine, "--s3-access-key", s3Key, "--s3-secret-key-file", secret)
	if !strings.Contains(said, "\u2713 certificate") || !strings.Contains(said, "\u2713 round trip") {
		t.Errorf("setup says:\n%s", said)
	}
	text, err := os.ReadFile(in.configuration())
	if err != nil || !bytes.Contains(text, []byte(`cachefile: "storage:le-cache"`)) {
		t.Errorf("%v\n%s", err, text)
	}
	roots := ca.roots()
	for _, addr := range []string{in.addr, freeAddress(t)} {
		machine := *in
		machine.addr = addr
		machine.env = []string{"REGISTRY_HTTP_ADDR=" + addr, "RUNTIME_DIRECTORY=" + t.TempDir()}
		o := &ordering{installation: &machine}
		o.serve()
		if isStandIn(o.leaf(acmeHost)) || !o.healthy(roots) {
			t.Errorf("%s does not serve what setup ordered", addr)
		}
	}
	noMoreOrders(5 * time.Second)
	if n := ca.orders(); n != 1 {
		t.Errorf("%d orders", n)
	}
}
