package registry

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
)

// Verb is the kind of an Event.
type Verb string

// Verbs, named as CNCF distribution's notifications name them.
const (
	Push   Verb = "push"
	Pull   Verb = "pull"
	Mount  Verb = "mount"
	Delete Verb = "delete"
)

// Event is a successful action, for notifications and the audit log. Fields that the verb does not use are zero.
type Event struct {
	Verb       Verb
	Repository reference.Repository
	From       reference.Repository // source of a mount, if the client named one
	Digest     digest.Digest
	MediaType  string             // of a manifest
	Manifest   *manifest.Manifest // the pushed manifest
	Size       int64              // in bytes; -1: unknown
	Tags       []reference.Tag
	Identity   auth.Identity
	Request    *http.Request
}

// notify reports an event of a granted request.
func (g *Registry) notify(r *http.Request, grant auth.Grant, e Event) {
	e.Repository, e.Identity, e.Request = grant.Request.Repository, grant.Identity, r
	g.o.OnEvent(e)
}
