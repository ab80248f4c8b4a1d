package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
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

// sizeOf is how long a list of names becomes as JSON, for names that need no escapes.
func sizeOf(names []string) int {
	n := 2
	for _, name := range names {
		n += len(name) + 3
	}
	return n
}

// appendList writes names as a list of JSON, empty where there are none. A page may have ten thousand of them, and encoding/json takes several times
// as long, most of it to find out that nothing is to be escaped.
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

// appendString writes a string of JSON. What the grammar allows in names and tags needs no escapes.
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

// listReferrers lists the manifests whose subject is a digest, known or not, as an index (end-12). It is cut into pages that fit the limit of
// manifests, because clients read it as one.
func (g *Registry) listReferrers(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	entries, err := g.referrers(r.Context(), req)
	if err != nil && !errors.Is(err, storage.ErrRepositoryUnknown) {
		return err
	}
	slices.SortFunc(entries, func(a, b manifest.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })

	query := url.Values{}
	if req.ArtifactType != "" {
		w.Header().Set("Oci-Filters-Applied", "artifactType")
		query.Set("artifactType", req.ArtifactType)
	}
	page, err := cut(entries, req.Page.N)
	if err != nil {
		return err
	}
	if len(page) > 0 && len(page) < len(entries) {
		route.Next(w.Header(), g.location(req.Repository, "referrers", req.Digest.String()), query, req.Page.N, entries[len(page)-1].Digest.String())
	}
	content, err := json.Marshal(struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}{2, manifest.OCIIndex, page})
	if err != nil {
		return err
	}
	return writeJSON(w, r, manifest.OCIIndex, content)
}

// referrers returns what may be on a page, and at least one more where there is one.
func (g *Registry) referrers(ctx context.Context, req route.Request) ([]manifest.Descriptor, error) {
	unwanted := func(d manifest.Descriptor) bool {
		return req.ArtifactType != "" && d.ArtifactType != req.ArtifactType || d.Digest.String() <= req.Page.Last
	}
	pages, able := g.o.Store.(storage.ReferrerPages)
	if !able {
		all, err := g.o.Store.Referrers(ctx, req.Repository, req.Digest)
		return slices.DeleteFunc(slices.Clone(all), unwanted), err
	}
	last, err := reference.ParseDigest(req.Page.Last)
	if err != nil {
		last = "" // where something that is no digest would come is left to unwanted
	}
	var entries []manifest.Descriptor
	for size := 0; ; {
		n := referrersAtOnce
		if req.Page.N >= 0 {
			n = min(n, req.Page.N+1-len(entries))
		}
		page, next, err := pages.ReferrersAfter(ctx, req.Repository, req.Digest, last, n)
		if err != nil {
			return nil, err
		}
		for _, d := range slices.DeleteFunc(page, unwanted) {
			content, err := json.Marshal(d)
			if err != nil {
				return nil, err
			}
			size += len(content)
			entries = append(entries, d)
		}
		if next == "" || size > manifest.MaxSize || req.Page.N >= 0 && len(entries) > req.Page.N {
			return entries, nil
		}
		last = next
	}
}

// referrersAtOnce is how many referrers are asked for at once.
const referrersAtOnce = 1000

// cut encodes the entries that one page holds: n of them, or as many as fit the size of a manifest, but always one.
func cut(entries []manifest.Descriptor, n int) ([]json.RawMessage, error) {
	page, size := []json.RawMessage{}, 256 // what stands around them
	for _, d := range entries {
		if n >= 0 && len(page) == n {
			break
		}
		content, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		size += len(content) + 1
		if size > manifest.MaxSize && len(page) > 0 {
			break
		}
		page = append(page, content)
	}
	return page, nil
}
