package pages_test

import (
	"strings"
	"testing"

	"packhouse/server/packview/pages"
)

// TestCommandsNameThePrivateCA verifies that the commands of a pack work when pasted where clients must
// trust a private CA, and that the page says how to get its certificate.
func TestCommandsNameThePrivateCA(t *testing.T) {
	for url, want := range map[string]bool{
		"https://packs.example.com:5000": true, "https://[2001:db8::1]:5000": true,
		"https://proxy.example.com": false, "http://packs.example.com": false,
	} {
		s := newSite(t, "")
		s.push("nginx", "1.2.3")
		made, err := pages.New(pages.Options{View: s.view, Store: s.store, PublicURL: url, PrivateCA: func(host string) bool {
			return host == "packs.example.com" || host == "2001:db8::1"
		}})
		if err != nil {
			t.Fatal(err)
		}
		s.pages = made
		body := s.get("/packs/nginx").Body.String()
		_, host, _ := strings.Cut(url, "://")
		for _, command := range []string{
			"<code>packhouse pack pull nginx:1.2.3 . -r " + host + " --ca-file ca.crt</code>",
			"<code>oras pull " + host + "/spectro-packs/archive/nginx:1.2.3 --ca-file ca.crt</code>",
			"Run <code>packhouse cert export ca -o ca.crt</code> on the server",
		} {
			if got := strings.Contains(body, command); got != want {
				t.Errorf("%s: page contains %q: %t, want %t", url, command, got, want)
			}
		}
	}
}
