// Package registry implements the OCI distribution protocol 1.1 (https://github.com/opencontainers/distribution-spec) over
// a storage.Store.
//
//	g := registry.New(registry.Options{Store: store})
//	err := g.Serve(w, r, grant) // grant: from auth.Policy; err: for problem.Write
//
// Requests are already parsed (route.Request) and authorized (auth.Grant); this package reads no path and no password, and
// does not know whether the configuration allows changes. Handlers return a *problem.Error or an error of the store, which
// the caller passes to problem.Write. If an error occurs after the response has started, Serve panics with
// http.ErrAbortHandler.
//
// # Guarantees
//
// Blobs are streamed, never held in memory. A 201 or 202 for a push has the guarantees of storage.Store. Manifests are
// stored and served byte for byte. Location headers are relative, because a server behind a proxy does not know its name.
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

// Options configures a Registry. Only Store is required.
type Options struct {
	Store storage.Store

	// Base is the prefix of paths in Location and Link, without a trailing slash: "" for paths relative to the host,
	// "/prefix", or "https://host/prefix".
	Base string

	MaxCatalog int // entries on a page of repositories; 0: 1000
	MaxTags    int // entries on a page of tags; 0: 10000

	// MountSearch is how long a mount without a source searches the repositories that the user may read, before the client
	// must push the blob. 0: 2 seconds.
	MountSearch time.Duration

	// MayOverwrite returns an error if an existing tag must not be moved from old. It is called with the tag's lock held.
	// Nil: OverwriteRule.
	MayOverwrite func(g auth.Grant, tag reference.Tag, old digest.Digest) error

	// MayTag returns an error if the repository of a pack must not have a tag. Nil: every tag is accepted.
	MayTag func(tag reference.Tag) error

	// MayReferTo returns an error if a manifest must not contain a URL from which clients fetch content. Nil: every URL is
	// accepted.
	MayReferTo func(url string) error

	// Sparse accepts manifests whose blobs are missing.
	Sparse bool

	// Redirect returns a URL at which the storage itself serves a blob without credentials (storage.redirect), or "" if the
	// registry must serve it. Nil: the registry serves all blobs.
	Redirect func(ctx context.Context, repo reference.Repository, d digest.Digest) (string, error)

	// OnEvent is called after each successful action and must not block. Nil: events are ignored.
	OnEvent func(Event)
}

// Registry answers authorized requests. It is safe for concurrent use.
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

// OverwriteRule allows moving tags, except that only an admin may move versions of packs: Palette remembers the digest of a
// version.
func OverwriteRule(g auth.Grant, tag reference.Tag, _ digest.Digest) error {
	if _, name, pack := g.Request.Repository.Pack(); pack && g.Role < auth.Admin {
		return problem.Forbidden("version %s of pack %s already exists: push another version, or ask an admin to overwrite it", tag, name)
	}
	return nil
}

// Serve answers an authorized request. If it returns an error, it has written nothing.
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

// ping answers the version check (end-1).
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
