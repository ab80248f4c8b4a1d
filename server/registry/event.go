package registry

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
)

// Verb is what was done.
type Verb string

// Verbs, named as CNCF distribution's notifications name them.
const (
	Push   Verb = "push"
	Pull   Verb = "pull"
	Mount  Verb = "mount"
	Delete Verb = "delete"
)

// Event is one thing that was done, for notifications and the audit log. Fields that the verb does not use are zero.
type Event struct {
	Verb       Verb
	Repository reference.Repository
	From       reference.Repository // of a mount that named its source
	Digest     digest.Digest
	MediaType  string             // of a manifest
	Manifest   *manifest.Manifest // that was pushed
	Size       int64              // in bytes; -1: not known
	Tags       []reference.Tag
	Identity   auth.Identity
	Request    *http.Request
}

// tell reports an event of a granted request.
func (g *Registry) tell(r *http.Request, grant auth.Grant, e Event) {
	e.Repository, e.Identity, e.Request = grant.Request.Repository, grant.Identity, r
	g.o.OnEvent(e)
}
