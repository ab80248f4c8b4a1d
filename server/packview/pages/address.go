package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/route"
)

// address returns the URL of a path, including the base path of a request if it is not the default.
func (p *Pages) address(req route.Request, at string, query ...string) string {
	values := url.Values{}
	if req.Base != p.o.Packs && (req.Base != "" || req.Pack != "" || req.Action == route.PagePacks) {
		values.Set("base", req.Base)
	}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			values.Set(query[i], query[i+1])
		}
	}
	at = p.o.Prefix + at
	if len(values) > 0 {
		at += "?" + values.Encode()
	}
	return at
}

// packAddress returns the URL of a version's page, or of a section of it.
func (p *Pages) packAddress(req route.Request, ref, section string) string {
	at := "/packs/" + req.Pack
	if ref != "" {
		at += "/" + ref
	}
	if section != "" {
		at += "/" + section
	}
	return p.address(req, at)
}

// fileAddress returns the URL of a file in an archive; with a mediaType, the file is shown as that
// image.
func (p *Pages) fileAddress(req route.Request, archive digest.Digest, sha256, mediaType string) string {
	return p.address(req, "/v1/"+req.Pack+"/blobs/sha256:"+sha256, "archive", archive.String(), "type", mediaType)
}

// logoAddress returns the URL of a logo, which needs no credentials.
func (p *Pages) logoAddress(req route.Request, sha256 string) string {
	return p.address(req, "/v1/"+req.Pack+"/blobs/sha256:"+sha256, "type", "image/png")
}

// server returns the scheme, and the host and port, that clients use for the server.
func (p *Pages) server(r *http.Request) (scheme, host string) {
	if scheme, host, ok := strings.Cut(strings.TrimSuffix(p.o.PublicURL, "/"), "://"); ok && host != "" {
		return scheme, host
	}
	scheme = "https"
	if r.TLS == nil {
		scheme = "http"
	}
	return scheme, packs.Printable(r.Host)
}

// hostname returns a host without its port and the brackets of an IPv6 address.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// use describes how to use a version elsewhere.
type use struct {
	Endpoint string // for Palette
	BasePath string
	Oras     string
	CLI      string
	Plain    bool // without TLS
	Private  bool // the commands name the CA
}

// useOf returns the lines for people to copy.
func (p *Pages) useOf(r *http.Request, req route.Request, ref string) use {
	scheme, host := p.server(r)
	u := use{Endpoint: scheme + "://" + host, BasePath: req.Base, Plain: scheme == "http"}
	separator := ":"
	if strings.Contains(ref, ":") {
		separator = "@"
	}
	u.Oras = "oras pull " + host + "/" + packs.Repository(req.Base, req.Pack) + separator + ref
	u.CLI = "packhouse pack pull " + req.Pack + separator + ref + " . -r " + host
	if req.Base != "" {
		u.CLI += " --base " + req.Base
	}
	switch {
	case u.Plain:
		u.Oras += " --plain-http"
		u.CLI = strings.Replace(u.CLI, "-r ", "-r http://", 1)
	case p.o.PrivateCA != nil && p.o.PrivateCA(hostname(host)):
		u.Private = true
		u.Oras += " --ca-file ca.crt"
		u.CLI += " --ca-file ca.crt"
	}
	return u
}
