package packs

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// double is a registry in memory with just the routes that a client of packs needs, and answers that tests program.
type double struct {
	t *testing.T
	*httptest.Server
	mu        sync.Mutex
	blobs     map[string][]byte            // by digest
	manifests map[string]map[string][]byte // by repository and digest
	tags      map[string]map[string]string // by repository and tag
	requests  []string                     // METHOD path
	refuse    func(*http.Request) (status int, code, message string)
	extra     func(http.ResponseWriter, *http.Request) bool // answers paths outside of /v2
	user      string                                        // where it is set: user:password
}

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{t: t, blobs: map[string][]byte{}, manifests: map[string]map[string][]byte{}, tags: map[string]map[string]string{}}
	d.Server = httptest.NewTLSServer(d)
	t.Cleanup(d.Close)
	return d
}

// client talks to the double and trusts it.
func (d *double) client(change func(*ClientOptions)) *Client {
	d.t.Helper()
	o := ClientOptions{Server: d.URL, Insecure: true}
	if user, password, ok := strings.Cut(d.user, ":"); ok {
		o.Credential = auth.StaticCredential(strings.TrimPrefix(d.URL, "https://"), auth.Credential{Username: user, Password: password})
	}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

var doubleRoute = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(.*)$`)

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, r.Method+" "+r.URL.Path)
	if user, password, _ := r.BasicAuth(); d.user != "" && user+":"+password != d.user {
		w.Header().Set("WWW-Authenticate", `Basic realm="double"`)
		d.error(w, http.StatusUnauthorized, "UNAUTHORIZED", "log in")
		return
	}
	if d.refuse != nil {
		if status, code, message := d.refuse(r); status != 0 {
			d.error(w, status, code, message)
			return
		}
	}
	route := doubleRoute.FindStringSubmatch(r.URL.Path)
	switch {
	case r.URL.Path == "/v2/":
	case r.URL.Path == "/v2/_catalog":
		_ = json.NewEncoder(w).Encode(map[string]any{"repositories": slices.Sorted(maps.Keys(d.manifests))})
	case !strings.HasPrefix(r.URL.Path, "/v2/") && d.extra != nil && d.extra(w, r):
	case route == nil:
		http.NotFound(w, r)
	case route[2] == "tags":
		d.listTags(w, route[1])
	case route[2] == "blobs":
		d.blob(w, r, route[1], route[3])
	default:
		d.manifest(w, r, route[1], route[3])
	}
}

func (d *double) error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if code != "" {
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": code, "message": message}}})
	}
}

func (d *double) listTags(w http.ResponseWriter, repository string) {
	if d.manifests[repository] == nil {
		d.error(w, http.StatusNotFound, "NAME_UNKNOWN", "no such repository")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": slices.Sorted(maps.Keys(d.tags[repository]))})
}

func (d *double) blob(w http.ResponseWriter, r *http.Request, repository, name string) {
	switch {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "/v2/"+repository+"/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		content, _ := io.ReadAll(r.Body)
		sum := digest.FromBytes(content).String()
		if sum != r.URL.Query().Get("digest") {
			d.error(w, http.StatusBadRequest, "DIGEST_INVALID", "other bytes")
			return
		}
		d.blobs[sum] = content
		w.WriteHeader(http.StatusCreated)
	case d.blobs[name] == nil:
		d.error(w, http.StatusNotFound, "BLOB_UNKNOWN", "no such blob")
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(d.blobs[name])))
		w.Header().Set("Docker-Content-Digest", name)
		_, _ = w.Write(d.blobs[name])
	}
}

func (d *double) manifest(w http.ResponseWriter, r *http.Request, repository, reference string) {
	sum := reference
	if tagged, ok := d.tags[repository][reference]; ok {
		sum = tagged
	}
	content := d.manifests[repository][sum]
	switch {
	case r.Method == http.MethodPut:
		content, _ = io.ReadAll(r.Body)
		sum = digest.FromBytes(content).String()
		if d.manifests[repository] == nil {
			d.manifests[repository], d.tags[repository] = map[string][]byte{}, map[string]string{}
		}
		d.manifests[repository][sum] = content
		if !strings.HasPrefix(reference, "sha256:") {
			d.tags[repository][reference] = sum
		}
		w.Header().Set("Docker-Content-Digest", sum)
		w.WriteHeader(http.StatusCreated)
	case content == nil:
		d.error(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "no such manifest")
	case r.Method == http.MethodDelete:
		if strings.HasPrefix(reference, "sha256:") {
			d.t.Errorf("deleted by digest: %s", reference)
		}
		delete(d.tags[repository], reference)
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Header().Set("Docker-Content-Digest", sum)
		_, _ = w.Write(content)
	}
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
