package config

import (
	"slices"
	"strings"
	"testing"
)

// TestUnsafeSettings verifies that settings which are valid and expose something are warned about,
// and that the safe form of each is not.
func TestUnsafeSettings(t *testing.T) {
	const (
		base    = "version: 0.1\nstorage: inmemory\n"
		secured = "auth: {htpasswd: {realm: r, path: $/htpasswd-basic}}\n"
		tls     = "tls: {certificate: $/tls.crt, key: $/tls.key"
		hook    = "notifications: {endpoints: [{name: n, url: '%', headers: {Authorization: [Bearer x]}}]}\n"
		probe   = "health: {http: [{uri: 'http://10.0.0.1/ready', headers: {X-Api-Key: [x]}}]}\n"
		local   = "http: {addr: 'localhost:5000'}\n"
		bucket  = "version: 0.1\nstorage: {s3: {region: r, bucket: b, regionendpoint: '%'}}\n" + local
	)
	names := func(tls, name, user string) string {
		return base + "http: {addr: ':5000', " + tls + "}\nauth: {htpasswd: {realm: r, path: $/htpasswd-basic, clientnames: {" + name + ": " + user + "}}}\n"
	}
	url := func(s, u string) string { return strings.ReplaceAll(s, "%", u) }
	for _, test := range []struct {
		name, document string
		want           []string // codes
	}{
		{"metrics on every address", base + "http: {addr: 'localhost:5000', debug: {addr: '0.0.0.0:5001'}}\n", []string{CodeDebugOpen}},
		{"metrics on an address", base + "http: {addr: 'localhost:5000', debug: {addr: '192.0.2.7:5001'}}\n", []string{CodeDebugOpen}},
		{"metrics on localhost", base + "http: {addr: 'localhost:5000', debug: {addr: ':5001'}}\n", nil},
		{"proxies: all IPv4", base + "http: {addr: 'localhost:5000', trustedproxies: [0.0.0.0/0]}\n", []string{CodeProxiesAll}},
		{"proxies: all IPv6", base + "http: {addr: 'localhost:5000', trustedproxies: ['::/0']}\n", []string{CodeProxiesAll}},
		{"proxies: two halves", base + "http: {addr: 'localhost:5000', trustedproxies: [0.0.0.0/1, 128.0.0.0/1]}\n", []string{CodeProxiesAll}},
		{"proxies: half and two quarters", base + "http: {addr: 'localhost:5000', trustedproxies: [128.0.0.0/1, 64.0.0.0/2, 0.0.0.0/2]}\n", []string{CodeProxiesAll}},
		{"proxies: one half", base + "http: {addr: 'localhost:5000', trustedproxies: [0.0.0.0/1]}\n", nil},
		{"proxies: private", base + "http: {addr: 'localhost:5000', trustedproxies: [10.0.0.0/8, 127.0.0.1]}\n", nil},
		{"client names not verified", names(tls+", clientcas: [$/ca.crt], clientauth: request-client-cert}", "ci", "admin"), []string{CodeClientNames}},
		{"client names of nobody", names(tls+", clientcas: [$/ca.crt]}", "ci", "adnim"), []string{CodeClientNames}},
		{"client names with a space", names(tls+", clientcas: [$/ca.crt]}", "'ci '", "admin"), []string{CodeClientNames}},
		{"client names", names(tls+", clientcas: [$/ca.crt], clientauth: verify-client-cert-if-given}", "ci", "admin"), nil},
		{"a leaf as client CA", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/other.crt]}}\n" + secured, []string{CodeClientCA}},
		{"the private CA as client CA", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/server-ca.crt]}}\n" + secured, []string{CodeClientCA}},
		{"a cipher suite with CBC", base + "http: {addr: ':5000', " + tls + ", ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]}}\n" + secured, []string{CodeCipherCBC}},
		{"plain passwords confirmed", base + "http: {addr: ':5000', insecure: true}\n" + secured, []string{CodePlainPasswords}},
		{"passwords behind a proxy", base + "http: {addr: ':5000', insecure: true, trustedproxies: [10.0.0.1]}\n" + secured, nil},
		{"webhook over http", url(base+local+hook, "http://hooks.example.com/"), []string{CodePlainCredentials}},
		{"webhook with credentials in its URL", base + local + "notifications: {endpoints: [{name: n, url: 'http://u:p@hooks.example.com/'}]}\n", []string{CodePlainCredentials}},
		{"webhook over https", url(base+local+hook, "https://hooks.example.com/"), nil},
		{"webhook on this machine", url(base+local+hook, "http://127.0.0.1:9000/"), nil},
		{"webhook without credentials", base + local + "notifications: {endpoints: [{name: n, url: 'http://hooks.example.com/', headers: {X-Environment: [test]}}]}\n", nil},
		{"probe over http", base + local + probe, []string{CodePlainCredentials}},
		{"bucket over http", url(bucket, "http://s3.example.com"), []string{CodePlainCredentials}},
		{"bucket on this machine", url(bucket, "http://127.0.0.1:9000"), nil},
		{"bucket over https", url(bucket, "https://s3.example.com"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			var got []string
			for _, f := range p.load(test.document).Verify(t.Context(), Probes{Listen: allFree}) {
				if f.Severity == Error || f.Code == CodeCertificate {
					continue
				}
				if f.Remedy == "" {
					t.Errorf("no remedy: %s", f)
				}
				if strings.Contains(f.String(), "Bearer x") || strings.Contains(f.String(), "u:p") {
					t.Errorf("shows a secret: %s", f)
				}
				got = append(got, f.Code)
			}
			if got = slices.Compact(got); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestValidationIsChecked(t *testing.T) {
	_, err := Load(Source{Path: "myconfig.yml", Data: []byte("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:5000'}\n" +
		"validation: {manifests: {urls: {allow: ['^https://a\\.example\\.com/'], deny: ['(']}}}\n")})
	if err == nil || !strings.Contains(err.Error(), "validation.manifests.urls.deny[0] is not a regular expression") {
		t.Errorf("Load = %v", err)
	}
}
