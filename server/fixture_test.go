package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/server/auth"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// Passwords of the fixture. They must never be seen in a log.
const (
	adminPassword  = "canary-admin-4711"
	writerPassword = "canary-writer-4712"
	readerPassword = "canary-reader-4713"
)

// passwords are those that people send; mallory is no user.
var passwords = map[string]string{"admin": adminPassword, "ci": writerPassword, "spectro": readerPassword, "mallory": "canary-mallory-4714"}

// fixture is an installation in a temporary directory with a server on it.
type fixture struct {
	*testing.T
	dir    string
	log    *logBuffer
	server *Server
	now    func() time.Time // of the server; nil: time.Now
	roots  *x509.CertPool
	ran    chan error
	cancel context.CancelFunc
}

// logBuffer may be written while it is read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// setting changes what a fixture is made of.
type setting func(*fixture, *config.Config)

// withTLS gives the server a certificate for 127.0.0.1.
func withTLS(f *fixture, c *config.Config) {
	c.HTTP.TLS.Certificate, c.HTTP.TLS.Key = f.path("tls.crt"), f.path("tls.key")
	f.certificate(nil)
}

func onDisk(f *fixture, c *config.Config) {
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, f.path("data")
}

func with(change func(*config.Config)) setting {
	return func(_ *fixture, c *config.Config) { change(c) }
}

const document = `
version: 0.1
log: {level: debug}
storage: inmemory
http: {addr: "127.0.0.1:0"}
auth: {htpasswd: {realm: basic-realm, path: %q, roles: {admin: [admin], writer: [ci]}}}
`

// timeless stops the server's clock: nothing runs out, however long the machine takes.
func timeless(f *fixture, _ *config.Config) {
	now := time.Now()
	f.now = func() time.Time { return now }
}

// newFixture makes an installation and its server, which does not listen yet.
func newFixture(t *testing.T, settings ...setting) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir(), log: &logBuffer{}}
	f.users("admin", "ci", "spectro")
	loaded, err := config.Load(config.Source{Path: f.path("myconfig.yml"), Data: fmt.Appendf(nil, document, f.path("htpasswd"))})
	if err != nil {
		t.Fatal(err)
	}
	c := &loaded.Config
	for _, set := range settings {
		set(f, c)
	}
	f.server, err = New(t.Context(), Options{
		Config: c, ConfigPath: f.path("myconfig.yml"), Version: "test", LogTo: f.log, AdminSocket: f.path("admin.sock"), Now: f.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) write(name string, data []byte) {
	f.Helper()
	staged := f.path(name + ".new")
	if err := os.WriteFile(staged, data, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Rename(staged, f.path(name)); err != nil {
		f.Fatal(err)
	}
}

// users writes the htpasswd file.
func (f *fixture) users(names ...string) {
	f.Helper()
	var b strings.Builder
	for _, name := range names {
		hash, err := htpasswd.HashCost([]byte(passwords[name]), htpasswd.MinCost)
		if err != nil {
			f.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, hash)
	}
	f.write("htpasswd", []byte(b.String()))
}

// certificate writes a new pair signed by ca, and makes a CA where it is nil.
func (f *fixture) certificate(ca *certgen.Pair) *certgen.Pair {
	f.Helper()
	if ca == nil {
		var err error
		if ca, err = certgen.NewCA(certgen.CAOptions{}); err != nil {
			f.Fatal(err)
		}
		f.roots = x509.NewCertPool()
		f.roots.AddCert(ca.Leaf())
	}
	names, err := certgen.ParseNames([]string{"127.0.0.1", "localhost"})
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
	if err != nil {
		f.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.write("tls.crt", leaf.CertPEM())
	f.write("tls.key", key)
	return ca
}

// run begins to serve and returns the base URL.
func (f *fixture) run() string {
	f.Helper()
	if err := f.server.Listen(); err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.ran, f.cancel = make(chan error, 1), cancel
	go func() { f.ran <- f.server.Run(ctx) }()
	f.Cleanup(cancel)
	scheme := "http"
	if f.roots != nil {
		scheme = "https"
	}
	return scheme + "://" + f.server.Addr().String()
}

// serve answers connections and does nothing beside it: files are looked at when the test says so, and not in between.
func (f *fixture) serve() string {
	f.Helper()
	if err := f.server.Listen(); err != nil {
		f.Fatal(err)
	}
	limited := f.server.limit(f.server.life.listener)
	h := f.server.httpServer(limited)
	ended := make(chan error, 1)
	go func() { ended <- f.server.serve(h, limited) }()
	f.Cleanup(func() {
		h.Close()
		if err := <-ended; err != nil {
			f.Error(err)
		}
	})
	scheme := "http"
	if f.roots != nil {
		scheme = "https"
	}
	return scheme + "://" + f.server.Addr().String()
}

// client trusts the fixture's CA and follows no redirects.
func (f *fixture) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	f.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	proto  string
}

// ask sends a request as a user ("" for nobody).
func (f *fixture) ask(client *http.Client, method, url, user string, body io.Reader) answer {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), method, url, body)
	if err != nil {
		f.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, passwords[user])
	}
	a, err := client.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	defer a.Body.Close()
	content, err := io.ReadAll(a.Body)
	if err != nil {
		f.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(content), a.Proto}
}

// eventually waits for something that other goroutines bring about.
func (f *fixture) eventually(what string, is func() bool) {
	f.Helper()
	for range 6000 { // a minute: a machine may be busy with other things
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond) // polling: the log and files have no signal
	}
	f.Fatalf("%s did not come about; the log:\n%s", what, f.log)
}

// handlerFunc is a handler in place of the registry.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

func (h handlerFunc) Serve(w http.ResponseWriter, r *http.Request, _ auth.Grant) error {
	return h(w, r)
}

// replace puts a handler in place of the registry.
func (f *fixture) replace(h handler) {
	st := *f.server.current.Load()
	st.registry = h
	f.server.current.Store(&st)
}

func digestOf(content string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))) }

func hashOf(password string) (string, error) {
	hash, err := htpasswd.HashCost([]byte(password), htpasswd.MinCost)
	return string(hash), err
}

func writeFile(path, content string) error { return os.WriteFile(path, []byte(content), 0o600) }
