package apply

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestExternalAccount has a directory that signs only for accounts that its CA knows.
func TestExternalAccount(t *testing.T) {
	url, ca := answertest.Directory(
		t, strings.Replace(answertest.DirectoryBody, "{", `{"meta":{"externalAccountRequired":true},`, 1), http.StatusOK,
	)
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	good, open := answertest.WriteFile(t, []byte("c2VjcmV0LWtleQ==\n"), 0o600), answertest.WriteFile(t, []byte("c2VjcmV0LWtleQ"), 0o644)
	base := answer.Values{"tls": {"letsencrypt"}, "acme-directory": {url}, "acme-ca": {ca}, "addr": {":443"}}
	for _, tc := range []struct {
		name, kid, file, question, code string
	}{
		{"no account", "", "", "acme-eab-kid", setup.CodeEAB},
		{"no key", "kid-1", "", "acme-eab-key", setup.CodeMissing},
		{"a key that is not there", "kid-1", "/nowhere", "acme-eab-key", setup.CodeUnread},
		{"a key that is none", "kid-1", ca, "acme-eab-key", setup.CodeValue},
		{"a key for everyone", "kid-1", open, "acme-eab-key", setup.CodeOpenKey},
		{"an account", "kid-1", good, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags := answertest.InDir(base, dir)
			flags["acme-eab-kid"], flags["acme-eab-key-file"] = []string{tc.kid}, []string{tc.file}
			_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags})
			found := slices.ContainsFunc(findings, func(f finding.Finding) bool {
				return f.Severity == finding.Refused && f.Question == tc.question && f.Code == tc.code
			})
			if found != (tc.code != "") || !found && finding.AnyRefused(findings) {
				t.Errorf("findings %v, want %s of %s", findings, tc.code, tc.question)
			}
		})
	}
	flags := maps.Clone(base)
	flags["acme-eab-kid"], flags["acme-eab-key-file"] = []string{"kid-1"}, []string{good}
	install(t, m, dir, flags)
	in, err := installation.Load(dir)
	if err != nil || in.Problem != nil {
		t.Fatal(err, in.Problem)
	}
	if l := in.Config.HTTP.TLS.LetsEncrypt; l.EABKeyID != "kid-1" || l.EABKeyFile != good {
		t.Errorf("%+v", l)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}
	install(t, m, dir, answer.Values{"acme-eab-kid": {"kid-2"}})
	install(t, m, dir, answer.Values{"acme-eab-kid": {""}, "offline": {"true"}})
	if in, err = installation.Load(dir); err != nil || in.Config.HTTP.TLS.LetsEncrypt.EABKeyFile != "" {
		t.Errorf("%v: the account was not removed", err)
	}
}

// TestOrderingIsInstalled: the section is written, kept, changed key by key, and taken away; nothing else is made.
func TestOrderingIsInstalled(t *testing.T) {
	url, ca := answertest.Directory(t, answertest.DirectoryBody, http.StatusOK)
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	section := func() config.LetsEncrypt {
		t.Helper()
		in, err := installation.Load(dir)
		if err != nil || in.Problem != nil {
			t.Fatal(err, in.Problem)
		}
		if in.TLSMode() == string(setup.LetsEncrypt) && in.Config.HTTP.TLS.Certificate != "" {
			t.Error("both a certificate and an order")
		}
		return in.Config.HTTP.TLS.LetsEncrypt
	}
	flags := answer.Values{
		"tls":            {"letsencrypt"},
		"acme-directory": {url},
		"acme-ca":        {ca},
		"acme-email":     {"you@example.com"},
		"addr":           {":443"},
	}
	plan := install(t, m, dir, flags)
	l := section()
	if l.CacheFile != filepath.Join(dir, question.ACMECache) || l.Email != "you@example.com" ||
		!slices.Equal(l.Hosts, []string{"registry.example.com"}) ||
		l.DirectoryURL != url ||
		l.CAFile != ca {
		t.Errorf("%+v", l)
	}
	if _, err := os.Stat(filepath.Join(dir, installation.CertFile)); err == nil {
		t.Error("a certificate was made")
	}
	if line := plan.Resolved.CommandLine(); !strings.Contains(
		line, "--tls letsencrypt --acme-email you@example.com --acme-directory "+url,
	) ||
		strings.Contains(line, "--san") {
		t.Error(line)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}

	file := filepath.Join(dir, installation.ConfigFile)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(
		string(data), "hosts: [registry.example.com]",
		"hosts: [registry.example.com, other.example.com] # both\n      httpaddr: ':80'", 1,
	)
	if edited == string(data) {
		t.Fatalf("no hosts in\n%s", data)
	}
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	install(t, m, dir, answer.Values{"acme-email": {""}})
	if l := section(); l.Email != "" || len(l.Hosts) != 2 || l.HTTPAddr != ":80" {
		t.Errorf("after a change of one key: %+v", l)
	}
	install(t, m, dir, answer.Values{"hostname": {"new.example.com"}})
	if l := section(); !slices.Equal(
		l.Hosts, []string{"new.example.com", "registry.example.com", "other.example.com"},
	) {
		t.Errorf("after a change of the name: %v", l.Hosts)
	}
	install(t, m, dir, answer.Values{"tls": {"private-ca"}})
	if l := section(); l.Enabled() {
		t.Errorf("after it was taken away: %+v", l)
	}
	install(t, m, dir, flags)
	if l := section(); !l.Enabled() || l.DirectoryURL != url {
		t.Errorf("after it came back: %+v", l)
	}
}

// TestOrderingInABucket: where packs are in a bucket, account and certificates are too, for the servers that will be added; where they were kept before
// they stay.
func TestOrderingInABucket(t *testing.T) {
	url, ca := answertest.Directory(t, answertest.DirectoryBody, http.StatusOK)
	flags := answer.Values{"tls": {"letsencrypt"}, "acme-directory": {url}, "acme-ca": {ca}, "addr": {":443"}}
	m, _ := answertest.BucketMachine(t, "")
	cache := func(dir string) string {
		t.Helper()
		in, err := installation.Load(dir)
		if err != nil || in.Problem != nil {
			t.Fatal(err, in.Problem)
		}
		return in.Config.HTTP.TLS.LetsEncrypt.CacheFile
	}
	fresh, moved := filepath.Join(t.TempDir(), "packhouse"), filepath.Join(t.TempDir(), "packhouse")
	bucket := answertest.BucketFlags(t, "a-secret-of-the-bucket")
	install(t, m, moved, flags)
	install(t, m, moved, bucket)
	maps.Copy(bucket, flags)
	install(t, m, fresh, bucket)
	if text, err := os.ReadFile(filepath.Join(fresh, installation.ConfigFile)); err != nil ||
		!strings.Contains(string(text), "private keys and all") {
		t.Errorf("nobody is told where the private keys are: %v", err)
	}
	if got := cache(fresh); got != "storage:le-cache" {
		t.Errorf("in a bucket: %s", got)
	}
	if got := cache(moved); got != filepath.Join(moved, question.ACMECache) {
		t.Errorf("moved to a bucket: %s", got)
	}
}
