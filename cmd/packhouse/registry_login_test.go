package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
)

// atHome is somebody at a shell, with settings and docker's configuration of their own.
type atHome struct {
	t   *testing.T
	dir string
}

func newHome(t *testing.T) atHome {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	t.Setenv("PATH", dir) // without any credential helper
	return atHome{t, dir}
}

// run executes one command line and returns its exit code and what it says.
func (h atHome) run(args ...string) (code int, said string) {
	h.t.Helper()
	in := filepath.Join(h.dir, "password")
	if err := os.WriteFile(in, []byte("secret\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	stdin, err := os.Open(in)
	if err != nil {
		h.t.Fatal(err)
	}
	defer stdin.Close()
	var out, words bytes.Buffer
	code = run(h.t.Context(), &cli.App{Stdin: stdin, Stdout: &out, Stderr: &words, Env: []string{"HOME=" + h.dir, "CI=1"}, Now: time.Now}, args)
	return code, words.String() + out.String()
}

// login logs in at a server with further flags.
func (h atHome) login(server string, flags ...string) (code int, said string) {
	h.t.Helper()
	return h.run(append([]string{"registry", "login", server, "-u", "ci", "--password-stdin"}, flags...)...)
}

func registryDouble() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"repositories":[]}`))
	})
}

// TestLoginReplacesWhatWasStored: what one login was allowed to skip, the next one and what follows must not skip.
func TestLoginReplacesWhatWasStored(t *testing.T) {
	server := httptest.NewTLSServer(registryDouble())
	t.Cleanup(server.Close)
	name := server.Listener.Addr().String()
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t)
	unrelated, right := filepath.Join(h.dir, "unrelated.crt"), filepath.Join(h.dir, "right.crt")
	for path, der := range map[string][]byte{unrelated: ca.Chain[0].Raw, right: server.Certificate().Raw} {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const warning = "is not verified"
	if code, said := h.login(name, "--insecure"); code != cli.ExitOK || strings.Count(said, warning) != 1 {
		t.Fatalf("insecure: %d %s", code, said)
	}
	if code, said := h.run("pack", "ls"); code != cli.ExitOK || strings.Count(said, warning) != 1 {
		t.Errorf("a use of what was remembered: %d %s", code, said)
	}
	if code, said := h.run("pack", "ls", "--ca-file", unrelated); code != cli.ExitFailed || !strings.Contains(said, "not trusted") {
		t.Errorf("a CA for one command: %d %s", code, said)
	}
	for _, flags := range [][]string{{"--ca-file", unrelated}, {}} {
		if code, said := h.login(name, flags...); code != cli.ExitFailed || !strings.Contains(said, "not trusted") {
			t.Errorf("login with %v: %d %s", flags, code, said)
		}
	}
	if code, said := h.login(name, "--ca-file", right); code != cli.ExitOK || strings.Contains(said, "warning") {
		t.Errorf("the right CA: %d %s", code, said)
	}
	if code, said := h.run("pack", "ls"); code != cli.ExitOK || strings.Contains(said, "warning") {
		t.Errorf("after it: %d %s", code, said)
	}
	if code, said := h.login(name); code != cli.ExitFailed {
		t.Errorf("the CA of the login before: %d %s", code, said)
	}
	// What the vendor's CLI remembers is no reason either.
	vendor := `{"auths":{"` + name + `":{"insecure":true}}}`
	if err := os.WriteFile(filepath.Join(h.dir, ".spectro", "config.json"), []byte(vendor), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := h.login(name); code != cli.ExitFailed {
		t.Errorf("insecure for the vendor's CLI: %d %s", code, said)
	}
}

// TestLoginWithoutTLS verifies that plain HTTP is remembered until the next login.
func TestLoginWithoutTLS(t *testing.T) {
	server := httptest.NewServer(registryDouble())
	t.Cleanup(server.Close)
	name := server.Listener.Addr().String()
	h := newHome(t)
	const warning = "is not encrypted"
	if code, said := h.login("http://" + name); code != cli.ExitOK || strings.Contains(said, warning) {
		t.Fatalf("%d %s", code, said)
	}
	if code, said := h.run("pack", "ls"); code != cli.ExitOK || strings.Contains(said, warning) {
		t.Errorf("a use of it: %d %s", code, said)
	}
	if code, said := h.login(name); code != cli.ExitFailed || !strings.Contains(said, "plain HTTP") {
		t.Errorf("a login without http://: %d %s", code, said)
	}
}

// TestPlaintextIsSaidOnce: without a credential helper the password is stored as it is.
func TestPlaintextIsSaidOnce(t *testing.T) {
	server := httptest.NewTLSServer(registryDouble())
	t.Cleanup(server.Close)
	name := server.Listener.Addr().String()
	h := newHome(t)
	const warning = "passwords are stored unencrypted in "
	if code, said := h.login(name, "--insecure"); code != cli.ExitOK || !strings.Contains(said, warning+filepath.Join(h.dir, "docker", "config.json")) {
		t.Errorf("the first login: %d %s", code, said)
	}
	if code, said := h.login(name, "--insecure"); code != cli.ExitOK || strings.Contains(said, warning) {
		t.Errorf("the second one: %d %s", code, said)
	}
}

// TestLoginWithoutVerification verifies that login claims no more than the registry verified.
func TestLoginWithoutVerification(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(open.Close)
	secured := httptest.NewServer(registryDouble())
	t.Cleanup(secured.Close)
	redirecting := httptest.NewServer(http.RedirectHandler(open.URL+"/v2/", http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	for _, tc := range []struct {
		name   string
		server *httptest.Server
		code   int
		want   string
		stored bool
	}{
		{"a password", secured, cli.ExitOK, "logged in at", true},
		{"no password", open, cli.ExitOK, "asks for no password, so this one was stored without being verified", true},
		{"another server", redirecting, cli.ExitFailed, "redirects to", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHome(t)
			code, said := h.login(tc.server.URL)
			if code != tc.code || !strings.Contains(said, tc.want) || tc.server != secured && strings.Contains(said, "logged in") {
				t.Errorf("exit %d, want %d and %q: %s", code, tc.code, tc.want, said)
			}
			if _, err := os.Stat(filepath.Join(h.dir, "docker", "config.json")); (err == nil) != tc.stored {
				t.Errorf("stored: %v, want %t", err, tc.stored)
			}
		})
	}
}
