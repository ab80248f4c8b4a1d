package verify

import (
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
)

// TestUnsafeSettings verifies that settings which are valid and expose something are warned about,
// and that the safe form of each is not.
func TestUnsafeSettings(t *testing.T) {
	const (
		base    = "version: 0.1\nstorage: inmemory\n"
		secured = "auth: {htpasswd: {realm: r, path: $/htpasswd-basic}}\n"
		tls     = "tls: {certificate: $/tls.crt, key: $/tls.key"
		host    = "host: 'https://registry.example.com'"
		hook    = "notifications: {endpoints: [{name: n, url: '%', headers: {Authorization: [Bearer x]}}]}\n"
		probe   = "health: {http: [{uri: 'http://10.0.0.1/ready', headers: {X-Api-Key: [x]}}]}\n"
		local   = "http: {addr: 'localhost:5000'}\n"
		bucket  = "version: 0.1\nstorage: {s3: {region: r, bucket: b, regionendpoint: '%'}}\n" + local
	)
	headers := func(given string) string {
		return base + "http: {addr: ':5000', headers: {" + given + "}, " + tls + "}}\n" + secured
	}
	lockout := func(given string) string {
		return base + local + "auth: {htpasswd: {realm: r, path: $/htpasswd-basic, lockout: {" + given + "}}}\n"
	}
	rule := func(repositories, users, role string) string {
		return base + local + "auth: {htpasswd: {realm: r, path: $/htpasswd-basic, rules: [{repositories: '" + repositories + "', users: ['" + users + "'], role: " + role + "}]}}\n"
	}
	at := func(given string) string { return base + "http: {addr: 'localhost:5000', " + given + "}\n" }
	const bundle = base + "http: {addr: ':5000', " + tls + ", clientcas: [$/bundle.crt]}}\n"
	limits := func(given string) string {
		return base + "http: {addr: 'localhost:5000', limits: {" + given + "}}\n"
	}
	names := func(tls, name, user string) string {
		return base + "http: {addr: ':5000', " + tls + "}\nauth: {htpasswd: {realm: r, path: $/htpasswd-basic, clientnames: {" + name + ": " + user + "}}}\n"
	}
	url := func(s, u string) string { return strings.ReplaceAll(s, "%", u) }
	for _, test := range []struct {
		name, document string
		want           []string // codes
	}{
		{"metrics on every address", at("debug: {addr: '0.0.0.0:5001'}"), []string{config.CodeDebugOpen}},
		{"metrics on an address", at("debug: {addr: '192.0.2.7:5001'}"), []string{config.CodeDebugOpen}},
		{"metrics on localhost", at("debug: {addr: ':5001'}"), nil},
		{"proxies: all IPv4", at("trustedproxies: [0.0.0.0/0]") + secured, []string{config.CodeProxiesAll}},
		{"proxies: all IPv6", at("trustedproxies: ['::/0']") + secured, []string{config.CodeProxiesAll}},
		{"proxies: two halves", at("trustedproxies: [0.0.0.0/1, 128.0.0.0/1]") + secured, []string{config.CodeProxiesAll}},
		{"proxies: half and two quarters", at("trustedproxies: [128.0.0.0/1, 64.0.0.0/2, 0.0.0.0/2]") + secured, []string{config.CodeProxiesAll}},
		{"proxies: all IPv4 mapped to IPv6", at("trustedproxies: ['::ffff:0:0/96']") + secured, []string{config.CodeProxiesAll}},
		{"proxies: IPv4 halves mapped to IPv6", at("trustedproxies: ['::ffff:0:0/97', '::ffff:128.0.0.0/97']") + secured, []string{config.CodeProxiesAll}},
		{"proxies: all public IPv6", at("trustedproxies: ['2000::/3']") + secured, []string{config.CodeProxiesAll}},
		{"proxies: a network mapped to IPv6", at("trustedproxies: ['::ffff:10.0.0.0/104']") + secured, nil},
		{"proxies: one half", at("trustedproxies: [0.0.0.0/1]") + secured, nil},
		{"proxies: private", at("trustedproxies: [10.0.0.0/8, 127.0.0.1]") + secured, nil},
		{"a proxy on this machine without http.host", at("trustedproxies: [127.0.0.1]"), []string{config.CodeOpen, config.CodeProxiesHost}},
		{"a proxy on this machine", at(host + ", trustedproxies: [127.0.0.1]"), []string{config.CodeOpen}},
		{"a public name without a password", at(host), []string{config.CodeOpen}},
		{"a public name of a socket without a password", base + "http: {net: unix, addr: $/s, " + host + "}\n", []string{config.CodeOpen}},
		{"a local name without a password", at("host: 'http://localhost:5000'"), nil},
		{"a proxy with passwords", at("trustedproxies: [127.0.0.1]") + secured, nil},
		{"a public name over http", at("host: 'http://registry.example.com'") + secured, []string{config.CodePlainPasswords}},
		{"a public name over https", at(host) + secured, nil},
		{"very many client CAs", bundle + secured, []string{config.CodeClientCABundle}},
		{"very many client CAs and no password", bundle, []string{config.CodeClientCABundle}},
		{"no type policy", headers("X-Content-Type-Options: []"), []string{config.CodeHeadersRemoved}},
		{"lockout: a day", lockout("attempts: 1, delay: 24h, maxdelay: 24h"), []string{config.CodeLockoutLong}},
		{"lockout: an hour", lockout("attempts: 1, delay: 1s, maxdelay: 1h"), nil},
		{"limits: stalled bodies", limits("bodystalltimeout: 100h"), []string{config.CodeLimitsHigh}},
		{"limits: no rate", limits("bodyrate: 0"), []string{config.CodeLimitsHigh}},
		{"client names not verified", names(tls+", clientcas: [$/ca.crt], clientauth: request-client-cert}", "ci", "admin"), []string{config.CodeClientNames}},
		{"client names of nobody", names(tls+", clientcas: [$/ca.crt]}", "ci", "adnim"), []string{config.CodeClientNames}},
		{"client names with a space", names(tls+", clientcas: [$/ca.crt]}", "'ci '", "admin"), []string{config.CodeClientNames}},
		{"client names", names(tls+", clientcas: [$/ca.crt], clientauth: verify-client-cert-if-given}", "ci", "admin"), nil},
		{"a leaf as client CA", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/other.crt]}}\n" + secured, []string{config.CodeClientCA}},
		{"the private CA as client CA", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/server-ca.crt]}}\n" + secured, []string{config.CodeClientCA}},
		{"a cipher suite with CBC", base + "http: {addr: ':5000', " + tls + ", ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]}}\n" + secured, []string{config.CodeCipherCBC}},
		{"plain passwords confirmed", base + "http: {addr: ':5000', insecure: true}\n" + secured, []string{config.CodePlainPasswords}},
		{"passwords behind a proxy", base + "http: {addr: ':5000', insecure: true, trustedproxies: [10.0.0.1]}\n" + secured, nil},
		{"webhook over http", url(base+local+hook, "http://hooks.example.com/"), []string{config.CodePlainCredentials}},
		{"webhook with credentials in its URL", base + local + "notifications: {endpoints: [{name: n, url: 'http://u:p@hooks.example.com/'}]}\n", []string{config.CodePlainCredentials}},
		{"webhook over https", url(base+local+hook, "https://hooks.example.com/"), nil},
		{"webhook on this machine", url(base+local+hook, "http://127.0.0.1:9000/"), nil},
		{"webhook without credentials", base + local + "notifications: {endpoints: [{name: n, url: 'http://hooks.example.com/', headers: {X-Environment: [test]}}]}\n", nil},
		{"probe over http", base + local + probe, []string{config.CodePlainCredentials}},
		{"webhook with a token in its URL", base + local + "notifications: {endpoints: [{name: n, url: 'http://hooks.example.com/?token=u:p'}]}\n", []string{config.CodePlainCredentials}},
		{"webhook with a parameter", base + local + "notifications: {endpoints: [{name: n, url: 'http://hooks.example.com/?site=a'}]}\n", nil},
		{"probe with a token in its URL", base + local + "health: {http: [{uri: 'http://10.0.0.1/ready?api_key=u:p'}]}\n", []string{config.CodePlainCredentials}},
		{"any client certificate", base + "http: {addr: ':5000', " + tls + ", clientauth: require-any-client-cert}}\n" + secured, []string{config.CodeClientAuth}},
		{"client certificates that are not verified", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/ca.crt], clientauth: request-client-cert}}\n" + secured, []string{config.CodeClientAuth}},
		{"client certificates", base + "http: {addr: ':5000', " + tls + ", clientcas: [$/ca.crt], clientauth: require-and-verify-client-cert}}\n" + secured, nil},
		{"every user an admin", rule("team/**", "*", "admin"), []string{config.CodeRulesNoReader, config.CodeRoleEveryone}},
		{"rules that only add a writer", rule("team/**", "alice", "writer"), []string{config.CodeRulesNoReader}},
		{"rules that restrict readers", rule("public/**", "*", "reader"), []string{config.CodeRulesSomeReader}},
		{"every user a writer", rule("**", "*", "writer"), []string{config.CodeRoleEveryone}},
		{"every user a writer of some", rule("team/**", "*", "writer"), []string{config.CodeRulesNoReader}},
		{"every user a reader", rule("**", "*", "reader"), nil},
		{"one admin", rule("**", "admin", "admin"), []string{config.CodeRulesNoReader}},
		{"a plain origin", headers("Access-Control-Allow-Origin: ['http://ui.example.com']"), []string{config.CodeOriginPlain}},
		{"a plain origin on this machine", headers("Access-Control-Allow-Origin: ['http://localhost:3000']"), nil},
		{"an origin", headers("Access-Control-Allow-Origin: ['https://ui.example.com']"), nil},
		{"a plain origin without TLS", at("headers: {Access-Control-Allow-Origin: ['http://ui.example.com']}"), nil},
		{"no content security policy", headers("Content-Security-Policy: []"), []string{config.CodeHeadersRemoved}},
		{"an empty frame policy", headers("X-Frame-Options: ['']"), []string{config.CodeHeadersRemoved}},
		{"another frame policy", headers("X-Frame-Options: [SAMEORIGIN]"), nil},
		{"lockout: attempts", lockout("attempts: 1000000"), []string{config.CodeLockoutWeak}},
		{"lockout: no delay", lockout("delay: 0s"), []string{config.CodeLockoutWeak}},
		{"lockout: a window that ends at once", lockout("attempts: 100, window: 1s"), []string{config.CodeLockoutWeak}},
		{"lockout: a window of two seconds", lockout("window: 2s"), []string{config.CodeLockoutWeak}},
		{"lockout: stricter", lockout("attempts: 3, window: 1h, delay: 2s"), nil},
		{"limits: connections", limits("connections: 2000000000"), []string{config.CodeLimitsHigh}},
		{"limits: requests", limits("requests: 1000000"), []string{config.CodeLimitsHigh}},
		{"limits: headers", limits("headerbytes: 1GiB"), []string{config.CodeLimitsHigh}},
		{"limits: stalled requests", limits("stalltimeout: 1000h"), []string{config.CodeLimitsHigh}},
		{"limits: uploads", limits("uploadsperuser: 1000000"), []string{config.CodeLimitsHigh}},
		{"limits: more than by default", limits("connections: 100000, headerbytes: 256KiB, stalltimeout: 5m, uploadsperuser: 100"), nil},
		{"bucket over http", url(bucket, "http://s3.example.com"), []string{config.CodePlainCredentials}},
		{"bucket on this machine", url(bucket, "http://127.0.0.1:9000"), nil},
		{"bucket over https", url(bucket, "https://s3.example.com"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			var got []string
			for _, f := range Run(t.Context(), p.load(test.document), Probes{Listen: allFree}) {
				if f.Severity == finding.Refused || f.Code == config.CodeCertificate {
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

// TestUnusualHashes verifies that hashes are reported that are quick to guess, or take very long to
// compare.
func TestUnusualHashes(t *testing.T) {
	const document = "version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:5000'}\n" +
		"auth: {htpasswd: {realm: r, path: $/htpasswd-basic}}\n"
	for cost, want := range map[string]finding.Finding{
		"04": {Code: config.CodeHashWeak, Severity: finding.Note},
		"09": {Code: config.CodeHashWeak, Severity: finding.Note},
		"10": {},
		"12": {},
		"13": {Code: config.CodeHashCostly, Severity: finding.Warning},
		"16": {Code: config.CodeHashCostly, Severity: finding.Warning},
	} {
		t.Run(cost, func(t *testing.T) {
			p := newPlace(t)
			p.write("htpasswd-basic", "admin:"+strings.Replace(knownHash, "$10$", "$"+cost+"$", 1)+"\n", 0o600)
			var got finding.Finding
			for _, f := range Run(t.Context(), p.load(document), Probes{Listen: allFree}) {
				if f.Code == config.CodeHashWeak || f.Code == config.CodeHashCostly {
					got = f
				}
			}
			if got.Code != want.Code || got.Severity != want.Severity {
				t.Errorf("got %s, want %s of severity %q", got, want.Code, want.Severity)
			}
			if got.Code != "" && !strings.Contains(got.What, `"admin"`) {
				t.Errorf("got %s, want the user", got)
			}
		})
	}
}

func TestValidationIsChecked(t *testing.T) {
	_, err := config.Load(
		config.Source{
			Path: "myconfig.yml",
			Data: []byte("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:5000'}\n" +
				"validation: {manifests: {urls: {allow: ['^https://a\\.example\\.com/'], deny: ['(']}}}\n"),
		},
	)
	if err == nil || !strings.Contains(err.Error(), "validation.manifests.urls.deny[0] is not a regular expression") {
		t.Errorf("Load = %v", err)
	}
}

// TestMappedProxies verifies that networks in the notation for IPv4 in IPv6 match IPv4 clients.
func TestMappedProxies(t *testing.T) {
	loaded, err := config.Load(config.Source{Path: "myconfig.yml", Data: []byte("version: 0.1\nstorage: inmemory\n" +
		"http: {addr: 'localhost:5000', trustedproxies: ['::ffff:10.0.0.0/104', '::ffff:192.0.2.7', 'fd00::/8']}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := loaded.Config.HTTP.TrustedProxies, []string{"10.0.0.0/8", "192.0.2.7/32", "fd00::/8"}; !slices.Equal(
		got,
		want,
	) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestRulesThatEndReading verifies that users who lose the right to read because of rules are
// reported by name, with their number if there are many.
func TestRulesThatEndReading(t *testing.T) {
	for _, test := range []struct {
		name, rules string
		code, says  string // empty: no finding
		severity    finding.Severity
	}{
		{
			"a reader of some", "{repositories: 'team/**', users: [alice], role: reader}",
			config.CodeRulesNoReader, `none names "bob", "spectro"`, finding.Warning,
		},
		{
			"everyone a reader of some", "{repositories: 'team/**', users: ['*'], role: reader}",
			config.CodeRulesSomeReader, `for "alice", "bob", "spectro"`, finding.Note,
		},
		{"everyone a reader", "{repositories: '**', users: ['*'], role: reader}", "", "", ""},
		{"each user named", "{repositories: '**', users: [alice, bob, spectro], role: reader}", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			const hash = ":" + knownHash + "\n"
			p.write("htpasswd-basic", "admin"+hash+"alice"+hash+"bob"+hash+"spectro"+hash, 0o600)
			loaded := p.load("version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:5000'}\n" +
				"auth: {htpasswd: {realm: r, path: $/htpasswd-basic, rules: [" + test.rules + "]}}\n")
			found := false
			for _, f := range Run(t.Context(), loaded, Probes{Listen: allFree}) {
				if f.Key != "auth.htpasswd.rules" {
					continue
				}
				if f.Code == test.code && f.Severity == test.severity && strings.Contains(f.What, test.says) {
					found = true
				}
				if test.code == "" {
					t.Errorf("found %s", f)
				}
			}
			if found != (test.code != "") {
				t.Errorf("no %s %s that says %q", test.severity, test.code, test.says)
			}
		})
	}
	if got := several([]string{"a", "b", "c", "d", "e", "f", "g"}); got != `"a", "b", "c", "d", "e" and 2 more` {
		t.Errorf("several: %s", got)
	}
}
