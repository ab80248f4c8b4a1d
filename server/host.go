package server

import (
	"net/http"
	"net/url"
	"slices"

	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/problem"
)

// checkHost rejects a request that reaches an unprotected loopback listener under a foreign name.
// Otherwise, a web page whose name resolves to 127.0.0.1 (DNS rebinding) could read and change
// everything through its visitor's browser. Trusted proxies need http.host too: a proxy on this
// machine and a browser have the same address. With authentication every host is accepted, because
// browsers have no stored password for that name.
func (s *Server) checkHost(st *state, r *http.Request) error {
	c := st.config
	if c.Auth.Method != config.AuthNone || c.HTTP.Net == "unix" || !config.Local(c.HTTP.Net, c.HTTP.Addr) {
		return nil
	}
	host := connection.HostName(r.Host)
	if host == "" || s.knownHost(c, host) {
		return nil
	}
	return problem.Forbidden("this server needs no password and answers only to names of this machine, not to %q: use localhost, set http.host, or set auth.htpasswd", host)
}

// knownHost reports whether host, as returned by hostName, is a name of this server: http.host, a
// name of the certificate, one that letsencrypt orders, or a loopback name.
func (s *Server) knownHost(c *config.Config, host string) bool {
	return connection.LocalName(host) || host != "" && host == configuredHost(c) || slices.ContainsFunc(c.HTTP.TLS.LetsEncrypt.Hosts, func(h string) bool { return connection.HostName(h) == host }) ||
		s.certs != nil && s.certs.Leaf().VerifyHostname(host) == nil
}

// configuredHost returns the name in http.host, or "" if it is not set.
func configuredHost(c *config.Config) string {
	u, err := url.Parse(c.HTTP.Host)
	if err != nil {
		return ""
	}
	return connection.HostName(u.Host)
}
