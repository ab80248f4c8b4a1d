package main

import (
	"bytes"
	"context"
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
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/server/auth/htpasswd"
)

// vendorDocuments are the examples of the vendor's documentation, whole. What lies elsewhere on a test's machine is set by variables, as it
// would be in a container.
var vendorDocuments = []struct {
	name, document string
	env            []string
	tls, anonymous bool
	standIn        bool   // no certificate can be ordered here: a stand-in is served
	header         string // of an answer, "Name: value"
}{
	{name: "file system", env: []string{"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$D/data", "REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd"}, document: `
version: 0.1
log:
  level: info
  fields:
    environment: test
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /tmp/registry/data/.spectro-server
http:
  addr: 192.168.122.77:25000
auth:
  htpasswd:
    realm: basic-realm
    path: /auth/htpasswd-basic
`},
	{name: "in memory", anonymous: true, document: `
version: 0.1
log:
  level: info
storage: inmemory
http:
  addr: localhost:5000
`},
	{name: "htpasswd", env: []string{"REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd"}, document: `
version: 0.1
storage: inmemory
http:
  addr: :5000
auth:
  htpasswd:
    realm: basic-realm
    path: /auth/htpasswd-basic
`},
	{name: "headers", anonymous: true, header: "Content-Security-Policy: img-src 'self'; script-src 'self';  style-src 'self'", document: `
version: 0.1
storage: inmemory
http:
  addr: localhost:5000
  headers:
    X-Content-Type-Options: [nosniff]
    Strict-Transport-Security: [max-age=63072000; includeSubdomains; preload]
    Content-Security-Policy: [img-src 'self'; script-src 'self';  style-src 'self]
    X-Frame-Options: [DENY]
    X-XSS-Protection: [1; mode=block]
    Referrer-Policy: [same-origin]
`},
	{name: "own certificates", tls: true, env: []string{
		"REGISTRY_HTTP_TLS_CERTIFICATE=$D/tls.crt", "REGISTRY_HTTP_TLS_KEY=$D/tls.key", "REGISTRY_HTTP_TLS_CLIENTCAS=$D/ca.crt",
		"REGISTRY_HTTP_TLS_CLIENTAUTH=verify-client-cert-if-given", "REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=r", "REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd",
	}, document: `
version: 0.1
storage: inmemory
http:
  addr: :5000
  tls:
    certificate: /path/to/x509/certificate/file
    key: /pat/to/x509/key/file/which contains/private key/for x509 certificate above
    clientcas: /path/to/file/with one or more/CA certificates encoded as PEM
    minimumtls: tls1.2
`},
	{name: "Let's Encrypt", tls: true, standIn: true, env: []string{
		"REGISTRY_HTTP_TLS_LETSENCRYPT_DIRECTORYURL=https://127.0.0.1:1/directory", "REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=r",
		"REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd",
	}, document: `
version: 0.1
storage: inmemory
http:
  addr: :5000
  tls:
    letsencrypt:
      cachefile: le-cache
      email: you@companydomain.com
      hosts:
        - yourhost.companydomain.com
`},
	{name: "container with TLS", tls: true, header: "X-Frame-Options: DENY", env: []string{
		"REGISTRY_LOG_LEVEL=info", "REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=Registry Realm", "REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd",
		"REGISTRY_HTTP_TLS_CERTIFICATE=$D/tls.crt", "REGISTRY_HTTP_TLS_KEY=$D/tls.key", "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$D/data",
	}},
	{name: "container without TLS", env: []string{
		"REGISTRY_LOG_LEVEL=info", "REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=Registry Realm", "REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd",
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$D/data",
	}},
	{name: "container, debugging", env: []string{
		"REGISTRY_LOG_LEVEL=debug", "REGISTRY_AUTH=htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=My Enterprise Realm", "REGISTRY_AUTH_HTPASSWD_PATH=$D/htpasswd",
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$D/data",
	}},
}

// TestVendorDocuments: what was written for the vendor's registry starts unchanged and answers as documented.
func TestVendorDocuments(t *testing.T) {
	for _, tc := range vendorDocuments {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			vendorFiles(t, dir)
			args := []string{"serve"}
			if tc.document != "" {
				file := filepath.Join(dir, "myconfig.yml")
				if err := os.WriteFile(file, []byte(tc.document[1:]), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, file)
			}
			addr := porttest.Free(t)
			env := []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir, "REGISTRY_HTTP_ADDR=" + addr}
			for _, line := range tc.env {
				env = append(env, strings.ReplaceAll(line, "$D", dir))
			}
			serveFor(t, env, args, addr)

			client := vendorClient(t, dir)
			if tc.standIn {
				transport, _ := client.Transport.(*http.Transport)
				transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, ServerName: "yourhost.companydomain.com"} //nolint:gosec // what is meant here
			}
			base := "http://" + addr
			if tc.tls {
				base = "https://" + addr
			}
			health := vendorAsk(t, client, base+"/health", false)
			if health.StatusCode != http.StatusOK {
				t.Errorf("/health: %s", health.Status)
			}
			if name, value, _ := strings.Cut(tc.header, ": "); tc.header != "" && health.Header.Get(name) != value {
				t.Errorf("header %s is %q, want %q", name, health.Header.Get(name), value)
			}
			want := http.StatusUnauthorized
			if tc.anonymous {
				want = http.StatusOK
			}
			for _, path := range []string{"/v1/", "/v2/"} {
				a := vendorAsk(t, client, base+path, false)
				if a.StatusCode != want {
					t.Errorf("%s without a password: %s, want %d", path, a.Status, want)
				}
				if realm := a.Header.Get("WWW-Authenticate"); want == http.StatusUnauthorized && !strings.HasPrefix(realm, "Basic realm=") {
					t.Errorf("%s: WWW-Authenticate is %q", path, realm)
				}
			}
			for _, path := range []string{"/v1/", "/v1/_catalog", "/v2/", "/v2/_catalog"} {
				if a := vendorAsk(t, client, base+path, true); a.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, a.Status)
				}
			}
		})
	}
}

// vendorFiles makes users and a certificate.
func vendorFiles(t *testing.T, dir string) {
	t.Helper()
	hash, err := htpasswd.HashCost([]byte("a-long-password"), htpasswd.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"htpasswd": fmt.Appendf(nil, "admin:%s\n", hash), "tls.crt": leaf.CertPEM(), "tls.key": key, "ca.crt": ca.CertPEM(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// words collects what a command says.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// serveFor runs a server until the end of the test. It returns once the server answers; it must not end before the test does.
func serveFor(t *testing.T, env, args []string, addr string) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	said := &words{}
	a := &cli.App{Stdin: null, Stdout: io.Discard, Stderr: said, Env: env, Now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, a, args) }()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != cli.ExitOK {
			t.Errorf("ended with %d:\n%s", code, said)
		}
		_ = null.Close()
	})
	if !within(func() bool {
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("ended with %d:\n%s", code, said)
		default:
		}
		return answers(addr)
	}) {
		t.Fatalf("does not answer:\n%s", said)
	}
}

func vendorClient(t *testing.T, dir string) *http.Client {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func vendorAsk(t *testing.T, client *http.Client, url string, signedIn bool) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if signedIn {
		r.SetBasicAuth("admin", "a-long-password")
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	return a
}

// TestMisspeltCommand: a word that is nearly a command is answered with it.
func TestMisspeltCommand(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"registy serve x":  "did you mean packhouse registry or packhouse serve?",
		"registry serve x": "did you mean packhouse serve?",
		"sevre":            "packhouse serve",
		"config verfy":     "did you mean packhouse config verify?",
		"nonsense":         "hint: packhouse --help lists the commands",
	} {
		said := &words{}
		a := &cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: said, Env: []string{"HOME=/"}, Now: time.Now}
		code := run(t.Context(), a, strings.Fields(line))
		if got := strings.ReplaceAll(said.String(), self, "packhouse"); code != cli.ExitUsage || !strings.Contains(got, want) {
			t.Errorf("%s: %d, %q", line, code, got)
		}
	}
}
