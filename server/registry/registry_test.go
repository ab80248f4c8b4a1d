package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
	"packhouse/server/route"
	"packhouse/server/storage/filesystem"
)

// send makes one request of the handler.
func send(t *testing.T, h http.Handler, user, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if user != "" {
		r.SetBasicAuth(user, "x")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// must makes one request and checks its status.
func must(t *testing.T, h http.Handler, status int, user, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := send(t, h, user, method, target, body)
	if w.Code != status {
		t.Fatalf("%s %s as %q: status %d, want %d: %s", method, target, user, w.Code, status, w.Body)
	}
	return w
}

// artifact pushes an artifact of a kind and returns its bytes.
func artifact(t *testing.T, h http.Handler, user, repo, kind string) string {
	t.Helper()
	d := digest.FromString("{}")
	must(t, h, 201, user, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), "{}")
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"x/y","digest":%q,"size":2},"layers":[]}`, manifest.OCIManifest, kind, d)
}

func TestVersionsOfPacksAreOverwrittenByAdminsOnly(t *testing.T) {
	h := registrytest.Handler(registry.Options{Store: memory(t)})
	for _, tt := range []struct {
		repo string
		pack bool
	}{{"spectro-packs/archive/nginx", true}, {"base/path/spectro-packs/archive/nginx", true}, {"spectro-packs/archive", false}, {"team/nginx", false}} {
		one, two := artifact(t, h, "writer", tt.repo, "text/one"), artifact(t, h, "writer", tt.repo, "text/two")
		tag := "/v2/" + tt.repo + "/manifests/1.0.0"
		must(t, h, 201, "writer", "PUT", tag, one)
		must(t, h, 201, "writer", "PUT", tag, one) // the same again overwrites nothing
		if tt.pack {
			must(t, h, 403, "writer", "PUT", tag, two)
			must(t, h, 403, "writer", "PUT", "/v2/"+tt.repo+"/manifests/"+digest.FromString(two).String()+"?tag=new&tag=1.0.0", two)
			must(t, h, 404, "writer", "GET", "/v2/"+tt.repo+"/manifests/new", "")
			if got := must(t, h, 200, "reader", "GET", tag, "").Body.String(); got != one {
				t.Errorf("%s holds %s", tt.repo, got)
			}
			must(t, h, 201, "admin", "PUT", tag, two)
		} else {
			must(t, h, 201, "writer", "PUT", tag, two)
		}
		if got := must(t, h, 200, "reader", "GET", tag, "").Body.String(); got != two {
			t.Errorf("%s holds %s", tt.repo, got)
		}
		must(t, h, 200, "reader", "GET", "/v2/"+tt.repo+"/manifests/"+digest.FromString(one).String(), "")
	}
}

func TestSessionsAreTheirUsers(t *testing.T) {
	h := registrytest.Handler(registry.Options{Store: memory(t)})
	at := must(t, h, 202, "writer", "POST", "/v2/a/blobs/uploads/", "").Header().Get("Location")
	for _, user := range []string{"admin", "reader", ""} {
		must(t, h, 404, user, "GET", at, "")
		must(t, h, 404, user, "PATCH", at, "x")
		must(t, h, 404, user, "PUT", at+"?digest="+digest.FromString("").String(), "")
		must(t, h, 404, user, "DELETE", at, "")
	}
	must(t, h, 202, "writer", "PATCH", at, "x")
}

// serve answers a request that was granted by hand.
func serve(t *testing.T, g *registry.Registry, grant auth.Grant, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := g.Serve(w, r, grant); err != nil {
		problem.Write(w, r, err)
	}
	return w
}

func parse(t *testing.T, method, target string) (route.Request, *http.Request) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	req, err := route.Paths{}.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return req, r
}

func TestWhatIsHiddenIsNotThere(t *testing.T) {
	store := memory(t)
	h := registrytest.Handler(registry.Options{Store: store})
	for _, repo := range []string{"open/a", "secret/a", "open/b", "secret/b"} {
		must(t, h, 201, "", "PUT", "/v2/"+repo+"/manifests/v1", artifact(t, h, "", repo, "text/x"))
	}
	hidden, shown := digest.FromString("hidden"), digest.FromString("shown")
	must(t, h, 201, "", "POST", "/v2/secret/a/blobs/uploads/?digest="+hidden.String(), "hidden")
	must(t, h, 201, "", "POST", "/v2/open/a/blobs/uploads/?digest="+shown.String(), "shown")

	g := registry.New(registry.Options{Store: store})
	for target, status := range map[string]int{
		"/v2/mine/blobs/uploads/?mount=" + hidden.String():                      202,
		"/v2/mine/blobs/uploads/?mount=" + hidden.String() + "&from=secret/a":   202,
		"/v2/mine/blobs/uploads/?mount=" + hidden.String() + "&from=secret/b":   202,
		"/v2/mine/blobs/uploads/?mount=" + hidden.String() + "&from=not/there":  202,
		"/v2/mine/blobs/uploads/?mount=" + shown.String():                       201,
		"/v2/theirs/blobs/uploads/?mount=" + shown.String() + "&from=open/a":    201,
		"/v2/secret/a/blobs/uploads/?mount=" + hidden.String() + "&from=open/a": 201, // there already
	} {
		req, r := parse(t, "POST", target)
		grant := auth.Grant{Request: req, Role: auth.Writer, Visible: func(r reference.Repository) bool { return !strings.HasPrefix(r.String(), "secret/") }}
		if w := serve(t, g, grant, r); w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
	}
	req, r := parse(t, "GET", "/v2/_catalog?n=1")
	w := serve(t, g, auth.Grant{Request: req, Visible: func(r reference.Repository) bool { return r.String() == "open/b" }}, r)
	if w.Body.String() != `{"repositories":["open/b"]}` || w.Header().Get("Link") != "" {
		t.Errorf("the catalogue shows %s, %s", w.Body, w.Header().Get("Link"))
	}
}

// TestAMountWithoutASourceLooksEverywhere has the blob in the last of many repositories.
func TestAMountWithoutASourceLooksEverywhere(t *testing.T) {
	h := registrytest.Handler(registry.Options{Store: memory(t), MountSearch: time.Hour})
	for i := range 1010 {
		must(t, h, 201, "", "POST", fmt.Sprintf("/v2/a/%d/blobs/uploads/?digest=%s", i, digest.FromString("common")), "common")
	}
	wanted := digest.FromString("wanted").String()
	must(t, h, 201, "", "POST", "/v2/z/blobs/uploads/?digest="+wanted, "wanted")
	must(t, h, 201, "", "POST", "/v2/mine/blobs/uploads/?mount="+wanted, "")
	must(t, h, 200, "", "GET", "/v2/mine/blobs/"+wanted, "")
	must(t, h, 202, "", "POST", "/v2/mine/blobs/uploads/?mount="+digest.FromString("nowhere").String(), "")
}

// TestAPartOfADamagedBlobIsRefused damages the end of a blob that nobody has read yet, and asks for its beginning.
func TestAPartOfADamagedBlobIsRefused(t *testing.T) {
	root := t.TempDir()
	store, err := filesystem.Open(t.Context(), filesystem.Options{Root: root})
	h := registrytest.Handler(registry.Options{Store: opened(t, store, err)})
	body := strings.Repeat("x", 2<<20)
	d := digest.FromString(body)
	must(t, h, 201, "", "POST", "/v2/a/blobs/uploads/?digest="+d.String(), body)
	path := filepath.Join(root, "docker/registry/v2/blobs/sha256", d.Encoded()[:2], d.Encoded(), "data")
	if err := os.WriteFile(path, []byte(body[1:]+"y"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/v2/a/blobs/"+d.String(), nil)
	r.Header.Set("Range", "bytes=0-9")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 404 || !strings.Contains(w.Body.String(), "damaged") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestLocationsStandBelowTheBase(t *testing.T) {
	h := registrytest.Handler(registry.Options{Store: memory(t), Base: "https://example.com/prefix"})
	w := must(t, h, 202, "", "POST", "/v2/a/blobs/uploads/", "")
	if got := w.Header().Get("Location"); !strings.HasPrefix(got, "https://example.com/prefix/v2/a/blobs/uploads/") {
		t.Error(got)
	}
}

func TestEventsTellWhatWasDone(t *testing.T) {
	var told []string
	h := registrytest.Handler(registry.Options{Store: memory(t), OnEvent: func(e registry.Event) {
		told = append(told, fmt.Sprintf("%s %s %s %v %d", e.Verb, e.Repository, e.Identity.User, e.Tags, e.Size))
	}})
	content := artifact(t, h, "writer", "a", "text/x")
	d := digest.FromString(content).String()
	size := len(content)
	must(t, h, 201, "writer", "PUT", "/v2/a/manifests/v1", content)
	must(t, h, 201, "writer", "PUT", "/v2/a/manifests/"+d+"?tag=v2", content)
	must(t, h, 200, "reader", "GET", "/v2/a/manifests/v1", "")
	must(t, h, 200, "reader", "HEAD", "/v2/a/manifests/v1", "")
	must(t, h, 200, "reader", "GET", "/v2/a/blobs/"+digest.FromString("{}").String(), "")
	must(t, h, 404, "reader", "GET", "/v2/a/manifests/none", "")
	must(t, h, 201, "writer", "POST", "/v2/b/blobs/uploads/?mount="+digest.FromString("{}").String()+"&from=a", "")
	must(t, h, 202, "admin", "DELETE", "/v2/a/manifests/v1", "")
	must(t, h, 202, "admin", "DELETE", "/v2/a/manifests/"+d, "")
	want := []string{
		"push a writer [] 2", fmt.Sprintf("push a writer [v1] %d", size), fmt.Sprintf("push a writer [v2] %d", size),
		fmt.Sprintf("pull a reader [v1] %d", size), "pull a reader [] 2", "mount b writer [] -1", "delete a admin [v1] -1", "delete a admin [] -1",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
