package auth

import (
	"fmt"

	"packhouse/server/problem"
	"packhouse/server/route"
)

// scope is where a role has to be held.
type scope uint8

const (
	repository scope = iota // in the repository of the request
	anywhere                // in any repository
	public                  // not at all
)

// effect is what an action does to the store.
type effect uint8

const (
	reads effect = iota
	writes
	deletes
)

// row is what an action takes.
type row struct {
	scope  scope
	role   Role
	effect effect
}

// gate has one row for every action there is: it is the whole policy but for who holds which role. An action without a row is refused.
//
// Moving a tag that exists takes more than its row where the tag is a pack's version; that is decided under the tag's lock, by the handler.
var gate = map[route.Action]row{
	route.Health: {scope: public},

	// Signing in. Whoever has a password may, whatever else they may do.
	route.Ping:     {scope: anywhere, role: Nobody},
	route.PackPing: {scope: anywhere, role: Nobody},

	// Reading. Listings show only what may be read.
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

	// The logo of a pack, which documentation and Palette link to. That a file is one is found out before the gate is asked.
	route.PackLogo: {scope: public},

	// The pages. The root holds only a link: load balancers and charts probe it
	// without credentials. Assets need a sign-in although they hold nothing secret.
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

// ParseRole reads the name of a role: reader, writer or admin.
func ParseRole(name string) (Role, error) {
	switch name {
	case "reader":
		return Reader, nil
	case "writer":
		return Writer, nil
	case "admin":
		return Admin, nil
	}
	return Nobody, fmt.Errorf("role %q is none of reader, writer, admin", name)
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

// denied is the answer to somebody who is known and may not. It is the same whether or not the repository exists.
func denied(req route.Request) *problem.Error {
	if req.Repository.IsZero() {
		return problem.Forbidden("your role does not permit this")
	}
	return problem.Forbidden("your role does not permit this in repository %s", req.Repository).
		About(map[string]string{"action": string(req.Action), "repository": req.Repository.String()})
}
