package auth

import (
	"fmt"

	"packhouse/server/problem"
	"packhouse/server/route"
)

// scope is where the role is required.
type scope uint8

const (
	repository scope = iota // in the repository of the request
	anywhere                // in any repository
	public                  // no role required
)

// effect is what an action does to the store.
type effect uint8

const (
	reads effect = iota
	writes
	deletes
)

// row is what an action requires.
type row struct {
	scope  scope
	role   Role
	effect effect
}

// gate has one row per action. It is the whole policy, except for the assignment of roles. Actions
// without a row are denied.
//
// Moving an existing tag may require a higher role if the tag is a pack version; the handler
// decides that under the tag's lock.
var gate = map[route.Action]row{
	route.Health: {scope: public},

	// Signing in: any user with a password may, regardless of role.
	route.Ping:     {scope: anywhere, role: Nobody},
	route.PackPing: {scope: anywhere, role: Nobody},

	// Reading. Listings show only readable repositories.
	route.BlobRead:     {role: Reader},
	route.ManifestRead: {role: Reader},
	route.TagList:      {role: Reader},
	route.Referrers:    {role: Reader},
	route.Catalog:      {scope: anywhere, role: Reader},
	route.PackCatalog:  {scope: anywhere, role: Reader},
	route.PackTagList:  {role: Reader},
	route.PackRead:     {role: Reader},
	route.PackFile:     {role: Reader},
	route.PackArchive:  {role: Reader},

	// Pack logos, which documentation and Palette link to. The pack view checks that the file is
	// a logo before the gate applies.
	route.PackLogo: {scope: public},

	// Pages. The root, which load balancers and charts probe without credentials, holds only a
	// link. Assets require a sign-in although they contain nothing secret.
	route.PageRoot:         {scope: public},
	route.PagePacks:        {scope: anywhere, role: Reader},
	route.PagePack:         {role: Reader},
	route.PageRepositories: {scope: anywhere, role: Reader},
	route.PageRepository:   {role: Reader},
	route.PageAsset:        {scope: anywhere, role: Nobody},

	// Pushing.
	route.UploadStart:   {role: Writer, effect: writes},
	route.UploadAppend:  {role: Writer, effect: writes},
	route.UploadFinish:  {role: Writer, effect: writes},
	route.UploadStatus:  {role: Writer},
	route.UploadCancel:  {role: Writer, effect: writes},
	route.ManifestWrite: {role: Writer, effect: writes},
	route.PackPush:      {role: Writer, effect: writes},
	route.PackTagWrite:  {role: Writer, effect: writes},

	// Deleting.
	route.TagDelete:      {role: Admin, effect: deletes},
	route.ManifestDelete: {role: Admin, effect: deletes},
	route.BlobDelete:     {role: Admin, effect: deletes},
	route.PackTagDelete:  {role: Admin, effect: deletes},
}

// ParseRole parses the name of a role: reader, writer or admin.
func ParseRole(name string) (Role, error) {
	switch name {
	case "reader":
		return Reader, nil
	case "writer":
		return Writer, nil
	case "admin":
		return Admin, nil
	}
	return Nobody, fmt.Errorf("role %q must be one of reader, writer, admin", name)
}

// String returns the name of the role.
func (r Role) String() string {
	switch r {
	case Reader:
		return "reader"
	case Writer:
		return "writer"
	case Admin:
		return "admin"
	}
	return "nobody"
}

// denied returns the error for an authenticated identity without the required role. It does not
// reveal whether the repository exists.
func denied(req route.Request) *problem.Error {
	if req.Repository.IsZero() {
		return problem.Forbidden("your role does not permit this")
	}
	return problem.Forbidden("your role does not permit this in repository %s", req.Repository).
		About(map[string]string{"action": string(req.Action), "repository": req.Repository.String()})
}
