package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGeneratedConfigurationStartsDistribution: whatever setup writes starts
// both servers, on the same directory and with the same users.
func TestGeneratedConfigurationStartsDistribution(t *testing.T) {
	need(t, "registry")
	for name, flags := range map[string][]string{
		"private CA":  nil,
		"self-signed": {"--tls", "self-signed", "--key-type", "rsa-2048"},
		"plain HTTP":  {"--tls", "off"},
		"debugging":   {"--log-level", "debug", "--realm", "two words: 100% #1, yes"},
		"in memory":   {"--storage", "inmemory", "--confirm-inmemory", "--storage-path", ""},
	} {
		t.Run(name, func(t *testing.T) {
			startsBoth(t, install(t, flags...))
		})
	}
}

// everything is a file with all keys that are ours and can be used with a
// store on disk and certificates from files.
const everything = `version: 0.1
log:
  level: info
  formatter: json
  fields: {service: registry}
  audit: {path: %[1]s/audit.log}
storage:
  filesystem: {rootdirectory: %[1]s/data}
  cache: {blobdescriptor: inmemory}
  delete: {enabled: true}
  redirect: {disable: true, proxybelow: 0}
  maintenance:
    uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false}
    gc: {interval: 24h, window: 2h, untagged: never}
    scrub: {interval: 168h, rate: 20MiB}
http:
  addr: %[2]s
  insecure: true
  draintimeout: 10s
  limits: {uploadsperuser: 32, connections: 10000, requests: 1200, headerbytes: 64KiB, stalltimeout: 60s,
    bodystalltimeout: 5m, bodyrate: 128}
  trustedproxies: [10.0.0.0/8]
  headers:
    X-Content-Type-Options: [nosniff]
  tls:
    certificate: %[1]s/certs/tls.crt
    key: %[1]s/certs/tls.key
    clientcas: [%[1]s/certs/ca.crt]
    clientauth: verify-client-cert-if-given
    minimumtls: tls1.2
auth:
  htpasswd:
    realm: packhouse
    path: %[1]s/auth/htpasswd-basic
    roles: {admin: [admin], writer: [builder]}
    rules:
      - {repositories: "team-a/**", users: [spectro], role: writer}
    lockout: {attempts: 10, window: 5m, delay: 1s, maxdelay: 5m}
    clientnames: {ci.example.com: builder}
packs: {base: team, overwrite: deny}
validation: {manifests: {sparse: allow}}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: %[1]s/maintenance, interval: 10s}]
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: nobody, url: "http://127.0.0.1:1/", timeout: 1s, threshold: 3, backoff: 1s, ignore: {actions: [pull]}}
`

// elsewhere are keys of ours that need a bucket or an ACME directory.
var elsewhere = []string{"storage.s3.", "http.tls.letsencrypt."}

// TestOwnKeysStartDistribution: keys of ours stand where CNCF distribution
// ignores them. The reference says which there are, so that none is forgotten.
func TestOwnKeysStartDistribution(t *testing.T) {
	need(t, "registry")
	in := install(t)
	file := fmt.Sprintf(everything, in.dir, in.addr)
	if err := os.WriteFile(in.configuration(), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours := regexp.MustCompile("(?m)^\\| `([a-z0-9.\\[\\]]+)` \\\\\\*").FindAllSubmatch(reference, -1)
	if len(ours) < 20 {
		t.Fatalf("the reference marks only %d keys as ours", len(ours))
	}
keys:
	for _, match := range ours {
		key := string(match[1])
		for _, prefix := range elsewhere {
			if strings.HasPrefix(key, prefix) {
				continue keys
			}
		}
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !regexp.MustCompile(`\b` + name + `:`).MatchString(file) {
			t.Errorf("%s is not in the file that is tried", key)
		}
	}
	startsBoth(t, in)
}

// startsBoth demands that packhouse and CNCF distribution start with one file
// and know its users.
func startsBoth(t *testing.T, in *installation) {
	t.Helper()
	client := in.client()
	for _, start := range []func() *server{in.serve, in.serveDistribution, in.serve} {
		s := start()
		for user, want := range map[string]int{"": http.StatusUnauthorized, admin: http.StatusOK, reader: http.StatusOK} {
			got, err := in.request(client, user, http.MethodGet, "/v2/", nil)
			if err != nil || got.status != want {
				t.Errorf("%s: user %q: %d, want %d: %v", filepath.Base(s.cmd.Path), user, got.status, want, err)
			}
		}
		client.CloseIdleConnections()
		s.stop()
	}
}
