package problem

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

// forPeople reports whether a browser requests a page. Programs, and all requests below /v1 and
// /v2, get JSON.
func forPeople(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if part == "v1" || part == "v2" {
			return false
		}
	}
	return true
}

// titles maps HTTP statuses to page headings.
var titles = map[int]string{
	http.StatusUnauthorized: "Please sign in", http.StatusForbidden: "Not allowed", http.StatusNotFound: "Not here",
	http.StatusTooManyRequests: "Too many attempts", http.StatusServiceUnavailable: "Not now",
}

// page is self-contained, because the style sheet requires a sign-in.
var page = template.Must(template.New("refusal").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}} · packhouse</title>
</head>
<body>
<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
<p><small>{{.Code}}</small></p>
</body>
</html>
`))

// pageOf renders the error as an HTML page.
func pageOf(p *Error) []byte {
	title, ok := titles[p.Status]
	if !ok {
		title = http.StatusText(p.Status)
	}
	var b bytes.Buffer
	// It cannot fail: the template is constant and its values are strings.
	_ = page.Execute(&b, struct{ Title, Message, Code string }{title, p.Message, p.Code})
	return b.Bytes()
}

// pagePolicy forbids the page to load anything.
const pagePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
