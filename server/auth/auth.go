// Package auth authenticates requests and authorizes them.
//
// An Authenticator turns credentials into an Identity. A Policy turns an Identity and a
// route.Request into a Grant, using a single table of action × repository × role, the gate. Actions
// missing from the gate are denied.
package auth

import (
	"packhouse/server/reference"
	"packhouse/server/route"
)

// Role is a user's level of access to a repository. Each role includes the ones before it.
type Role uint8

// Roles. A reader pulls; a writer also pushes and moves tags; an admin also deletes and overwrites
// pack versions.
const (
	Nobody Role = iota
	Reader
	Writer
	Admin
)

// Identity is the sender of a request.
type Identity struct {
	User      string // empty if anonymous
	Anonymous bool   // no credentials; with authentication off every request is anonymous and has the admin role
	Probe     bool   // a short-lived identity of a local check
	Role      Role   // of a probe identity; the policy determines the roles of users
}

// Grant is an authorized request, as passed to handlers.
type Grant struct {
	Request  route.Request
	Identity Identity
	Role     Role // in Request.Repository; for listings, the highest in any repository
	// Visible reports whether the identity may read a repository. It filters listings and mounts.
	Visible func(reference.Repository) bool
}

// CanPush reports whether the identity may push to the repository. If so, reads protect content
// from garbage collection.
func (g Grant) CanPush() bool { return g.Role >= Writer }
