package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// upload is a request with a body, as curl sends it, and the status that it must get.
type upload struct {
	name   string
	method string
	path   string
	user   string // empty: no credentials
	args   []string
	status string
}

// send sends the upload through a proxy and returns the status that curl got.
func (u upload) send(in *installation, curl, proxy, body string) (string, error) {
	args := []string{
		"-sS", "-m", "120", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "-X", u.method,
		"-H", "Content-Type: application/octet-stream", "--data-binary", "@" + body,
	}
	if u.user != "" {
		args = append(args, "-u", u.user+":"+in.passwords[u.user])
	}
	output, err := exec.Command(curl, append(append(args, u.args...), proxy+u.path)...).CombinedOutput()
	return string(output), err
}

// uploadSession starts an upload session and returns its path.
func (in *installation) uploadSession(user, repository string) string {
	in.t.Helper()
	started, err := in.request(in.client(), user, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil || started.status != http.StatusAccepted {
		in.t.Fatalf("start upload: %v %d", err, started.status)
	}
	location := started.header.Get("Location")
	return location[strings.Index(location, "/v2/"):]
}

// TestRefusalsThroughProxy sends 16 MiB that the server refuses before it has received them: the
// client behind a proxy gets the server's status, not 502.
func TestRefusalsThroughProxy(t *testing.T) {
	t.Parallel()
	const tries = 4 // per refusal and proxy
	curl := need(t, "curl")
	in := install(t)
	in.serve()
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	refusals := []upload{
		{"no credentials", "POST", "/v2/a/blobs/uploads/", "", nil, "401"},
		{"reader", "POST", "/v2/a/blobs/uploads/", reader, nil, "403"},
		{"unknown path", "PUT", "/v3/", "", nil, "404"},
		{"method", "POST", "/v2/", "", nil, "405"},
		{"manifest too large", "PUT", "/v2/a/manifests/latest", writer, []string{"-H", "Content-Type: application/vnd.oci.image.manifest.v1+json"}, "413"},
		{"wrong offset", "PATCH", in.uploadSession(writer, "a"), writer, []string{"-H", "Content-Range: 99-16777314"}, "416"},
		{"slow", "POST", "/v2/a/blobs/uploads/", "", []string{"--limit-rate", "6M"}, "401"},
	}
	for _, kind := range proxyKinds {
		t.Run(kind.name, func(t *testing.T) {
			proxy := in.behind(t, kind)
			var all sync.WaitGroup
			for _, refusal := range refusals {
				all.Go(func() {
					for i := range tries {
						if refusal.name == "slow" && i > 0 {
							break
						}
						if got, err := refusal.send(in, curl, proxy, body); got != refusal.status {
							t.Errorf("request %d, %s: got %s, %v; want %s", i, refusal.name, got, err, refusal.status)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// TestSlowUploadThroughProxy uploads a blob through each proxy, slower than any of them fills its
// buffers.
func TestSlowUploadThroughProxy(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	in := install(t)
	in.serve()
	for _, kind := range proxyKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			content := bytes.Repeat([]byte(kind.name), 100_000)
			body := filepath.Join(t.TempDir(), "body")
			if err := os.WriteFile(body, content, 0o600); err != nil {
				t.Fatal(err)
			}
			push := upload{"blob", "POST", fmt.Sprintf("/v2/a/blobs/uploads/?digest=sha256:%x", sha256.Sum256(content)), writer, []string{"--limit-rate", "300K"}, "201"}
			if got, err := push.send(in, curl, in.behind(t, kind), body); got != push.status {
				t.Errorf("got %s, %v; want %s", got, err, push.status)
			}
		})
	}
}

// TestEdgesThroughProxy: through each proxy, probes get 200 at "/", the pack list asks for
// credentials and pages of a configured origin may use the API. /debug/health has an address of its
// own.
func TestEdgesThroughProxy(t *testing.T) {
	t.Parallel()
	const origin = "https://ui.example.com"
	in := install(t)
	debug := freeAddress(t)
	in.env = append(in.env, "REGISTRY_HTTP_DEBUG_ADDR="+debug,
		"REGISTRY_HTTP_HEADERS={Access-Control-Allow-Origin: ["+origin+"], Access-Control-Allow-Methods: [GET, DELETE]}")
	in.serve()
	in.wantAnswer("http://"+debug+"/debug/health", "", http.MethodGet, http.StatusOK)
	for _, kind := range proxyKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			proxy := in.behind(t, kind)
			if a := in.wantAnswer(proxy+"/", "", http.MethodGet, http.StatusOK); !bytes.Contains(a.body, []byte("/packs")) {
				t.Errorf("GET / has no link to /packs: %s", a.body)
			}
			if a := in.wantAnswer(proxy+"/packs", "", http.MethodGet, http.StatusUnauthorized); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("GET /packs: WWW-Authenticate is %q, want Basic", a.header.Get("WWW-Authenticate"))
			}
			in.wantAnswer(proxy+"/packs", reader, http.MethodGet, http.StatusOK)
			preflight := in.wantAnswer(proxy+"/v2/", "", http.MethodOptions, http.StatusNoContent, "Origin", origin, "Access-Control-Request-Method", "DELETE")
			if got := preflight.header.Get("Access-Control-Allow-Origin"); got != origin {
				t.Errorf("preflight: Access-Control-Allow-Origin is %q, want %q", got, origin)
			}
			const tag = "/v2/a/manifests/none"
			in.wantAnswer(proxy+tag, admin, http.MethodDelete, http.StatusNotFound, "Origin", origin, "Sec-Fetch-Site", "cross-site")
			in.wantAnswer(proxy+tag, admin, http.MethodDelete, http.StatusForbidden, "Origin", "https://other.example.com", "Sec-Fetch-Site", "cross-site")
		})
	}
}

// wantAnswer sends a request without a body, which must get a status.
func (in *installation) wantAnswer(url, user, method string, status int, headers ...string) answer {
	in.t.Helper()
	a, err := in.request(in.client(), user, method, url, nil, headers...)
	if err != nil || a.status != status {
		in.t.Errorf("%s %s as %q: status %d, %v; want %d: %s", method, url, user, a.status, err, status, a.body)
	}
	return a
}
