package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// seen is a handler that only notes what reaches it.
type seen struct{ grants []auth.Grant }

func (s *seen) Serve(w http.ResponseWriter, _ *http.Request, g auth.Grant) error {
	s.grants = append(s.grants, g)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// methods are all that HTTP knows and one that it does not.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"}

// paths is one of every form that is served, some in other spellings, and some that are not.
func paths() []string {
	digest := digestOf("")
	id := strings.Repeat("0", 32)
	return []string{
		"/", "/health", "/health/", "/v1", "/v1/", "/v1/_catalog", "/v2", "/v2/", "/v2/_catalog", "/metrics", "/debug/pprof/", "/v3/",
		"/v2/a/b/tags/list", "/v2/a/b/tags/list/", "/v2/a/b/manifests/v1", "/v2/a/b/manifests/" + digest, "/v2/a/b/blobs/" + digest,
		"/v2/a/b/blobs/uploads/", "/v2/a/b/blobs/uploads", "/v2/a/b/blobs/uploads/" + id, "/v2/a/b/blobs/uploads/" + id + "?digest=" + digest,
		"/v2/a/b/blobs/uploads/?mount=" + digest + "&from=c", "/v2/a/b/blobs/uploads/?digest=" + digest, "/v2/a/b/referrers/" + digest,
		"/v1/a/tags/list", "/v1/a/tags/v1", "/v1/a/manifests/v1", "/v1/a/manifests/" + digest, "/v1/a/blobs/" + digest, "/v1/a/archives/v1",
		"/v1/a/blobs/" + digest + "?type=image/png", "/v1/a/tags/list?base=b", "/v1/a/archives/v1?force=true", "/v1/a/b/tags/list", "/v1/a/", "/v1/a",
		"/packs", "/packs/a", "/packs/a/v1", "/packs/a/v1/values", "/packs/a/v1/x", "/repositories", "/repositories/a/b", "/assets/style.css", "/favicon.ico",
		"/v2//manifests/v1", "/v2/a/../b/manifests/v1", "/v2/a%2fb/manifests/v1", "/v2/A/manifests/v1", "//v2/", "/v2/a/b/c", "/V2/",
	}
}

// TestEveryRouteIsGated walks every path × method × credentials through the whole server. Nothing reaches a handler that the sender's role
// does not permit, whatever it is called by; and nobody learns more than a status from a refusal.
func TestEveryRouteIsGated(t *testing.T) {
	f := newFixture(t, timeless, with(func(c *config.Config) { c.Log.Level = "error"; c.Auth.Htpasswd.Lockout.Attempts = 100 }))
	least := map[auth.Role][]route.Action{
		auth.Nobody: {route.Ping, route.PackPing, route.PageAsset},
		auth.Reader: {
			route.BlobRead, route.ManifestRead, route.TagList, route.Referrers, route.Catalog, route.PackCatalog, route.PackTagList, route.PackRead,
			route.PackFile, route.PackArchive, route.PagePacks, route.PagePack, route.PageRepositories, route.PageRepository,
		},
		auth.Writer: {
			route.UploadStart, route.UploadAppend, route.UploadFinish, route.UploadStatus, route.UploadCancel, route.ManifestWrite, route.PackPush,
			route.PackTagWrite,
		},
		auth.Admin: {route.BlobDelete, route.ManifestDelete, route.TagDelete, route.PackTagDelete},
	}
	needs := func(a route.Action) auth.Role {
		for role, actions := range least {
			if slices.Contains(actions, a) {
				return role
			}
		}
		t.Fatalf("action %q is served and not in this test", a)
		return auth.Admin
	}
	prober, probePassword, err := f.server.Probe("admin")
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []struct {
		name, user, password string
		known                bool
		role                 auth.Role
	}{
		{"nobody", "", "", false, auth.Nobody},
		{"reader", "spectro", readerPassword, true, auth.Reader},
		{"writer", "ci", writerPassword, true, auth.Writer},
		{"admin", "admin", adminPassword, true, auth.Admin},
		{"wrong password", "admin", "wrong", false, auth.Nobody},
		{"another's password", "admin", readerPassword, false, auth.Nobody},
		{"no such user", "ghost", adminPassword, false, auth.Nobody},
		{"probe", prober, probePassword, true, auth.Nobody},
	} {
		for _, method := range methods {
			for _, path := range paths() {
				t.Run(fmt.Sprintf("%s/%s %s", who.name, method, path), func(t *testing.T) {
					r := httptest.NewRequest("GET", "/", nil)
					r.Method = method
					u, err := r.URL.Parse("http://example.com" + path)
					if err != nil {
						t.Fatal(err)
					}
					r.URL = u
					if who.user != "" {
						r.SetBasicAuth(who.user, who.password)
					}
					var handled seen
					st := *f.server.current.Load()
					st.registry, st.packview, st.pages = &handled, &handled, &handled
					f.server.current.Store(&st)
					w := httptest.NewRecorder()
					f.server.ServeHTTP(w, r)

					req, err := route.Paths{}.Parse(r)
					want, reached := http.StatusNoContent, true
					var refusal *problem.Error
					switch {
					case errors.As(err, &refusal):
						want, reached = refusal.Status, false
					case req.Action == route.Health:
						want, reached = http.StatusOK, false
					case req.Action == route.PageRoot:
						// Everybody reaches it, signed in or not.
					case !who.known:
						want, reached = http.StatusUnauthorized, false
					case who.role < needs(req.Action) && !(who.name == "probe" && req.Repository.IsZero()):
						want, reached = http.StatusForbidden, false
					}
					if w.Code != want || (len(handled.grants) == 1) != reached {
						t.Errorf("%d, reached the handler: %v; want %d, %v", w.Code, len(handled.grants) == 1, want, reached)
					}
					if reached && (handled.grants[0].Request.Action != req.Action || handled.grants[0].Request.Repository != req.Repository) {
						t.Errorf("the handler got %+v, asked for was %+v", handled.grants[0].Request, req)
					}
				})
			}
		}
	}
}
