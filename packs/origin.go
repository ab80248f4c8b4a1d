package packs

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// oneOrigin sends credentials to one origin only: scheme, host and port of the registry. A registry
// chooses the token server of a Bearer challenge itself, so a compromised registry, or a
// manipulated response, could name any server. Redirects lose the credentials too; net/http keeps
// them for another port of the same host and for subdomains.
type oneOrigin struct {
	http.RoundTripper
	origin string
}

// exchange describes the last request of a client.
type exchange struct {
	authorized bool   // it carried credentials
	elsewhere  string // host:port of the server, if it is not the registry
}

// exchangeKey is the key of an [*exchange] in the context of a request. The transport sets it.
type exchangeKey struct{}

// RoundTrip implements http.RoundTripper.
func (o oneOrigin) RoundTrip(r *http.Request) (*http.Response, error) {
	own := originOf(r.URL) == o.origin
	if last, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		*last = exchange{authorized: own && r.Header.Get("Authorization") != ""}
		if !own {
			last.elsewhere = r.URL.Host
		}
	}
	if own {
		return o.RoundTripper.RoundTrip(r)
	}
	secret := r.Header.Get("Authorization") != "" ||
		r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	switch {
	case !secret:
	case r.Response != nil: // a redirect led here
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
	default:
		if r.Body != nil {
			_ = r.Body.Close() // RoundTrip must close it in any case
		}
		return nil, fail(CodeOtherRealm,
			fmt.Sprintf("%s asks for the password to be sent to another server, %s", o.origin, quote(r.URL.Host)),
			"a registry signs users in at its own host and port: ask its operator whether that server is meant, and log in there")
	}
	return o.RoundTripper.RoundTrip(r)
}

// originOf returns scheme, host and port of a URL, with the scheme's default port.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
