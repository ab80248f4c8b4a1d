// Package packview serves the packs of a registry at /v1, where pack clients expect them, and
// accepts pushes of packs.
//
//	v := packview.New(packview.Options{Store: store, Records: records})
//	err := v.Serve(w, r, grant) // route.PackPing, route.PackCatalog, route.PackTagList, …
//
// A pack is the OCI repository [<base>/]spectro-packs/archive/<name>. There is only one kind of
// storage: a pack that is pushed to /v1 is stored as the same artifact that an OCI client would
// push to /v2, and /v1 shows packs that were pushed to /v2. Credentials and roles are those of the
// repository. Information that the artifact lacks, such as the list of files, is derived from the
// archive (package record).
//
// docs/api.md and docs/openapi.yaml describe the requests and responses.
package packview

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/packview/record"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// Store is the part of storage.Store that a View uses.
type Store interface {
	storage.Blobs
	storage.Uploads
	storage.Manifests
	storage.Listings
}

// Options configures a View. Only Store is required.
type Options struct {
	Store   Store
	Records *record.Records // nil: records in memory

	Base      string       // prefix of paths in Link and Location, as in registry.Options
	Overwrite string       // packs.overwrite: Deny, Force or Allow; empty: Force
	Limits    packs.Limits // of pushed archives; zero: 2 GiB, 20,000 files

	Now        func() time.Time // nil: time.Now
	MaxCatalog int              // entries on a page of packs; 0: 1000
	MaxTags    int              // entries on a page of tags; 0: 1000

	// OnEvent is called after each successful action and must not block. Nil: events are ignored.
	OnEvent func(Event)
}

// Values of packs.overwrite: who may overwrite a version.
const (
	Deny  = "deny"  // no one
	Force = "force" // an admin, with a message
	Allow = "allow" // an admin
)

// Verbs of an Event, named as in CNCF distribution's notifications.
const (
	Push   = "push"
	Pull   = "pull"
	Delete = "delete"
)

// Event is a successful action. Fields that the verb does not use are zero.
type Event struct {
	Verb      string
	Grant     auth.Grant
	Request   *http.Request
	Digest    digest.Digest
	MediaType string             // of a manifest
	Manifest  *manifest.Manifest // the pushed manifest
	Size      int64              // in bytes
	Tags      []reference.Tag
}

// View handles authorized requests below /v1. It is safe for concurrent use.
type View struct {
	o      Options
	pushes pushCounts
	builds *semaphore.Weighted // indexes of files that are built at once
}

// New returns a view of o.Store.
func New(o Options) *View {
	if o.Records == nil {
		o.Records = record.New(record.Options{Blobs: o.Store})
	}
	if o.Overwrite == "" {
		o.Overwrite = Force
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxCatalog <= 0 {
		o.MaxCatalog = 1000
	}
	if o.MaxTags <= 0 {
		o.MaxTags = 1000
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return &View{o: o, builds: semaphore.NewWeighted(buildsAtOnce)}
}

// Records returns the records of archives.
func (v *View) Records() *record.Records { return v.o.Records }

// Serve handles an authorized request. If it returns an error, it has written nothing, and the
// caller passes the error to problem.Write.
func (v *View) Serve(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	serve, ok := map[route.Action]func(http.ResponseWriter, *http.Request, auth.Grant) error{
		route.PackPing: v.ping, route.PackCatalog: v.listPacks, route.PackTagList: v.listTags, route.PackRead: v.readPack,
		route.PackFile: v.readFile, route.PackLogo: v.readLogo, route.PackArchive: v.readArchive, route.PackPush: v.pushArchive,
		route.PackTagWrite: v.writeTag, route.PackTagDelete: v.deleteTag,
	}[grant.Request.Action]
	if !ok {
		return problem.NoRoute()
	}
	return serve(w, r, grant)
}

func (v *View) ping(w http.ResponseWriter, r *http.Request, _ auth.Grant) error {
	return write(w, r, http.StatusOK, struct{}{})
}

// listPacks lists the packs that the user may read, by name.
func (v *View) listPacks(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	page, prefix := req.Page, reference.PackPrefix(req.Base)
	n := page.Limit(v.o.MaxCatalog)
	found, more, err := storage.RepositoriesIn(r.Context(), v.o.Store, prefix, prefix+page.Last, n, func(repository reference.Repository) bool {
		base, _, pack := repository.Pack()
		return pack && base == req.Base && (grant.Visible == nil || grant.Visible(repository))
	})
	if err != nil {
		return err
	}
	names := make([]string, 0, len(found))
	for _, name := range found {
		names = append(names, strings.TrimPrefix(name, prefix))
	}
	if more && len(names) > 0 {
		route.Next(w.Header(), v.o.Base+"/v1/_catalog", sameBase(r), n, names[len(names)-1])
	}
	return write(w, r, http.StatusOK, struct {
		Repositories []string `json:"repositories"`
	}{names})
}

// sameBase returns the query with the base path of the request, or nil if the request has none.
func sameBase(r *http.Request) map[string][]string {
	if query := r.URL.Query(); query.Has("base") {
		return map[string][]string{"base": {query.Get("base")}}
	}
	return nil
}

// location returns the URL of an object of a pack.
func (v *View) location(r *http.Request, req route.Request, kind, name string) string {
	at := v.o.Base + "/v1/" + req.Pack + "/" + kind + "/" + name
	if base := sameBase(r); base != nil {
		at += "?base=" + req.Base
	}
	return at
}

// longestAnswer is the maximum size of a response in bytes. The content of responses is limited so
// that none reaches it.
const longestAnswer = 4 << 20

// encode returns the JSON of a response.
func encode(value any) ([]byte, error) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // responses are not pages, and an escape has six bytes
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	if content.Len() > longestAnswer {
		return nil, problem.New(http.StatusUnprocessableEntity, packInvalid, "the answer would be larger than %d MiB", longestAnswer>>20)
	}
	return bytes.TrimSuffix(content.Bytes(), []byte("\n")), nil
}

// write responds with a value as JSON.
func write(w http.ResponseWriter, r *http.Request, status int, value any) error {
	content, err := encode(value)
	if err != nil {
		return err
	}
	return send(w, r, status, content)
}

// send responds with JSON.
func send(w http.ResponseWriter, r *http.Request, status int, content []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // fails only if the client has left
	}
	return nil
}
