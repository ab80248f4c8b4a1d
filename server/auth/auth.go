// Package auth decides who is there and what they may do.
//
// An Authenticator turns credentials into an Identity. A Policy turns an Identity and a route.Request into a Grant by one table, the gate:
// action × repository × role. What the gate does not name is refused.
package auth

import (
	"packhouse/server/reference"
	"packhouse/server/route"
)

// Role is what somebody may do in a repository. Each includes those before it.
type Role uint8

// Roles. A reader pulls; a writer also pushes and moves tags; an admin also deletes and overwrites pack versions.
const (
	Nobody Role = iota
	Reader
	Writer
	Admin
)

// Identity is who sends a request.
type Identity struct {
	User      string // empty: anonymous
	Anonymous bool   // no credentials; with authentication off everybody is, and may do what an admin may
	Probe     bool   // one of the short-lived identities of the local checks
	Role      Role   // of a probe identity; users have theirs from the policy
}

// Grant is an allowed request, as handlers get it.
type Grant struct {
	Request  route.Request
	Identity Identity
	Role     Role // in Request.Repository; for listings the highest anywhere
	// Visible tells whether the identity may read a repository: listings and mounts ask it.
	Visible func(reference.Repository) bool
}

// CanPush tells whether the holder may push to the repository: reads then keep content from being collected.
func (g Grant) CanPush() bool { return g.Role >= Writer }
