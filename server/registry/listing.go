package registry

import (
	"encoding/json"
	"net/http"

	"packhouse/server/auth"
	"packhouse/server/route"
)

// listTags lists the tags of a repository (end-8).
func (g *Registry) listTags(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	n := req.Page.Limit(g.o.MaxTags)
	tags, more, err := g.o.Store.Tags(r.Context(), req.Repository, req.Page.Last, n)
	if err != nil {
		return err
	}
	if more && len(tags) > 0 {
		route.Next(w.Header(), g.location(req.Repository, "tags", "list"), nil, n, tags[len(tags)-1])
	}
	content := append(make([]byte, 0, sizeOf(tags)+64+len(req.Repository.String())), `{"name":`...)
	content = appendString(content, req.Repository.String())
	content = appendList(append(content, `,"tags":`...), tags)
	return writeJSON(w, r, "application/json", append(content, '}'))
}

// listRepositories lists the repositories that the user may read.
func (g *Registry) listRepositories(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	page := grant.Request.Page
	n := page.Limit(g.o.MaxCatalog)
	names, more, err := g.o.Store.Repositories(r.Context(), page.Last, n, grant.Visible)
	if err != nil {
		return err
	}
	if more && len(names) > 0 {
		route.Next(w.Header(), g.o.Base+"/v2/_catalog", nil, n, names[len(names)-1])
	}
	content := append(make([]byte, 0, sizeOf(names)+64), `{"repositories":`...)
	return writeJSON(w, r, "application/json", append(appendList(content, names), '}'))
}

// sizeOf returns the length of a list of names as JSON, if no name needs escaping.
func sizeOf(names []string) int {
	n := 2
	for _, name := range names {
		n += len(name) + 3
	}
	return n
}

// appendList appends names as a JSON array. For pages of ten thousand names, it is several times as fast as encoding/json.
func appendList(to []byte, names []string) []byte {
	to = append(to, '[')
	for i, name := range names {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendString(to, name)
	}
	return append(to, ']')
}

// appendString appends a JSON string. Valid names and tags need no escaping.
func appendString(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c > '~' {
			escaped, _ := json.Marshal(s) // a string cannot fail
			return append(to, escaped...)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"')
}
