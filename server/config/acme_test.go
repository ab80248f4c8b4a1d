package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
)

// TestVerifyLetsEncrypt: what a server that orders its certificates could not start or order with.
func TestVerifyLetsEncrypt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pem, text, users := write("ca.crt", string(ca.CertPEM())), write("text", "not PEM"), write("htpasswd", "")
	for name, tc := range map[string]struct{ cache, ca, key, says string }{
		"fine":                 {"le-cache", pem, "", ""},
		"a file for the cache": {"text", pem, "http.tls.letsencrypt.cachefile", "is not a directory"},
		"below a file":         {"text/le-cache", pem, "http.tls.letsencrypt.cachefile", "cannot be"},
		"no CA there":          {"le-cache", filepath.Join(dir, "nowhere"), "http.tls.letsencrypt.cafile", "not there"},
		"a CA that is not PEM": {"le-cache", text, "http.tls.letsencrypt.cafile", text},
		"a directory for a CA": {"le-cache", dir, "http.tls.letsencrypt.cafile", "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			document := fmt.Sprintf("version: 0.1\nstorage: inmemory\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n    letsencrypt: {cachefile: %q, cafile: %q, hosts: [a.example.com]}\nauth: {htpasswd: {realm: r, path: %q}}\n", tc.cache, tc.ca, users)
			loaded, err := Load(Source{Path: filepath.Join(dir, "my.yml"), Data: []byte(document)})
			if err != nil {
				t.Fatal(err)
			}
			problems := loaded.Verify(t.Context(), Probes{})
			i := slices.IndexFunc(problems, func(p Problem) bool { return p.Severity == Error && strings.HasPrefix(p.Key, "http.tls") })
			switch {
			case tc.says == "" && i >= 0:
				t.Errorf("refused: %v", problems[i])
			case tc.says != "" && (i < 0 || problems[i].Key != tc.key || !strings.Contains(problems[i].String(), tc.says)):
				t.Errorf("want %s of %s in %v", tc.says, tc.key, problems)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "le-cache")); err == nil {
		t.Error("verifying made the cache")
	}
}
