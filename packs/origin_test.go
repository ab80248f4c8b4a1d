package packs

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// bearer is a registry that sends its clients to a token server. It records what credentials arrive where.
type bearer struct {
	mu    sync.Mutex
	realm string
	seen  []string // Authorization headers and forms
	to    string   // where a pull is redirected; empty: nowhere
}

func (b *bearer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if header := r.Header.Get("Authorization"); header != "" {
		b.seen = append(b.seen, strings.Fields(header)[0]+" "+r.URL.Path)
	}
	if r.Method == http.MethodPost {
		b.seen = append(b.seen, "form "+r.FormValue("password")+r.FormValue("refresh_token"))
	}
	switch {
	case r.URL.Path == "/token":
		fmt.Fprint(w, `{"token":"t","access_token":"t"}`)
	case b.to != "" && r.URL.Path == "/v2/":
		http.Redirect(w, r, b.to, http.StatusTemporaryRedirect)
	case b.realm != "" && r.Header.Get("Authorization") != "Bearer t":
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+b.realm+`",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		fmt.Fprint(w, "{}")
	}
}

func (b *bearer) start(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(b)
	t.Cleanup(server.Close)
	return server
}

// TestPasswordStaysWithTheRegistry: a token server at another host, port or scheme gets no password.
func TestPasswordStaysWithTheRegistry(t *testing.T) {
	for _, tc := range []struct {
		name       string
		realm      func(registry, other *url.URL) string
		credential auth.Credential
		refused    bool
	}{
		{"another port", func(_, other *url.URL) string { return other.String() + "/token" }, auth.Credential{Username: "u", Password: "p"}, true},
		{"another host", func(_, other *url.URL) string { return "https://localhost:" + other.Port() + "/token" }, auth.Credential{Username: "u", Password: "p"}, true},
		{"the host by another name", func(registry, _ *url.URL) string { return "https://localhost:" + registry.Port() + "/token" }, auth.Credential{Username: "u", Password: "p"}, true},
		{"an identity token", func(_, other *url.URL) string { return other.String() + "/token" }, auth.Credential{RefreshToken: "r"}, true},
		{"the registry itself", func(registry, _ *url.URL) string { return registry.String() + "/token" }, auth.Credential{Username: "u", Password: "p"}, false},
		{"nobody is logged in", func(_, other *url.URL) string { return other.String() + "/token" }, auth.EmptyCredential, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			registry, other := &bearer{}, &bearer{}
			server, elsewhere := registry.start(t), other.start(t)
			at, _ := url.Parse(server.URL)
			there, _ := url.Parse(elsewhere.URL)
			registry.realm = tc.realm(at, there)
			c, err := NewClient(ClientOptions{Server: server.URL, Insecure: true, Credential: auth.StaticCredential(at.Host, tc.credential)})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Ping(t.Context())
			var f *Failure
			ours := errors.As(err, &f) && f.Code == CodeOtherRealm
			if tc.refused && !ours && !strings.Contains(fmt.Sprint(err), "blocked prefix") || !tc.refused && err != nil {
				t.Errorf("%v", err)
			}
			if len(other.seen) > 0 {
				t.Errorf("the other server was sent %v", other.seen)
			}
			if tc.refused && len(registry.seen) > 0 {
				t.Errorf("the registry was sent %v under another name", registry.seen)
			}
		})
	}
}

// TestRedirectLosesThePassword: to another port of the same host too, where net/http would keep it.
func TestRedirectLosesThePassword(t *testing.T) {
	registry, other := &bearer{}, &bearer{}
	server, elsewhere := registry.start(t), other.start(t)
	registry.to = elsewhere.URL + "/v2/"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("u", "p")
	c, err := NewClient(ClientOptions{Server: server.URL, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.auth.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if len(registry.seen) != 1 || len(other.seen) != 0 {
		t.Errorf("the registry was sent %v, the other server %v", registry.seen, other.seen)
	}
}
