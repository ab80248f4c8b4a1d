package verify

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"packhouse/certgen"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/trust"
)

// unsafe warns about valid settings that probably expose something or protect nothing. `config
// verify`, the starting server and `check` all report them. Such warnings belong here, except those
// about plain HTTP and missing authentication (see exposure).
func (v *verifier) unsafe() {
	v.unsafeDebug()
	v.unsafeProxies()
	v.unsafeClientNames()
	v.unsafePlainPasswords()
	v.unsafeWebhooks()
	v.unsafeProbes()
	v.unsafeBucket()
	v.unsafeCiphers()
	v.unsafeSettings()
	v.unsafeFront()
}

// unsafeCiphers warns about CBC cipher suites, which are vulnerable to padding oracles.
func (v *verifier) unsafeCiphers() {
	for i, name := range v.loaded.Config.HTTP.TLS.CipherSuites {
		if strings.Contains(name, "_CBC_") {
			v.warnf(config.CodeCipherCBC, fmt.Sprintf("http.tls.ciphersuites[%d]", i),
				"remove it; without ciphersuites the server offers AES-GCM and ChaCha20 only",
				": %s uses CBC, which is open to padding attacks", name)
		}
	}
}

// unsafeDebug warns about metrics and profiles exposed to other machines: they contain repository
// names, and a memory profile may contain passwords.
func (v *verifier) unsafeDebug() {
	addr := v.loaded.Config.HTTP.Debug.Addr
	if addr != "" && !config.Local("tcp", addr) {
		v.warnf(config.CodeDebugOpen, "http.debug.addr",
			"listen on localhost, or let a firewall admit only the monitoring system",
			": metrics and pprof on %s need no password, and other machines can reach them", config.Quote(addr))
	}
}

// unsafeProxies warns if every client can choose its own address, because lockout and the access
// log would then use addresses chosen by attackers.
func (v *verifier) unsafeProxies() {
	var listed []netip.Prefix
	for _, text := range v.loaded.Config.HTTP.TrustedProxies {
		if p, err := netip.ParsePrefix(text); err == nil {
			listed = append(listed, p)
		}
	}
	for _, all := range []string{"0.0.0.0/0", "2000::/3"} { // the second has every public IPv6 address
		if coversAll(listed, netip.MustParsePrefix(all)) {
			v.warnf(config.CodeProxiesAll, "http.trustedproxies", "list only the addresses of your proxies",
				" covers every public address (%s), so each client chooses the address that lockout and logs see", all)
			return
		}
	}
}

// coverDepth is the number of leading bits that coversAll splits. It detects lists of halves and
// quarters while bounding the search.
const coverDepth = 6

// coversAll reports whether the networks in listed contain every address of network.
func coversAll(listed []netip.Prefix, network netip.Prefix) bool {
	for _, p := range listed {
		if p.Bits() <= network.Bits() && p.Contains(network.Addr()) {
			return true
		}
	}
	if network.Bits() >= coverDepth {
		return false
	}
	low := netip.PrefixFrom(network.Addr(), network.Bits()+1)
	bytes := network.Addr().AsSlice()
	bytes[network.Bits()/8] |= 0x80 >> (network.Bits() % 8)
	addr, _ := netip.AddrFromSlice(bytes)
	return coversAll(listed, low) && coversAll(listed, netip.PrefixFrom(addr, network.Bits()+1))
}

// unsafeClientNames warns about entries of auth.htpasswd.clientnames that never match, because the
// server verifies no client certificates or the user does not exist.
func (v *verifier) unsafeClientNames() {
	c := v.loaded.Config
	names := c.Auth.Htpasswd.ClientNames
	const key = "auth.htpasswd.clientnames"
	if len(names) == 0 || c.Auth.Method != config.AuthHtpasswd {
		return
	}
	if !verifiesClients(c.HTTP.TLS) {
		v.warnf(config.CodeClientNames, key,
			"give http.tls.clientcas, and set http.tls.clientauth to verify-client-cert-if-given or "+"require-and-verify-client-cert",
			" never matches: the server verifies no client certificate")
		return
	}
	data, err := trust.ReadConfigured(c.Auth.Htpasswd.Path, config.MaxFile)
	if err != nil {
		return // users reports it
	}
	file, _ := htpasswd.Parse(data)
	users := file.Users()
	certificateNames := make([]string, 0, len(names))
	for name := range names {
		certificateNames = append(certificateNames, name)
	}
	slices.Sort(certificateNames)
	for _, name := range certificateNames {
		switch user := names[name]; {
		case strings.TrimSpace(name) != name || name == "":
			v.warnf(config.CodeClientNames, key, "remove the spaces", ": no certificate has the name %s", config.Quote(name))
		case !slices.Contains(users, user):
			v.warnf(config.CodeClientNames, key, config.ChooseFrom(user, users),
				": %s never matches, because there is no user %s", config.Quote(name), config.Quote(user))
		}
	}
}

// clientCA warns about a certificate in http.tls.clientcas that is not a CA: it signs no
// certificates, so clients are rejected, or one leaf certificate is accepted as its own issuer.
func (v *verifier) clientCA(key, path string, chain []*x509.Certificate) {
	if len(chain) > maxClientCAs {
		v.warnf(config.CodeClientCABundle, key, "name a file with only the CAs that issue certificates for your clients",
			": %s has %d CAs, as the bundle of a system: anyone can get a certificate from one of them",
			config.QuotePath(path), len(chain))
		return
	}
	for i, c := range chain {
		if (c.BasicConstraintsValid && c.IsCA || c.Version < 3) && forClients(c) {
			continue
		}
		v.warnf(config.CodeClientCA, key, "name the certificate of the CA that signs client certificates",
			": certificate %d of %s is not a CA for client certificates, so it verifies no client: %s", i+1,
			config.QuotePath(path), config.Quote(c.Subject.String()))
	}
	if now := v.probes.Now(); !slices.ContainsFunc(
		chain,
		func(c *x509.Certificate) bool { return certgen.ValidAt(c, now) },
	) {
		v.warnf(config.CodeClientCA, key, "renew the CA, or correct the clock",
			": no certificate of %s is valid now, so it verifies no client", config.QuotePath(path))
	}
}

// forClients reports whether the extended key usage of a CA allows it to sign client certificates.
// The private CA that setup creates may sign only server certificates.
func forClients(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(
			c.ExtKeyUsage,
			x509.ExtKeyUsageClientAuth,
		) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// unsafePlainPasswords warns about passwords sent over plain HTTP to other machines, even if
// http.insecure allows it. A trusted proxy is assumed to use TLS with clients.
func (v *verifier) unsafePlainPasswords() {
	c := v.loaded.Config
	if c.Auth.Method != config.AuthHtpasswd || c.HTTP.TLS.Enabled() || !c.HTTP.Insecure ||
		config.Local(c.HTTP.Net, c.HTTP.Addr) ||
		len(c.HTTP.TrustedProxies) > 0 {
		return
	}
	v.warnf(config.CodePlainPasswords, "http.insecure",
		"give http.tls.certificate and http.tls.key, or list the proxy that speaks TLS in http.trustedproxies", "%s",
		": passwords cross the network unencrypted, because "+config.Quote(c.HTTP.Addr)+" speaks plain HTTP")
}

// unsafeWebhooks warns about credentials that are sent to a webhook over plain HTTP.
func (v *verifier) unsafeWebhooks() {
	for i, e := range v.loaded.Config.Notifications.Endpoints {
		if !e.Disabled {
			v.credentials(fmt.Sprintf("notifications.endpoints[%d]", i), "url", e.URL, e.Headers)
		}
	}
}

// unsafeProbes warns about credentials that are sent to a health probe over plain HTTP.
func (v *verifier) unsafeProbes() {
	for i, h := range v.loaded.Config.Health.HTTP {
		v.credentials(fmt.Sprintf("health.http[%d]", i), "uri", h.URI, h.Headers)
	}
}

// credentials warns if a request to address sends credentials unencrypted to another machine.
func (v *verifier) credentials(entry, key, address string, headers map[string][]string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || loopbackName(u.Hostname()) {
		return
	}
	const remedy = "use an https URL"
	if u.User != nil {
		v.warnf(config.CodePlainCredentials, config.Join(entry, key), remedy,
			": the credentials in the URL are sent unencrypted")
	}
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		if secretName(name) {
			v.warnf(config.CodePlainCredentials, config.Join(entry, key), remedy,
				": the parameter %s of the URL is sent unencrypted", config.Quote(name))
		}
	}
	for header, values := range headers {
		if len(values) > 0 && secretName(header) {
			v.warnf(config.CodePlainCredentials, config.Join(entry, "headers"), remedy,
				": the header %s is sent unencrypted", config.Quote(textproto.CanonicalMIMEHeaderKey(header)))
		}
	}
}

// secretName reports whether a header, or a parameter of a URL, probably contains credentials.
func secretName(name string) bool {
	name = strings.ToLower(name)
	if name == "idempotency-key" {
		return false
	}
	return slices.ContainsFunc(
		[]string{"authorization", "cookie", "token", "secret", "key", "password", "signature", "credential"},
		func(part string) bool { return strings.Contains(name, part) },
	)
}

// loopbackName reports whether host means this machine.
func loopbackName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// unsafeBucket warns about S3 traffic that can be read or forged.
func (v *verifier) unsafeBucket() {
	c := v.loaded.Config
	if c.Storage.Driver != config.S3 {
		return
	}
	s := c.Storage.S3
	host, plain := s.RegionEndpoint, !s.Secure
	if u, err := url.Parse(s.RegionEndpoint); err == nil && u.Host != "" {
		host, plain = u.Host, u.Scheme == "http"
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if loopbackName(strings.Trim(host, "[]")) {
		return
	}
	if plain {
		v.warnf(config.CodePlainCredentials, "storage.s3.secure", "use an https endpoint",
			": content and session tokens cross the network unencrypted")
	} else if s.SkipVerify {
		v.warnf(config.CodePlainCredentials, "storage.s3.skipverify",
			"set storage.s3.cafile to the CA of the endpoint, and remove skipverify",
			": anyone on the way can pose as the S3 endpoint")
	}
}
