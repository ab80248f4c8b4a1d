// Package route turns a request into what it asks for: one action on parsed resources.
//
// It is the only parser of paths. The gate decides on a Request and the handlers act on that same Request, so nothing can be allowed
// for one name and done to another. What it does not know is refused.
package route

import (
	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Action is what a request wants done.
type Action string

// Every action there is. The gate has one row for each.
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
	PackPing    Action = "pack.ping"    // GET /v1/
	PackCatalog Action = "pack.catalog" // GET /v1/_catalog
)

// Request is a parsed request. Fields that the action does not use are zero.
type Request struct {
	Action     Action
	Repository reference.Repository
	Tag        reference.Tag        // exactly one of Tag and Digest for manifests
	Digest     digest.Digest        // of the manifest, the blob or the referrers' subject; also ?digest= of an upload
	Upload     string               // session id: 32 lower-case hexadecimal digits
	Mount      digest.Digest        // ?mount=
	From       reference.Repository // ?from= of a mount; zero: from anywhere
	Tags       []reference.Tag      // ?tag= on a manifest PUT by digest

	Algorithm    digest.Algorithm // ?digest-algorithm= of an upload; empty: none asked for
	ArtifactType string           // ?artifactType= of a listing of referrers; empty: all
	Page         Page             // of listings
}
