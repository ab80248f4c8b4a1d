package s3

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/server/config"
)

// TestKeysComeFromTheUsualPlaces looks at how a request is signed: with the keys of the configuration, else those of the variables or the file that
// every AWS tool reads.
func TestKeysComeFromTheUsualPlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = filekey\naws_secret_access_key = s\n[other]\naws_access_key_id = otherkey\naws_secret_access_key = s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variables map[string]string
		change    func(*config.S3Storage)
		key       string
		token     string
	}{
		"configuration": {map[string]string{"AWS_ACCESS_KEY_ID": "envkey", "AWS_SECRET_ACCESS_KEY": "s"}, func(*config.S3Storage) {}, "key", ""},
		"session token": {nil, func(c *config.S3Storage) { c.SessionToken = "tok" }, "key", "tok"},
		"variables": {
			map[string]string{"AWS_ACCESS_KEY_ID": "envkey", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "envtok"},
			func(c *config.S3Storage) { c.AccessKey, c.SecretKey = "", "" }, "envkey", "envtok",
		},
		"file":    {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file}, func(c *config.S3Storage) { c.AccessKey, c.SecretKey = "", "" }, "filekey", ""},
		"profile": {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "other"}, func(c *config.S3Storage) { c.AccessKey, c.SecretKey = "", "" }, "otherkey", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"} {
				t.Setenv(v, c.variables[v])
			}
			f := startFake(t, newMemoryBucket())
			cfg := f.config()
			c.change(&cfg)
			client, err := newClient(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.list(t.Context(), "", "", 1, false); err != nil {
				t.Fatal(err)
			}
			sent := f.requests("ListObjectsV2")[0].Header
			if !strings.Contains(sent.Get("Authorization"), "Credential="+c.key+"/") || sent.Get("X-Amz-Security-Token") != c.token {
				t.Errorf("signed %s with token %q", sent.Get("Authorization"), sent.Get("X-Amz-Security-Token"))
			}
		})
	}
}

// TestWhoIsTrusted asks an engine whose certificate is of a CA of its own.
func TestWhoIsTrusted(t *testing.T) {
	f := &fakeEngine{t: t, b: newMemoryBucket()}
	secure := httptest.NewUnstartedServer(f)
	secure.Config.ErrorLog = quietTLS(t, http.NotFoundHandler()).Config.ErrorLog
	secure.StartTLS()
	t.Cleanup(secure.Close)
	f.url = secure.URL
	ca := writeCA(t, secure)
	for name, c := range map[string]struct {
		change func(*config.S3Storage)
		bundle string
		ok     bool
	}{
		"nobody":     {func(*config.S3Storage) {}, "", false},
		"cafile":     {func(c *config.S3Storage) { c.CAFile = ca }, "", true},
		"AWS's":      {func(*config.S3Storage) {}, ca, true},
		"skipverify": {func(c *config.S3Storage) { c.SkipVerify = true }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_CA_BUNDLE", c.bundle)
			cfg := f.config()
			cfg.MaxRetries = 1
			c.change(&cfg)
			client, err := newClient(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.list(t.Context(), "", "", 1, false); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
