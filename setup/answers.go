package setup

import (
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// Secret is confidential text; it prints itself as REDACTED.
type Secret = config.Secret

// TLSMode is the source of the server's certificate.
type TLSMode string

// TLS modes.
const (
	PrivateCA   TLSMode = "private-ca"  // signed by a local CA; clients trust ca.crt once
	SelfSigned  TLSMode = "self-signed" // a single certificate that clients trust directly
	Files       TLSMode = "files"       // the operator's certificate and key
	LetsEncrypt TLSMode = "letsencrypt" // ordered by the server from an ACME directory
	Off         TLSMode = "off"         // plain HTTP
)

// Role is what a user may do: a reader pulls, a writer also pushes, an admin also deletes.
type Role string

// Roles.
const (
	Reader Role = "reader"
	Writer Role = "writer"
	Admin  Role = "admin"
)

// Roles returns all roles, the least privileged first.
func Roles() []Role { return []Role{Reader, Writer, Admin} }

// Sources of a password.
const (
	Generated   = "generated"
	Typed       = "typed"
	FromFile    = "file"
	FromEnv     = "env"
	FromStdin   = "stdin"
	Kept        = "kept" // the user exists and keeps its hash
	Unspecified = ""     // Kept if the user exists, otherwise Generated
)

// Origins of a [SAN], besides the names of network interfaces.
const (
	SANHostName    = "host name"
	SANShortName   = "short name"
	SANAlways      = "always"
	SANAddress     = "address"     // the listen address
	SANCertificate = "certificate" // in the certificate in use
	SANTyped       = "typed"
)

// SAN is a name or address for the certificate.
type SAN struct {
	Name   string
	Ticked bool   // include it in the certificate
	Origin string // reason: an interface ("eth0"), or one of the SAN… constants
}

// User is a user of the registry.
type User struct {
	Name     string
	Role     Role
	Password Secret // set with Typed, FromFile, FromEnv and FromStdin
	Source   string // source of the password

	Hash string // of an installed user: the stored bcrypt hash
	Flag string // flag that named the user, for messages; empty: --user
}

// HasPassword reports whether password is the current password of an installed user.
func (u User) HasPassword(password Secret) bool {
	return u.Hash != "" && htpasswd.Verify([]byte(u.Hash), []byte(password.Reveal())) == nil
}

// OwnName is the program's name in the process list.
const OwnName = "packhouse"
