package server

import (
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

	// opaqueOrigin is sent for every sandboxed frame, so it stands for no site.
	opaqueOrigin = "null"
)

// cors is what http.headers permits pages of other sites to do.
type cors struct {
	origins []string // that pages may come from; empty: CORS is not configured
	methods []string // that pages of these origins may use
}

// newCORS reads the CORS headers from http.headers. Lists may be given as
// several values or separated by commas.
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

// origin returns the value of Access-Control-Allow-Origin for a request from a
// page of the given origin, or "" if that page may not read the answer.
func (c cors) origin(from string) string {
	switch {
	case from != "" && from != opaqueOrigin && slices.Contains(c.origins, from):
		return from
	case slices.Contains(c.origins, anyOrigin):
		return anyOrigin
	}
	return ""
}

// answerTo sets the headers for the page that sent a request. A browser accepts
// one origin only, so of several configured ones the matching one is sent.
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

// preflight reports whether a request only asks which requests a page may send
// (Fetch standard, section 3.3.1), and the page's origin is configured.
func (c cors) preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && c.origin(r.Header.Get("Origin")) != ""
}

// permits reports whether a page of another site may change something. With the
// origin * a POST stays refused: browsers send it without a preflight, together
// with credentials they remember, so any site could use those.
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
