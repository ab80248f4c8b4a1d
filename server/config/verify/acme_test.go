package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
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
			document := fmt.Sprintf(
				"version: 0.1\nstorage: inmemory\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n    letsencrypt: {cachefile: %q, cafile: %q, hosts: [a.example.com]}\nauth: {htpasswd: {realm: r, path: %q}}\n",
				tc.cache,
				tc.ca,
				users,
			)
			loaded, err := config.Load(config.Source{Path: filepath.Join(dir, "my.yml"), Data: []byte(document)})
			if err != nil {
				t.Fatal(err)
			}
			problems := Run(t.Context(), loaded, Probes{})
			i := slices.IndexFunc(problems, func(p finding.Finding) bool {
				return p.Severity == finding.Refused && strings.HasPrefix(p.Key, "http.tls")
			})
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

// TestCertificatesInTheStorage: where account and certificates lie, and what is refused.
func TestCertificatesInTheStorage(t *testing.T) {
	const bucket = "{s3: {region: us-east-1, bucket: b}}"
	dir := t.TempDir()
	root := filepath.Join(dir, "data")
	files := fmt.Sprintf("{filesystem: {rootdirectory: %q}}", root)
	for name, tc := range map[string]struct {
		cache, storage  string
		folder, directs string
		severity        finding.Severity
		says            string // by the first problem of the key; empty: none
	}{
		"a directory":             {"/var/le", bucket, "", "/var/le", "", ""},
		"a directory beside":      {"le", bucket, "", filepath.Join(dir, "le"), finding.Note, "beside this file"},
		"a bucket":                {"storage:le-cache", bucket, "acme/le-cache", "", "", ""},
		"a file system":           {"storage:le.cache_2", files, "acme/le.cache_2", filepath.Join(root, "packhouse/v1/records/acme/le.cache_2"), "", ""},
		"memory":                  {"storage:le-cache", "inmemory", "", "", finding.Refused, "is gone when the server ends"},
		"nothing":                 {"storage:", bucket, "", "", finding.Refused, "names no folder of the storage"},
		"a way out":               {"storage:../blobs", files, "", "", finding.Refused, "names no folder of the storage"},
		"further down":            {"storage:a/b", bucket, "", "", finding.Refused, "names no folder of the storage"},
		"hidden":                  {"storage:.a", bucket, "", "", finding.Refused, "names no folder of the storage"},
		"capitals":                {"storage:LE", bucket, "", "", finding.Refused, "names no folder of the storage"},
		"a bucket to be read":     {"storage:le", "{s3: {region: us-east-1, bucket: b}, maintenance: {readonly: {enabled: true}}}", "acme/le", "", finding.Warning, "orders and renews nothing"},
		"a directory, and memory": {"/var/le", "inmemory", "", "/var/le", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			document := fmt.Sprintf(
				"version: 0.1\nstorage: %s\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n    letsencrypt: {cachefile: %q, hosts: [a.example.com]}\n",
				tc.storage,
				tc.cache,
			)
			loaded, err := config.Load(config.Source{Path: filepath.Join(dir, "my.yml"), Data: []byte(document)})
			const key = "http.tls.letsencrypt.cachefile"
			if tc.severity == finding.Refused {
				if err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), key) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := &loaded.Config
			if got := c.HTTP.TLS.LetsEncrypt.StorageFolder(); got != tc.folder {
				t.Errorf("folder %q", got)
			}
			if got := c.CertificateDirectory(); got != tc.directs {
				t.Errorf("directory %q", got)
			}
			i := slices.IndexFunc(loaded.Notices, func(p finding.Finding) bool { return p.Key == key })
			if (i >= 0) != (tc.says != "") ||
				i >= 0 &&
					(loaded.Notices[i].Severity != tc.severity || !strings.Contains(loaded.Notices[i].String(), tc.says)) {
				t.Errorf("%v", loaded.Notices)
			}
		})
	}
}

func TestExternalAccount(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("htpasswd", "")
	for _, tc := range []struct {
		name, keys, key, says string
	}{
		{"an account", fmt.Sprintf("eabkid: kid-1, eabkeyfile: %q", write("good", "c2VjcmV0LWtleQ==\n")), "", ""},
		{"no key", "eabkid: kid-1", "eabkeyfile", "is set without"},
		{"no key ID", "eabkeyfile: /k", "eabkid", "is set without"},
		{"a key that is not there", "eabkid: kid-1, eabkeyfile: /nowhere", "eabkeyfile", "not there"},
		{"a key that is none", fmt.Sprintf("eabkid: kid-1, eabkeyfile: %q", write("bad", "no key!")), "eabkeyfile", "no HMAC key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			document := fmt.Sprintf(
				"version: 0.1\nstorage: inmemory\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n    letsencrypt: {cachefile: le, %s, hosts: [a.example.com]}\nauth: {htpasswd: {realm: r, path: %q}}\n",
				tc.keys,
				users,
			)
			loaded, err := config.Load(config.Source{Path: filepath.Join(dir, "my.yml"), Data: []byte(document)})
			var problems config.Findings
			if !errors.As(err, &problems) && err == nil {
				problems = Run(t.Context(), loaded, Probes{})
			}
			i := slices.IndexFunc(problems, func(p finding.Finding) bool {
				return p.Severity == finding.Refused && strings.HasPrefix(p.Key, "http.tls")
			})
			switch {
			case tc.says == "" && i >= 0:
				t.Errorf("refused: %v", problems[i])
			case tc.says != "" && (i < 0 || problems[i].Key != "http.tls.letsencrypt."+tc.key || !strings.Contains(problems[i].String(), tc.says)):
				t.Errorf("want %s of %s in %v", tc.says, tc.key, problems)
			}
		})
	}
}
