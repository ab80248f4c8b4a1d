package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/go-digest"
)

// hostile is a registry whose every text would steer a terminal.
type hostile struct {
	status int // of everything but the login; 0: it answers
}

const steering = "x\x1b]0;owned\x07\u009b2J\u202e\rerror: "

func (h hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	quoted, _ := json.Marshal(steering)
	w.Header().Set("Warning", `299 - "`+"x\u009b2J"+`"`) // Go refuses a header with an escape character
	w.Header().Set("Location", "/v2/x\u009b2J")
	refuse := func(status int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[{"code":%s,"message":%s,"detail":%s}]}`, quoted, quoted, quoted)
	}
	config := []byte("{}")
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":%q,"size":2},
		"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":2,"annotations":{"org.opencontainers.image.title":%s}}],
		"annotations":{"org.opencontainers.image.created":%s,"com.spectrocloud.message":%s}}`,
		digest.FromBytes(config), digest.FromBytes(config), quoted, quoted, quoted)
	switch {
	case h.status != 0:
		refuse(h.status)
	case r.URL.Path == "/v2/":
		fmt.Fprint(w, "{}")
	case r.URL.Path == "/health":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, `{"status":"DOWN","codes":[%s]}`, quoted)
	case strings.HasSuffix(r.URL.Path, "_catalog"):
		fmt.Fprintf(w, `{"repositories":["spectro-packs/archive/nginx",%s]}`, quoted)
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		fmt.Fprintf(w, `{"name":%s,"tags":["1.0.0",%s]}`, quoted, quoted)
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(manifest).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
		_, _ = w.Write(manifest)
	default:
		refuse(http.StatusTeapot)
	}
}

// TestNothingSteersTheTerminal: no command prints a control character that a registry sent.
func TestNothingSteersTheTerminal(t *testing.T) {
	shown := false
	for _, status := range []int{0, 400, 401, 403, 404, 418, 429, 507} {
		server := httptest.NewServer(hostile{status})
		t.Cleanup(server.Close)
		h := newHome(t)
		url := server.URL
		_, _ = h.run("registry", "login", url, "-u", "ci", "--password-stdin")
		for _, args := range [][]string{
			{"registry", "login", url, "-u", "ci", "--password-stdin"},
			{"pack", "ls", url},
			{"pack", "ls", url, "--json"},
			{"pack", "ls", "-r", url, "-n", "nginx"},
			{"pack", "ls", "-r", url, "-n", "nginx", "--json"},
			{"pack", "pull", "-r", url, "nginx:1.0.0", h.dir},
			{"pack", "pull", "-r", url, "nginx", h.dir},
			{"pack", "push", "-r", url, "../../packs/testdata/hello-1.2.3"},
			{"pack", "tag", "add", "-r", url, "nginx:1.0.0", "stable"},
			{"pack", "tag", "delete", "-r", url, "nginx:1.0.0"},
			{"registry", "logout", url},
			{"check", "--url", url, "--user", "ci", "--password-stdin"},
			{"check", "--url", url, "--user", "ci", "--password-stdin", "--json"},
		} {
			_, said := h.run(args...)
			if said == "" {
				t.Errorf("status %d, %v: prints nothing", status, args)
			}
			shown = shown || strings.Contains(said, "owned")
			if i := strings.IndexFunc(said, func(r rune) bool {
				return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
			}); i >= 0 {
				t.Errorf("status %d, %v: prints %q", status, args, said[max(0, i-80):min(len(said), i+20)])
			}
		}
	}
	if !shown {
		t.Error("no command prints the registry's text: the test verifies nothing")
	}
}
