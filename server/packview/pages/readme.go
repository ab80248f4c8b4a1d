package pages

import (
	"bytes"
	"html/template"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"packhouse/packs"
	"packhouse/server/packview"
	"packhouse/server/packview/record"
	"packhouse/server/route"
)

// readme renders a README as HTML. The content is untrusted: active elements are removed, images
// must be files of the pack, and external images become links, so that other servers do not learn
// who views the page.
func (p *Pages) readme(req route.Request, rec *record.Record, content []byte) template.HTML {
	work := &meter{left: mostWork, nodes: mostNodes}
	if !work.count(bytes.Count(content, []byte("\n"))) {
		return asItStands(content)
	}
	markdown := newMarkdown(work)
	document := markdown.Parser().Parse(text.NewReader(content), newContext())
	if work.spent() {
		return asItStands(content)
	}
	l := newLinker(p, req, rec)
	_ = ast.Walk(document, l.visit) // visit does not fail
	var b pageBuffer
	if err := markdown.Renderer().Render(&b, content, document); err != nil {
		return asItStands(content)
	}
	return template.HTML(p.sanitizer().SanitizeBytes(b.Bytes())) //nolint:gosec // sanitized
}

// asItStands shows a README as plain text.
func asItStands(content []byte) template.HTML {
	return template.HTML("<pre>" + template.HTMLEscapeString(string(content)) + "</pre>") //nolint:gosec // escaped
}

// sanitizer returns a policy that allows text elements, and images of this server.
func (p *Pages) sanitizer() *bluemonday.Policy {
	policy := bluemonday.NewPolicy()
	policy.AllowElements("h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "b", "i", "u", "s", "del", "ins",
		"sub", "sup", "kbd", "samp", "var", "small", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary", "div", "span")
	policy.AllowAttrs("id").Matching(regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)).OnElements("h1", "h2", "h3", "h4", "h5", "h6")
	policy.AllowAttrs("align").Matching(regexp.MustCompile(`^(left|right|center)$`)).OnElements("th", "td", "p", "div", "h1", "h2")
	policy.AllowAttrs("open").Matching(regexp.MustCompile(`^$`)).OnElements("details")
	policy.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	policy.AllowAttrs("alt", "title").OnElements("img")
	policy.AllowAttrs("width", "height").Matching(regexp.MustCompile(`^[0-9]{1,4}%?$`)).OnElements("img")
	policy.AllowAttrs("src").Matching(regexp.MustCompile(`^` + regexp.QuoteMeta(p.o.Prefix) + `/v1/[a-z0-9._-]+/blobs/sha256:[0-9a-f]{64}\?[a-zA-Z0-9=&;%/._-]*$`)).OnElements("img")
	policy.AllowStandardURLs() // http, https, mailto, and relative ones
	policy.AllowAttrs("href").OnElements("a")
	policy.RequireNoFollowOnLinks(true)
	policy.RequireNoReferrerOnLinks(true)
	return policy
}

// linker rewrites links and images of a README to the files of its pack.
type linker struct {
	pages *Pages
	req   route.Request
	rec   *record.Record
	files map[string]packs.File // by path
}

func newLinker(p *Pages, req route.Request, rec *record.Record) *linker {
	l := &linker{p, req, rec, make(map[string]packs.File, len(rec.Files))}
	for _, f := range rec.Files {
		l.files[f.Path] = f
	}
	return l
}

func (l *linker) visit(node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	switch n := node.(type) {
	case *ast.Link:
		if at, ok := l.file(n.Destination, false); ok {
			n.Destination = []byte(at)
		}
	case *ast.Image:
		if at, ok := l.file(n.Destination, true); ok {
			n.Destination = []byte(at)
			return ast.WalkContinue, nil
		}
		l.unlink(n)
		return ast.WalkSkipChildren, nil
	}
	return ast.WalkContinue, nil
}

// unlink replaces an image that is not in the pack with a link.
func (l *linker) unlink(n *ast.Image) {
	link := ast.NewLink()
	link.Destination, link.Title = n.Destination, n.Title
	for child := n.FirstChild(); child != nil; child = n.FirstChild() {
		link.AppendChild(link, child)
	}
	if link.FirstChild() == nil {
		link.AppendChild(link, ast.NewString([]byte("image")))
	}
	n.Parent().ReplaceChild(n.Parent(), n, link)
}

// file returns the URL of the pack's file at a destination.
func (l *linker) file(destination []byte, image bool) (string, bool) {
	u, err := url.Parse(string(destination))
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path == "" || strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	f, ok := l.files[path.Clean(u.Path)]
	if !ok {
		return "", false
	}
	if !image {
		return l.pages.fileAddress(l.req, l.rec.Archive, f.SHA256, ""), true
	}
	switch mediaType := packview.TypeOf(f.Path); mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return l.pages.fileAddress(l.req, l.rec.Archive, f.SHA256, mediaType), true
	}
	return "", false
}
