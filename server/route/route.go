// Package route parses requests into an action on parsed resources.
//
// It is the only parser of paths. The gate checks a Request and the handlers act on that same
// Request, so a request cannot be authorized for one name and executed on another. Unknown paths
// are rejected.
package route

import (
	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Action is the operation that a request asks for.
type Action string

// All actions. The gate has a row for each.
const (
	Health Action = "health" // GET /health

	// The OCI distribution specification 1.1; numbers are those of its section "Endpoints".
	Ping           Action = "ping"            // end-1
	BlobRead       Action = "blob.read"       // end-2 (GET, HEAD)
	ManifestRead   Action = "manifest.read"   // end-3 (GET, HEAD)
	UploadStart    Action = "upload.start"    // end-4a, 4b, 11 (POST; with ?digest and with ?mount)
	UploadAppend   Action = "upload.append"   // end-5 (PATCH)
	UploadFinish   Action = "upload.finish"   // end-6 (PUT)
	UploadStatus   Action = "upload.status"   // end-13 (GET)
	UploadCancel   Action = "upload.cancel"   // DELETE of a session
	ManifestWrite  Action = "manifest.write"  // end-7 (PUT)
	TagList        Action = "tag.list"        // end-8a, 8b
	ManifestDelete Action = "manifest.delete" // end-9 by digest
	TagDelete      Action = "tag.delete"      // end-9 by tag
	BlobDelete     Action = "blob.delete"     // end-10
	Referrers      Action = "referrers"       // end-12a, 12b
	Catalog        Action = "catalog"         // GET /v2/_catalog

	// The pack view.
	PackPing      Action = "pack.ping"       // GET /v1/
	PackCatalog   Action = "pack.catalog"    // GET /v1/_catalog
	PackTagList   Action = "pack.tag.list"   // GET /v1/<pack>/tags/list
	PackRead      Action = "pack.read"       // GET /v1/<pack>/manifests/<tag, parent tag or digest>
	PackFile      Action = "pack.file"       // GET /v1/<pack>/blobs/<digest>
	PackLogo      Action = "pack.logo"       // the same, for a pack's logo; set by the pack view, not by the path
	PackArchive   Action = "pack.archive"    // GET /v1/<pack>/archives/<tag, parent tag or digest>
	PackPush      Action = "pack.push"       // PUT /v1/<pack>/archives/<version>
	PackTagWrite  Action = "pack.tag.write"  // PUT /v1/<pack>/tags/<tag>
	PackTagDelete Action = "pack.tag.delete" // DELETE /v1/<pack>/tags/<tag>

	// The pages for people.
	PageRoot         Action = "page.root"         // GET /
	PagePacks        Action = "page.packs"        // GET /packs
	PagePack         Action = "page.pack"         // GET /packs/<pack>[/<tag, parent tag or digest>[/<section>]]
	PageRepositories Action = "page.repositories" // GET /repositories
	PageRepository   Action = "page.repository"   // GET /repositories/<name>
	PageAsset        Action = "page.asset"        // GET /assets/<name>
)

// API is a part of the server that has handlers of its own.
type API uint8

// All APIs.
const (
	APIRegistry API = iota // /v2, the OCI distribution protocol
	APIPacks               // /v1
	APIPages               // the browse pages
	APIHealth              // /health
)

// API returns the API of an action.
func (a Action) API() API {
	switch a {
	case Health:
		return APIHealth
	case PackPing, PackCatalog, PackTagList, PackRead, PackFile, PackLogo, PackArchive, PackPush, PackTagWrite,
		PackTagDelete:
		return APIPacks
	case PageRoot, PagePacks, PagePack, PageRepositories, PageRepository, PageAsset:
		return APIPages
	}
	return APIRegistry
}

// Request is a parsed request. Fields that the action does not use are zero.
type Request struct {
	Action     Action
	Repository reference.Repository
	Tag        reference.Tag        // exactly one of Tag and Digest for manifests
	Digest     digest.Digest        // of the manifest, the blob or the referrers' subject; also ?digest= of an upload
	Upload     string               // session ID: 32 lower-case hexadecimal digits
	Mount      digest.Digest        // ?mount=
	From       reference.Repository // ?from= of a mount; zero: any repository
	Tags       []reference.Tag      // ?tag= on a manifest PUT by digest

	Algorithm    digest.Algorithm // ?digest-algorithm= of an upload; empty: not given
	ArtifactType string           // ?artifactType= of a listing of referrers; empty: all
	Page         Page             // of listings

	// For the pack view and the pages. Repository is the pack's, and Tag may be a parent tag.
	Base      string        // path before spectro-packs: ?base=, or the configured one
	Pack      string        // the pack's name
	Version   string        // of a pushed archive
	Group     string        // ?group= of a pushed archive; empty: from its pack.json
	Force     bool          // ?force= of a pushed archive
	Message   string        // ?message= of a pushed archive
	MediaType string        // ?type= of a file: an image type; empty: not given
	Archive   digest.Digest // ?archive= of a file: the archive that contains it; empty: any tagged one
	Section   string        // of a pack's page; empty: the first
	Search    string        // ?q= of a page
	Layer     string        // ?layer= of a page
	Cloud     string        // ?cloud= of a page: a cloud type
	Older     bool          // ?versions=all of a page: search in older versions too
	File      string        // ?path= of a page that shows a file
	Before    Version       // ?from= of a page that shows changes; zero: the version before
	Asset     string        // name of an asset
}

// Version is a version of a pack, by tag or digest. At most one is set.
type Version struct {
	Tag    reference.Tag
	Digest digest.Digest
}
