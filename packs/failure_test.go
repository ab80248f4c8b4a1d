package packs

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// TestRefusals gives each refusal the words that help.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		code   string
		want   string
	}{
		{"reader", http.StatusForbidden, "DENIED", CodeForbidden},
		{"locked out", http.StatusTooManyRequests, "TOOMANYREQUESTS", CodeLockedOut},
		{"full", http.StatusInsufficientStorage, "DISK_FULL", CodeFull},
		{"proxy", http.StatusRequestEntityTooLarge, "", CodeRefusedByIt},
		{"no registry", http.StatusNotFound, "", CodeNotRegistry},
		{"broken", http.StatusNotImplemented, "UNSUPPORTED", CodeRefusedByIt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDouble(t)
			d.refuse = func(r *http.Request) (int, string, string) {
				if r.Method == http.MethodPost {
					return tc.status, tc.code, "because\x1b[2J"
				}
				return 0, "", ""
			}
			_, err := d.client(nil).Push(t.Context(), PushOptions{Dir: "testdata/hello-1.2.3"})
			if f := failureOf(t, err); f.Code != tc.want || strings.ContainsRune(f.What, 0x1b) || tc.code != "" && !strings.Contains(f.What, "because") {
				t.Errorf("%s: %q", f.Code, f.What)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	d := newDouble(t)
	d.user = "ci:right"
	if err := d.client(nil).Ping(t.Context()); err != nil {
		t.Errorf("the right password: %v", err)
	}
	mustPush(t, d.client(nil), PushOptions{Dir: "testdata/hello-1.2.3"})
	d.user = "ci:wrong"
	wrong := d.client(nil)
	d.user = "ci:right"
	if f := failureOf(t, wrong.Ping(t.Context())); f.Code != CodeNotLoggedIn || strings.Contains(f.Error(), "wrong") {
		t.Errorf("a wrong password: %s: %s", f.Code, f.What)
	}
	nobody := d.client(func(o *ClientOptions) { o.Credential = nil })
	if f := failureOf(t, nobody.Ping(t.Context())); f.Code != CodeNotLoggedIn || !strings.Contains(f.What, "not logged in") {
		t.Errorf("no password: %s: %s", f.Code, f.What)
	}
}

func TestConnections(t *testing.T) {
	secured := newDouble(t)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	circling := httptest.NewServer(http.RedirectHandler("/v2/", http.StatusTemporaryRedirect))
	t.Cleanup(circling.Close)
	redirecting := httptest.NewServer(http.RedirectHandler(secured.URL+"/v2/", http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	ping := func(o ClientOptions) error {
		c, err := NewClient(o)
		if err != nil {
			return err
		}
		return c.Ping(t.Context())
	}
	address := strings.TrimPrefix(secured.URL, "https://")
	_, port, _ := net.SplitHostPort(address)
	pem := certificatePEM(secured.Certificate().Raw)
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"untrusted", ping(ClientOptions{Server: address}), CodeUntrusted},
		{"other name", ping(ClientOptions{Server: "localhost:" + port, CAs: [][]byte{pem}}), CodeOtherName},
		{"nothing listens", ping(ClientOptions{Server: closed}), CodeServerRefused},
		{"plain HTTP", ping(ClientOptions{Server: strings.TrimPrefix(plain.URL, "http://")}), CodeServerPlain},
		{"TLS wanted", ping(ClientOptions{Server: "http://" + address}), CodeServerTLS},
		{"sent to TLS", ping(ClientOptions{Server: redirecting.URL}), CodeServerTLS},
		{"redirects in circles", ping(ClientOptions{Server: circling.URL}), CodeNotRegistry},
		{"no such name", ping(ClientOptions{Server: strings.Repeat("x", 64) + ".invalid"}), CodeServerUnknown}, // too long for anybody to be asked
		{"no name", ping(ClientOptions{Server: "https://"}), CodeServerName},
		{"a path", ping(ClientOptions{Server: "https://h/team/spectro-packs/archive"}), CodeServerName},
		{"bad base", ping(ClientOptions{Server: "h", Base: "Team"}), CodeServerName},
		{"no CA", ping(ClientOptions{Server: address, CAs: [][]byte{[]byte("nothing")}}), CodeCAFile},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f := failureOf(t, tc.err); f.Code != tc.want {
				t.Errorf("%s: %s (%v)", f.Code, f.What, f.Err)
			}
		})
	}
	if err := ping(ClientOptions{Server: "https://" + address + "/", CAs: [][]byte{pem}}); err != nil {
		t.Errorf("trusted: %v", err)
	}
	if err := ping(ClientOptions{Server: plain.URL}); err != nil {
		t.Errorf("plain HTTP, as asked for: %v", err)
	}
}

// TestLoginAfterRedirect verifies that the password is not blamed for the refusal of a server that never
// received it.
func TestLoginAfterRedirect(t *testing.T) {
	received := ""
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received += r.Header.Get("Authorization")
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.RedirectHandler(other.URL+"/v2/", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	c, err := NewClient(ClientOptions{Server: server.URL, Credential: auth.StaticCredential(server.Listener.Addr().String(), auth.Credential{Username: "ci", Password: "secret"})})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := errors.AsType[*Failure](c.Ping(t.Context()))
	if !ok || f.Code != CodeOtherRealm || !strings.Contains(f.What, other.Listener.Addr().String()) || received != "" {
		t.Errorf("Ping: %v, want %s; received %q, want no password", f, CodeOtherRealm, received)
	}
}

// TestLibraryTexts verifies that errors of libraries are explained in the words of this program.
func TestLibraryTexts(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	for _, tc := range []struct {
		text string
		code string
		want string
	}{
		{`bearer realm "http://x" uses http but registry used https`, CodeOtherRealm, "token server"},
		{`bearer realm host "x" is 10.0.0.1, in blocked prefix 10.0.0.0/8`, CodeOtherRealm, "internal address"},
		{`GET "https://x/v2/a": mismatch Content-Length`, CodeOtherContent, "does not match its digest"},
		{`GET "https://x/v2/_catalog": failed to decode response: unexpected EOF`, CodeNotRegistry, "too large to read"},
		{`bearer realm "https://x/other" is redirected to: in blocked prefix`, CodeOtherRealm, "redirects to"},
		{`GET "https://x/token": failed to decode response: bad`, CodeNotRegistry, "other than the JSON"},
		{`failed to parse bearer realm "::bad": parse "::bad": missing protocol scheme`, CodeOtherRealm, "is invalid"},
		{`GET "https://x/v2/": empty token returned`, CodeRefusedByIt, "without a token"},
		{
			`GET "https://x/v2/a": invalid response Content-Type header; mime: no media type`,
			CodeNotRegistry, "other than the JSON",
		},
		{`Get "https://x/v2/": malformed MIME header line: x`, CodeNotRegistry, "other than HTTP"},
		{`GET "https://x/v2/": the sky fell`, CodeRefusedByIt, "failed: the sky fell"},
	} {
		f := failureOf(t, c.explain(errors.New(tc.text)))
		if f.Code != tc.code || !strings.Contains(f.What, tc.want) || f.Remedy == "" || f.Err == nil {
			t.Errorf("%s: %s: %q", tc.text, f.Code, f.What)
		}
		for _, raw := range []string{"realm", "prefix", "mismatch", "decode", "MIME", "GET", "talk"} {
			if strings.Contains(f.What, raw) {
				t.Errorf("%s: %q has the text of the library", tc.text, f.What)
			}
		}
	}
	full := &fs.PathError{Op: "write", Path: "/x/archive", Err: syscall.ENOSPC}
	if err := c.explain(full); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "/x/archive") {
		t.Errorf("a full disk of this machine: %v", err)
	}
}
