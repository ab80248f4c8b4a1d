package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/spelling"
	"packhouse/trust"
)

// settleHTTP validates the http section except for TLS.
func (d *decoder) settleHTTP(c *Config, whole Origin) {
	h := &c.HTTP
	if h.Net == "unix" {
		if !filepath.IsAbs(h.Addr) && !d.failedAt("http.addr") {
			d.fail(CodeValue, d.either(whole, "http.addr", "http.net"), "http.addr",
				fmt.Sprintf("http.addr is not the path of a socket: %s", Quote(h.Addr)), "with net: unix write an absolute path")
		}
	} else {
		d.address("http.addr", h.Addr)
	}
	d.settleDebug(h)
	if bare := strings.Trim(h.Prefix, "/"); h.Prefix != "/" && !prefixForm().MatchString(bare) {
		d.fail(CodeValue, d.origins["http.prefix"], "http.prefix", fmt.Sprintf("http.prefix is %s", Quote(h.Prefix)),
			"write a path of letters, digits, -, . and _, like /registry/")
	} else if h.Prefix != "/" && h.Prefix != "/"+bare+"/" {
		d.fail(CodeValue, d.origins["http.prefix"], "http.prefix", fmt.Sprintf("http.prefix is %s", Quote(h.Prefix)),
			fmt.Sprintf("write /%s/, with a slash at both ends", bare))
	} else if parts := strings.Split(bare, "/"); slices.Contains(parts, "v1") || slices.Contains(parts, "v2") {
		d.fail(CodeValue, d.origins["http.prefix"], "http.prefix",
			fmt.Sprintf("http.prefix is %s, and v1 and v2 are paths of the API itself", Quote(h.Prefix)),
			"write another path, like /registry/")
	}
	if h.Host != "" {
		u, err := url.Parse(h.Host)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			d.fail(CodeValue, d.origins["http.host"], "http.host", "http.host is not a URL",
				"write it like https://registry.example.com:5000")
		}
	}
	for i, proxy := range h.TrustedProxies {
		p := fmt.Sprintf("http.trustedproxies[%d]", i)
		network, err := netip.ParsePrefix(proxy)
		if address, bad := netip.ParseAddr(proxy); err != nil && bad == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s is not a network: %s", p, Quote(proxy)),
				"write it like 10.0.0.0/8 or 192.0.2.7")
			continue
		}
		if from := network.Addr(); from.Is4In6() && network.Bits() >= 96 { // clients have the plain IPv4 address
			network = netip.PrefixFrom(from.Unmap(), network.Bits()-96)
		}
		h.TrustedProxies[i] = network.Masked().String()
	}
	if h.HTTP2Disabled && h.H2CEnabled {
		d.fail(CodeConflict, d.origins["http.h2c.enabled"], "http.h2c.enabled",
			"http.h2c.enabled asks for HTTP/2, which http.http2.disabled switches off", "keep one of them")
	}
}

// settleDebug validates http.debug.
func (d *decoder) settleDebug(h *HTTP) {
	if h.Debug.Addr != "" && d.address("http.debug.addr", h.Debug.Addr) {
		if host, port, _ := net.SplitHostPort(h.Debug.Addr); host == "" {
			h.Debug.Addr = net.JoinHostPort("localhost", port)
			d.note(finding.Note, d.origins["http.debug.addr"], "http.debug.addr",
				"http.debug.addr names no host, so it is bound to localhost only: metrics and profiles need no password", "")
		}
		if h.Debug.Addr == h.Addr && !strings.HasSuffix(h.Addr, ":0") {
			d.fail(CodeConflict, d.origins["http.debug.addr"], "http.debug.addr", "http.debug.addr is the same as http.addr",
				"use another port")
		}
	}
	if h.Debug.Prometheus && h.Debug.Addr == "" {
		p := "http.debug.prometheus.enabled"
		d.note(finding.Warning, d.origins[p], p, p+": metrics are served nowhere without http.debug.addr",
			"give http.debug.addr, for example localhost:5001")
	}
	if !strings.HasPrefix(h.Debug.PrometheusPath, "/") {
		p := "http.debug.prometheus.path"
		d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s does not start with /: %s", p, Quote(h.Debug.PrometheusPath)),
			"write a path like /metrics")
	} else if metrics := path.Clean(h.Debug.PrometheusPath); strings.HasPrefix(metrics+"/", "/debug/") {
		p := "http.debug.prometheus.path"
		d.fail(CodeConflict, d.origins[p], p, fmt.Sprintf("%s is below /debug/, where profiles are: %s", p, Quote(metrics)),
			"write a path like /metrics")
	}
}

// prefixForm matches a path prefix without its outer slashes. Segments of only dots are excluded,
// because clients normalize them.
var prefixForm = pattern.Lazy(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// address validates host:port.
func (d *decoder) address(path, addr string) bool {
	if d.failedAt(path) {
		return false
	}
	host, port, err := net.SplitHostPort(addr)
	_, bad := strconv.ParseUint(port, 10, 16)
	switch {
	case strings.Contains(addr, "://"):
		_, rest, _ := strings.Cut(addr, "://")
		d.fail(CodeValue, d.origins[path], path, fmt.Sprintf("%s is a URL: %s", path, Quote(addr)),
			fmt.Sprintf("write host and port only: %s", strings.Trim(rest, "/")))
		return false
	case err != nil && bareNumber().MatchString(addr):
		d.fail(CodeValue, d.origins[path], path, fmt.Sprintf("%s is only a number: %s", path, addr),
			fmt.Sprintf("write :%s", addr))
		return false
	case err != nil:
		d.fail(CodeValue, d.origins[path], path, fmt.Sprintf("%s is not host and port: %s", path, Quote(addr)),
			"write it like :5000, 192.0.2.7:5000 or [2001:db8::7]:5000")
		return false
	case bad != nil:
		d.fail(CodeValue, d.origins[path], path, fmt.Sprintf("%s has no valid port: %s", path, Quote(addr)),
			"a port is a number up to 65535")
		return false
	case strings.ContainsAny(host, " /_") && net.ParseIP(host) == nil:
		d.fail(CodeValue, d.origins[path], path, fmt.Sprintf("%s has no valid host: %s", path, Quote(addr)),
			"write an address or a name of this machine")
		return false
	}
	return true
}

// settleTLS validates the combination of the TLS settings.
func (d *decoder) settleTLS(c *Config, file string) {
	t := &c.HTTP.TLS
	cert, key := "http.tls.certificate", "http.tls.key"
	switch {
	case t.Certificate != "" && t.Key == "" && !d.failedAt(key):
		d.fail(CodeMissing, d.origins[cert], key, "http.tls.certificate is given without http.tls.key",
			"name the key's file too")
	case t.Key != "" && t.Certificate == "" && !d.failedAt(cert):
		d.fail(CodeMissing, d.origins[key], cert, "http.tls.key is given without http.tls.certificate",
			"name the certificate's file too")
	}
	d.letsEncrypt(t, file)
	d.letsEncryptStorage(c)
	given := t.Enabled() || t.Key != ""
	given = given || d.failedAt(cert) || d.failedAt(key) || d.failedAt("http.tls.letsencrypt")
	for _, p := range []string{"http.tls.clientcas", "http.tls.clientauth"} { // the user expects client authentication
		if d.set[p] && !given {
			d.fail(CodeConflict, d.origins[p], p, p+" has no use without a certificate",
				"give http.tls.certificate and http.tls.key too")
		}
	}
	for _, p := range []string{"http.tls.ciphersuites", "http.tls.minimumtls"} {
		if d.set[p] && !given {
			d.note(finding.Note, d.origins[p], p, p+" changes nothing without a certificate", "")
		}
	}
	verifies := strings.HasPrefix(t.ClientAuth, "verify") || strings.HasSuffix(t.ClientAuth, "verify-client-cert")
	switch {
	case len(t.ClientCAs) > 0 && t.ClientAuth == "":
		t.ClientAuth = "require-and-verify-client-cert"
	case len(t.ClientCAs) == 0 && verifies:
		d.fail(CodeMissing, d.origins["http.tls.clientauth"], "http.tls.clientcas",
			fmt.Sprintf("http.tls.clientauth is %s, and no CA is named to verify with", t.ClientAuth), "give http.tls.clientcas")
	}
	d.cipherSuites(t)
}

func (d *decoder) cipherSuites(t *TLS) {
	if len(t.CipherSuites) == 0 {
		return
	}
	safe, names := map[string]bool{}, []string{}
	for _, s := range tls.CipherSuites() {
		safe[s.Name] = true
		names = append(names, s.Name)
	}
	broken := map[string]bool{}
	for _, s := range tls.InsecureCipherSuites() {
		broken[s.Name] = true
	}
	for i, name := range t.CipherSuites {
		p := fmt.Sprintf("http.tls.ciphersuites[%d]", i)
		switch {
		case safe[name]:
		case broken[name]:
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s is a broken cipher suite: %s", p, name),
				"remove it; without ciphersuites the safe ones are used")
		default:
			d.fail(CodeValue, d.origins[p], p, fmt.Sprintf("%s is not a cipher suite: %s", p, Quote(name)),
				suiteRemedy(name, names))
		}
	}
	if t.MinimumTLS == "tls1.3" {
		d.note(finding.Note, d.origins["http.tls.ciphersuites"], "http.tls.ciphersuites",
			"http.tls.ciphersuites: TLS 1.3 chooses its own; the list changes nothing with minimumtls: tls1.3", "")
	}
}

func suiteRemedy(name string, names []string) string {
	if n := spelling.Nearest(name, names); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	return "use names like " + names[len(names)-1]
}

// letsEncrypt validates the ACME section.
func (d *decoder) letsEncrypt(t *TLS, file string) {
	p := "http.tls.letsencrypt"
	if !d.set[p] {
		return
	}
	if t.Certificate != "" || t.Key != "" {
		d.fail(CodeConflict, d.origins[p], p, "http.tls has both a certificate from files and letsencrypt",
			"keep one of them")
	}
	l := &t.LetsEncrypt
	if len(l.Hosts) == 0 {
		d.fail(CodeMissing, d.origins[p], p+".hosts", p+".hosts is empty, so no certificate can be ordered",
			"write the names that clients use")
	}
	if l.CacheFile == "" {
		d.fail(CodeMissing, d.origins[p], p+".cachefile",
			p+".cachefile is missing, so every start would order a new certificate until the CA's rate limit is reached",
			"name a directory that stays")
	} else if !filepath.IsAbs(l.CacheFile) && !strings.HasPrefix(l.CacheFile, inStorage) {
		l.CacheFile = filepath.Clean(trust.Clean(filepath.Dir(file) + "/" + l.CacheFile))
		d.note(finding.Note, d.origins[p+".cachefile"], p+".cachefile",
			fmt.Sprintf("%s.cachefile is beside this file: %s", p, l.CacheFile), "")
	}
	d.letsEncryptValues(l)
}

// exposure rejects accidental exposure to the network without protection, and warns about passwords
// over plain HTTP.
func (d *decoder) exposure(c *Config, whole Origin) {
	if len(d.problems) > 0 || Local(c.HTTP.Net, c.HTTP.Addr) {
		return
	}
	at := d.either(whole, "auth.none", "auth", "http.addr")
	switch {
	case c.Auth.Method == AuthNone && !c.HTTP.Insecure && c.HTTP.TLS.ClientAuth != "require-and-verify-client-cert":
		d.fail(CodeOpen, at, "auth", fmt.Sprintf("no password is required, and %s is open to the network", c.HTTP.Addr),
			"give auth.htpasswd, listen on 127.0.0.1, or confirm with http.insecure: true")
	case c.Auth.Method == AuthNone && !c.HTTP.Insecure:
		d.note(finding.Note, at, "auth", "no password is required: anyone with a client certificate can push and delete", "")
	case c.Auth.Method == AuthNone:
		d.note(finding.Warning, at, "auth", "no password is required: anyone who reaches "+c.HTTP.Addr+" can push and delete",
			"")
	case c.Auth.Method == AuthHtpasswd && !c.HTTP.TLS.Enabled() && !c.HTTP.Insecure:
		d.notices = append(d.notices, d.either(whole, "http.addr", "http").Finding(CodeOpen, finding.Warning, "http.tls",
			"passwords travel in the clear: there is no certificate, and "+c.HTTP.Addr+" is open to the network",
			"give http.tls.certificate and http.tls.key, or say http.insecure: true where a proxy in front speaks TLS"))
	}
}

// Local reports whether an address is reachable only from this machine.
func Local(network, addr string) bool {
	if network == "unix" {
		return true
	}
	_, _, err := net.SplitHostPort(addr)
	return err == nil && LocalHost(addr)
}

// LocalHost reports whether a host, with or without a port, is this machine's loopback interface.
func LocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
