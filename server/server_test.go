package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"packhouse/server/config"
	"packhouse/server/health"
)

// TestOneWay walks a push and a pull through the whole server, over TLS and a real socket.
func TestOneWay(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]setting{
		"memory, plain": nil,
		"disk, TLS":     {onDisk, withTLS},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, settings...)
			base, client := f.run(), f.client()
			content := strings.Repeat("pack", 1<<18)
			digest := digestOf(content)

			a := f.ask(client, http.MethodPost, base+"/v2/team/app/blobs/uploads/?digest="+digest, "ci", strings.NewReader(content))
			if a.status != http.StatusCreated {
				t.Fatalf("push: %d %s", a.status, a.body)
			}
			a = f.ask(client, http.MethodGet, base+a.header.Get("Location"), "spectro", nil)
			if a.status != http.StatusOK || a.body != content {
				t.Fatalf("pull: %d, %d bytes", a.status, len(a.body))
			}
			if a = f.ask(client, http.MethodPost, base+"/v2/team/app/blobs/uploads/", "spectro", nil); a.status != http.StatusForbidden {
				t.Errorf("push of a reader: %d %s", a.status, a.body)
			}
			if a = f.ask(client, http.MethodDelete, base+"/v2/team/app/blobs/"+digest, "ci", nil); a.status != http.StatusForbidden {
				t.Errorf("deletion by a writer: %d %s", a.status, a.body)
			}
			if a = f.ask(client, http.MethodDelete, base+"/v2/team/app/blobs/"+digest, "admin", nil); a.status != http.StatusAccepted {
				t.Errorf("deletion by an admin: %d %s", a.status, a.body)
			}
			f.cancel()
			if err := <-f.ran; err != nil {
				t.Errorf("run: %v", err)
			}
			for _, secret := range passwords {
				if strings.Contains(f.log.String(), secret) {
					t.Errorf("the log holds a password:\n%s", f.log)
				}
			}
		})
	}
}

// TestAnswers looks at single answers of a server that does not listen.
func TestAnswers(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct {
		method, path, user string
		status             int
		header, value      string
		body               string
	}{
		{"GET", "/health", "", 200, health.InstanceHeader, f.server.Nonce(), `{"status":"UP"}`},
		{"HEAD", "/health", "", 200, "Content-Length", "15", ""},
		{"GET", "/v2/", "", 401, "Www-Authenticate", `Basic realm="basic-realm", charset="UTF-8"`, "UNAUTHORIZED"},
		{"GET", "/v1/", "", 401, "Www-Authenticate", `Basic realm="basic-realm", charset="UTF-8"`, "UNAUTHORIZED"},
		{"GET", "/v2/", "spectro", 200, "X-Content-Type-Options", "nosniff", "{}"},
		{"GET", "/v1/", "spectro", 200, "X-Frame-Options", "DENY", ""},
		{"GET", "/v1/_catalog", "spectro", 200, "", "", `"repositories":[]`},
		{"GET", "/v2/_catalog", "spectro", 200, "", "", `"repositories":[]`},
		{"GET", "/", "", 200, "Www-Authenticate", "", `href="/packs"`},
		{"HEAD", "/", "", 200, "Content-Type", "text/html; charset=utf-8", ""},
		{"POST", "/", "", 405, "Allow", "GET, HEAD", "UNSUPPORTED"},
		{"GET", "/packs", "", 401, "Www-Authenticate", `Basic realm="basic-realm", charset="UTF-8"`, "UNAUTHORIZED"},
		{"GET", "/packs", "spectro", 200, "X-Frame-Options", "DENY", "<!doctype html>"},
		{"GET", "/nothing", "spectro", 404, "X-Frame-Options", "DENY", "NOT_FOUND"},
		{"PUT", "/health", "", 405, "Allow", "GET, HEAD", "UNSUPPORTED"},
		{"GET", "/v2/a/manifests/x", "spectro", 404, "", "", "MANIFEST_UNKNOWN"},
	} {
		t.Run(tc.method+" "+tc.path+" "+tc.user, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.path, nil)
			if tc.user != "" {
				r.SetBasicAuth(tc.user, passwords[tc.user])
			}
			w := httptest.NewRecorder()
			f.server.ServeHTTP(w, r)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, tc.status, tc.body)
			}
			if tc.header != "" && w.Header().Get(tc.header) != tc.value {
				t.Errorf("%s is %q, want %q", tc.header, w.Header().Get(tc.header), tc.value)
			}
		})
	}
}

func TestFirstLine(t *testing.T) {
	f := newFixture(t, withTLS, with(func(c *config.Config) { c.HTTP.Addr = "127.0.0.1:0" }))
	line, _, _ := strings.Cut(f.log.String(), "\n")
	for _, want := range []string{"packhouse starts", f.path("myconfig.yml"), "htpasswd " + f.path("htpasswd"), f.path("tls.crt"), "storage=inmemory", "address=127.0.0.1:0"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in the first line: %s", want, line)
		}
	}
}

func TestWhatKeepsAServerFromStarting(t *testing.T) {
	f := newFixture(t)
	for name, change := range map[string]func(*config.Config){
		"no users file":  func(c *config.Config) { c.Auth.Htpasswd.Path = f.path("nowhere") },
		"no certificate": func(c *config.Config) { c.HTTP.TLS.Certificate, c.HTTP.TLS.Key = f.path("no.crt"), f.path("no.key") },
		"foreign driver": func(c *config.Config) { c.Storage.Driver = "azure" },
		"store is a file": func(c *config.Config) {
			c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, f.path("htpasswd")
		},
		"bad rule": func(c *config.Config) { c.Auth.Htpasswd.Rules = []config.Rule{{Repositories: "a//b", Role: "reader"}} },
	} {
		t.Run(name, func(t *testing.T) {
			c := *f.server.current.Load().config
			change(&c)
			s, err := New(t.Context(), Options{Config: &c, LogTo: &logBuffer{}})
			if err == nil {
				_ = s.Shutdown(t.Context())
				t.Fatal("it started")
			}
			t.Log(err)
		})
	}
}

// TestPlainSiteOfTheSameHost: over HTTPS, a page of http:// on the same host is
// one of another site.
func TestPlainSiteOfTheSameHost(t *testing.T) {
	f := newFixture(t)
	for origin, want := range map[string]int{"http://localhost": 403, "https://localhost": 202, "": 202} {
		r := httptest.NewRequest("POST", "https://localhost/v2/team/app/blobs/uploads/", nil)
		r.SetBasicAuth("ci", passwords["ci"])
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		if f.server.ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %q: %d, want %d", origin, w.Code, want)
		}
	}
}

// TestOtherSitesChangeNothing verifies that a browser changes nothing for a page of another site: it sends stored
// credentials along, and without authentication it needs none. Clients other than browsers send neither header.
func TestOtherSitesChangeNothing(t *testing.T) {
	digest := digestOf("")
	for name, f := range map[string]*fixture{
		"htpasswd": newFixture(t),
		"none":     newFixture(t, with(func(c *config.Config) { c.Auth = config.Auth{Method: config.AuthNone} })),
	} {
		for _, tc := range []struct {
			header, value string
			refused       bool
		}{
			{"", "", false},
			{"Sec-Fetch-Site", "same-origin", false},
			{"Sec-Fetch-Site", "none", false},
			{"Sec-Fetch-Site", "cross-site", true},
			{"Sec-Fetch-Site", "same-site", true},
			{"Origin", "https://elsewhere.example.com", true},
			{"Origin", "http://localhost:8080", true},
			{"Origin", "null", true},
			{"Origin", "http://localhost", false},
		} {
			for _, request := range []struct {
				method, path string
				status       int
			}{
				{"POST", "/v2/team/app/blobs/uploads/", 202},
				{"POST", "/v2/team/app/blobs/uploads/?digest=" + digest, 201},
				{"PATCH", "/v2/team/app/blobs/uploads/" + strings.Repeat("0", 32), 404},
				{"PUT", "/v2/team/app/manifests/v1", 400},
				{"PUT", "/v1/nginx/archives/1.0.0", 422},
				{"PUT", "/v1/nginx/tags/stable", 400},
				{"DELETE", "/v2/team/app/manifests/v1", 404},
				{"DELETE", "/v1/nginx/tags/stable", 404},
				{"GET", "/v2/_catalog", 200},
			} {
				want := request.status
				if tc.refused && request.method != "GET" {
					want = 403
				}
				r := httptest.NewRequest(request.method, "http://localhost"+request.path, nil)
				if name == "htpasswd" {
					r.SetBasicAuth("admin", passwords["admin"])
				}
				if tc.header != "" {
					r.Header.Set(tc.header, tc.value)
				}
				w := httptest.NewRecorder()
				if f.server.ServeHTTP(w, r); w.Code != want {
					t.Errorf("%s: %s %s with %s %s: %d %s, want %d", name, request.method, request.path, tc.header, tc.value, w.Code, w.Body, want)
				}
			}
		}
	}
}
