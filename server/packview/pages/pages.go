// Package pages serves HTML pages that show a registry in a browser: its packs, their content and
// how to use them, and its other repositories.
//
//	p, err := pages.New(pages.Options{View: view, Store: store})
//	err = p.Serve(w, r, grant) // route.PagePacks, route.PagePack, …
//
// Pages are rendered on the server from embedded templates. They run no scripts and load nothing
// from other sites, which a content security policy enforces, so the worst that a README by a
// pack's author can do is look odd. They show nothing that /v1 and /v2 would not return to the same
// user.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/problem"
	"packhouse/server/route"
	"packhouse/server/storage"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/*
var assets embed.FS

// Store is the part of storage.Store that the pages use, in addition to the view.
type Store interface {
	storage.Manifests
	storage.Listings
}

// Options configures Pages.
type Options struct {
	View  *packview.View
	Store Store

	Prefix    string // prefix of every path (http.prefix), without a trailing slash
	PublicURL string // URL of the server for clients (http.host); empty: from the request
	Packs     string // default base path of packs
	Version   string // of the server

	// PrivateCA reports whether clients of a host must trust a certificate that systems do not trust by
	// default. Nil: unknown.
	PrivateCA func(host string) bool
}

// Pages handles authorized requests for pages.
type Pages struct {
	o         Options
	templates map[string]*template.Template
	assets    map[string]asset
	searched  int64 // versions that a search in older versions covers
}

// asset is a static file of the pages.
type asset struct {
	content   []byte
	mediaType string
	version   string // changes with the content
}

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

// New returns the pages.
func New(o Options) (*Pages, error) {
	p := &Pages{o: o, templates: map[string]*template.Template{}, assets: map[string]asset{}, searched: mostSearched}
	files, err := assets.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	for _, file := range files {
		content, err := assets.ReadFile("assets/" + file.Name())
		if err != nil {
			return nil, fmt.Errorf("read assets: %w", err)
		}
		sum := sha256.Sum256(content)
		p.assets[file.Name()] = asset{content, assetTypes[path.Ext(file.Name())], hex.EncodeToString(sum[:6])}
	}
	functions := template.FuncMap{
		"asset": p.assetURL, "size": func(n int64) string { return humanize.IBytes(uint64(max(0, n))) }, "short": short, "day": day,
		"plural": plural, "text": packs.Printable,
	}
	for _, name := range []string{"packs", "pack", "repositories", "repository", "error"} {
		t, err := template.New(name).Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read templates: %w", err)
		}
		p.templates[name] = t
	}
	return p, nil
}

func (p *Pages) assetURL(name string) string {
	return p.o.Prefix + "/assets/" + name + "?v=" + p.assets[name].version
}

// short abbreviates a digest for display.
func short(d any) string {
	text := fmt.Sprint(d)
	if alg, hex, ok := strings.Cut(text, ":"); ok && len(hex) > 12 {
		return alg + ":" + hex[:12]
	}
	return text
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// policy allows a page only styles and images of this server.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Serve handles an authorized request. For missing content it serves a page that says so; other
// errors are for problem.Write.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	switch grant.Request.Action {
	case route.PageAsset:
		return p.serveAsset(w, r, grant.Request.Asset)
	case route.PageRoot:
		send(w, r, http.StatusOK, fmt.Appendf(nil, rootPage, p.o.Prefix))
		return nil
	}
	show, ok := map[route.Action]func(*http.Request, auth.Grant) (*page, error){
		route.PagePacks: p.listPacks, route.PagePack: p.showPack, route.PageRepositories: p.listRepositories, route.PageRepository: p.showRepository,
	}[grant.Request.Action]
	if !ok {
		return problem.NoRoute()
	}
	ctx, end := p.o.View.Records().Lease(r.Context())
	defer end()
	status := http.StatusOK
	made, err := show(r.WithContext(ctx), grant)
	if err != nil {
		refusal := problem.From(err)
		if refusal.Status >= http.StatusInternalServerError {
			return err
		}
		status, made = refusal.Status, &page{template: "error", Title: "Not here", Data: refusal.Message}
	}
	content, err := p.render(grant, made)
	if err != nil {
		return err
	}
	end() // a slow browser must not keep the lease
	send(w, r, status, content)
	return nil
}

// rootPage is served at / without credentials, because health probes of charts and load balancers
// expect 200 there, and browsers show no sign-in prompt for a 200. It loads nothing, because assets
// require a sign-in. The format verb is the prefix.
const rootPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>packhouse</title>
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>packhouse</h1>
<p>This is a pack registry. <a href="%s/packs">Browse its packs</a>.</p>
</main>
</body>
</html>
`

// send writes a page.
func send(w http.ResponseWriter, r *http.Request, status int, content []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "private, no-cache")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // ignored: the client may have disconnected
	}
}

// page is the data of a template.
type page struct {
	template string

	Title string
	Here  string // the current entry of the navigation
	User  string
	Home  string // URL of the packs, with the base path of this page
	Repos string // URL of the other repositories
	Base  string // base path of the packs, if it is not the default
	Data  any

	Version string
}

// longestPage is the maximum size of a page in bytes. Its content is limited so that no page
// reaches it.
const longestPage = 4 << 20

// pageBuffer is a buffer limited to longestPage.
type pageBuffer struct{ bytes.Buffer }

var errLongPage = errors.New("the page is too large")

// Write implements io.Writer.
func (b *pageBuffer) Write(content []byte) (int, error) {
	if b.Len()+len(content) > longestPage {
		return 0, errLongPage
	}
	return b.Buffer.Write(content)
}

// render renders a complete page before anything is sent.
func (p *Pages) render(grant auth.Grant, made *page) ([]byte, error) {
	made.User, made.Version = grant.Identity.User, p.o.Version
	made.Home, made.Repos = p.address(grant.Request, "/packs"), p.o.Prefix+"/repositories"
	if grant.Request.Base != p.o.Packs {
		made.Base = grant.Request.Base
	}
	var b pageBuffer
	if err := p.templates[made.template].ExecuteTemplate(&b, "layout", made); err != nil {
		return nil, fmt.Errorf("make page %s: %w", made.template, err)
	}
	return b.Bytes(), nil
}

func (p *Pages) serveAsset(w http.ResponseWriter, r *http.Request, name string) error {
	a, ok := p.assets[name]
	if !ok {
		return problem.NoRoute()
	}
	h := w.Header()
	h.Set("Content-Type", a.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(a.content)))
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.content) // ignored: the client may have disconnected
	}
	return nil
}
