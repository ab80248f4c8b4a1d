// Package registry speaks the OCI distribution protocol 1.1 (https://github.com/opencontainers/distribution-spec) over a storage.Store.
//
//	g := registry.New(registry.Options{Store: store})
//	err := g.Serve(w, r, grant) // grant: what auth.Policy allowed; err: for problem.Write
//
// A request comes in parsed (route.Request) and granted (auth.Grant); nothing here looks at a path or a password. Handlers return errors,
// which are refusals (*problem.Error) or what the store returned; the caller has problem.Write answer with them. Once an answer has begun
// it can only be cut off: Serve then panics with http.ErrAbortHandler, as net/http wants it.
//
// # What is promised
//
// Bodies of blobs stream: none is held in memory. A 201 or 202 to a push says what storage.Store promises of it. Manifests are kept and
// served byte for byte. Location headers are relative, because a server behind a proxy does not know its name.
package registry

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"

	"github.com/opencontainers/go-digest"
)

// Options is what a registry is made of. Only Store is needed.
type Options struct {
	Store storage.Store

	// Base stands before every path in Location and Link: "" for paths relative to the host, "/prefix" below a prefix, or a whole
	// "https://host/prefix". No slash at its end.
	Base string

	MaxCatalog int // entries of a page of repositories; 0: 1000
	MaxTags    int // entries of a page of tags; 0: 10000

	// MountSearch is how long a mount without a source looks through the repositories that the user may read; 0: 2 seconds. Then the client
	// is to push.
	MountSearch time.Duration

	// MayOverwrite decides whether a tag that points elsewhere may be moved; it is asked under the tag's lock. An error refuses the push.
	// Nil: OverwriteRule.
	MayOverwrite func(g auth.Grant, tag reference.Tag, old digest.Digest) error

	// MayTag decides whether a tag may be given in the repository of a pack. Nil: every tag may.
	MayTag func(tag reference.Tag) error

	// MayReferTo decides whether a manifest may hold a URL from which clients fetch content. Nil: every
	// URL is accepted.
	MayReferTo func(url string) error

	// Redirect returns where the engine itself serves a blob to whoever has the address, or nothing where it has to come from here
	// (storage.redirect). Nil: all blobs come from here.
	Redirect func(ctx context.Context, repo reference.Repository, d digest.Digest) (string, error)

	// OnEvent hears of everything that was done, after the answer was decided. It must not block. Nil: nobody does.
	OnEvent func(Event)
}

// Registry answers granted requests. It has no state of its own.
type Registry struct {
	o        Options
	large    *semaphore.Weighted // bytes of large manifests that are parsed and stored at once
	bodies   *semaphore.Weighted // large manifests that are received or wait to be stored
	listings *semaphore.Weighted // large listings of referrers that are read at once
}

// New returns a registry over o.Store.
func New(o Options) *Registry {
	if o.MaxCatalog <= 0 {
		o.MaxCatalog = 1000
	}
	if o.MaxTags <= 0 {
		o.MaxTags = 10_000
	}
	if o.MountSearch <= 0 {
		o.MountSearch = 2 * time.Second
	}
	if o.MayOverwrite == nil {
		o.MayOverwrite = OverwriteRule
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return &Registry{
		o: o, large: semaphore.NewWeighted(largeBudget), listings: semaphore.NewWeighted(largeListings),
		bodies: semaphore.NewWeighted(largeBodies),
	}
}

// OverwriteRule lets whoever may push move tags, but for the versions of packs: Palette remembers the digest behind a version, so only an
// admin moves those.
func OverwriteRule(g auth.Grant, tag reference.Tag, _ digest.Digest) error {
	if _, name, pack := g.Request.Repository.Pack(); pack && g.Role < auth.Admin {
		return problem.Forbidden("version %s of pack %s is there already: push another version, or have an admin overwrite it", tag, name)
	}
	return nil
}

// Serve answers a granted request. An error means that nothing has been written yet.
func (g *Registry) Serve(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	h := w.Header()
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	h.Set("X-Content-Type-Options", "nosniff")

	serve, ok := map[route.Action]func(http.ResponseWriter, *http.Request, auth.Grant) error{
		route.Ping: g.ping, route.BlobRead: g.readBlob, route.ManifestRead: g.readManifest, route.TagList: g.listTags,
		route.Catalog: g.listRepositories, route.Referrers: g.listReferrers,
		route.UploadStart: g.startUpload, route.UploadAppend: g.appendUpload, route.UploadFinish: g.finishUpload,
		route.UploadStatus: g.statUpload, route.UploadCancel: g.cancelUpload,
		route.ManifestWrite: g.writeManifest, route.ManifestDelete: g.deleteManifest, route.TagDelete: g.deleteTag, route.BlobDelete: g.deleteBlob,
	}[grant.Request.Action]
	if !ok {
		return problem.NoRoute()
	}
	return serve(w, r, grant)
}

// ping tells that the protocol is spoken (end-1).
func (g *Registry) ping(w http.ResponseWriter, r *http.Request, _ auth.Grant) error {
	return writeJSON(w, r, "application/json", []byte("{}"))
}

func owner(grant auth.Grant) storage.Owner {
	return storage.Owner{Repository: grant.Request.Repository, User: grant.Identity.User}
}

// location returns the URL of something in a repository.
func (g *Registry) location(repository reference.Repository, kind, name string) string {
	return g.o.Base + "/v2/" + repository.String() + "/" + kind + "/" + name
}
