// Package packview shows the packs of a registry at /v1, the address where pack clients look for them.
//
//	v := packview.New(packview.Options{Store: store})
//	err := v.Serve(w, r, grant) // route.PackPing, route.PackCatalog
//
// The view keeps nothing: a pack is the OCI repository [<base>/]spectro-packs/archive/<name>, pushed by whatever client, and is shown as
// <name>. Credentials and roles are those of the repository. What is not a pack does not appear.
package packview

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// Options is what a view is made of. Only Store is needed.
type Options struct {
	Store storage.Listings

	Packs string // the base path of the packs that are shown (packs.base); "" for none
	Base  string // stands before every path in Link, as in registry.Options

	MaxCatalog int // entries of a page of packs; 0: 1000
}

// View answers granted requests below /v1.
type View struct {
	o Options
}

// New returns a view of o.Store.
func New(o Options) *View {
	if o.MaxCatalog <= 0 {
		o.MaxCatalog = 1000
	}
	return &View{o}
}

// Serve answers a granted request. An error is for problem.Write and means that nothing has been written yet.
func (v *View) Serve(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch grant.Request.Action {
	case route.PackPing:
		return v.write(w, r, struct{}{})
	case route.PackCatalog:
		return v.list(w, r, grant)
	}
	return problem.NoRoute()
}

// list lists the packs that the user may read, by name.
func (v *View) list(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	page, prefix := grant.Request.Page, reference.PackPrefix(v.o.Packs)
	n := page.Limit(v.o.MaxCatalog)
	found, more, err := v.o.Store.Repositories(r.Context(), prefix+page.Last, n, func(repository reference.Repository) bool {
		base, _, pack := repository.Pack()
		return pack && base == v.o.Packs && (grant.Visible == nil || grant.Visible(repository))
	})
	if err != nil {
		return err
	}
	names := make([]string, 0, len(found))
	for _, name := range found {
		names = append(names, strings.TrimPrefix(name, prefix))
	}
	if more && len(names) > 0 {
		route.Next(w.Header(), v.o.Base+"/v1/_catalog", nil, n, names[len(names)-1])
	}
	return v.write(w, r, struct {
		Repositories []string `json:"repositories"`
	}{names})
}

func (v *View) write(w http.ResponseWriter, r *http.Request, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that left hears nothing
	}
	return nil
}
