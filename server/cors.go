package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Headers of the CORS protocol (Fetch standard, section 3.3).
const (
	corsOrigin      = "Access-Control-Allow-Origin"
	corsMethods     = "Access-Control-Allow-Methods"
	corsCredentials = "Access-Control-Allow-Credentials"
	anyOrigin       = "*"

	// opaqueOrigin is the origin of every sandboxed frame, so it identifies no site.
	opaqueOrigin = "null"
)

// cors is the CORS policy in http.headers.
type cors struct {
	origins []string // allowed origins; empty: CORS is not configured
	methods []string // allowed methods for these origins
}

// newCORS parses the CORS headers in http.headers. Lists may be given as several values or
// separated by commas.
func newCORS(headers map[string][]string) cors {
	list := func(name string) (all []string) {
		for _, value := range headers[name] {
			for part := range strings.SplitSeq(value, ",") {
				if part = strings.TrimSpace(part); part != "" {
					all = append(all, part)
				}
			}
		}
		return all
	}
	return cors{origins: list(corsOrigin), methods: list(corsMethods)}
}

// origin returns the Access-Control-Allow-Origin for a request from the given origin, or "" if
// pages of that origin must not read the response.
func (c cors) origin(from string) string {
	switch {
	case from != "" && from != opaqueOrigin && slices.Contains(c.origins, from):
		return from
	case slices.Contains(c.origins, anyOrigin):
		return anyOrigin
	}
	return ""
}

// answerTo sets the CORS headers of a response. Browsers accept only one origin, so it sends the
// one that matches the request.
func (c cors) answerTo(h http.Header, r *http.Request) {
	if len(c.origins) == 0 {
		return
	}
	switch origin := c.origin(r.Header.Get("Origin")); origin {
	case "":
		h.Del(corsOrigin)
		h.Del(corsCredentials)
	default:
		h[corsOrigin] = []string{origin}
	}
	if !slices.Equal(c.origins, []string{anyOrigin}) {
		h.Add("Vary", "Origin")
	}
}

// preflight reports whether a request is a CORS preflight (Fetch standard, section 3.3.1) from a
// configured origin.
func (c cors) preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && c.origin(r.Header.Get("Origin")) != ""
}

// permits reports whether a cross-site request may change something. With the origin *, POST is
// still refused: browsers send it without a preflight and with stored credentials, which any site
// could then use.
func (c cors) permits(r *http.Request) bool {
	if !slices.Contains(c.methods, r.Method) {
		return false
	}
	switch c.origin(r.Header.Get("Origin")) {
	case "":
		return false
	case anyOrigin:
		return r.Method != http.MethodPost
	}
	return true
}

// crossOrigin rejects changes that a browser requests for a page of another site, because it would
// send stored credentials along. Other clients send neither Sec-Fetch-Site nor Origin and are
// accepted.
var crossOrigin = http.NewCrossOriginProtection()

var errPlainOrigin = errors.New("a page loaded over plain HTTP requests a change over HTTPS")

// crossSite returns an error if a page of another site requests a change. That includes the plain
// HTTP site of the same host, which anyone on the network can impersonate; for old browsers,
// net/http compares only the hosts.
func crossSite(r *http.Request) error {
	if err := crossOrigin.Check(r); err != nil {
		return err
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if r.TLS != nil && !safe && strings.HasPrefix(r.Header.Get("Origin"), "http://") {
		return errPlainOrigin
	}
	return nil
}
