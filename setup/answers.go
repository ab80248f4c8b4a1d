package setup

import (
	"packhouse/certgen"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// Secret is text that must never be seen; it prints itself as REDACTED.
type Secret = config.Secret

// TLSMode says where the server's certificate comes from.
type TLSMode string

// TLS modes.
const (
	PrivateCA   TLSMode = "private-ca"  // a local CA signs it; clients trust ca.crt once
	SelfSigned  TLSMode = "self-signed" // a single certificate that clients trust itself
	Files       TLSMode = "files"       // certificate and key of the operator's
	LetsEncrypt TLSMode = "letsencrypt" // the server orders it from an ACME directory
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

// Roles lists them, the least first.
func Roles() []Role { return []Role{Reader, Writer, Admin} }

// Where a password comes from.
const (
	Generated   = "generated"
	Typed       = "typed"
	FromFile    = "file"
	FromEnv     = "env"
	FromStdin   = "stdin"
	Kept        = "kept" // the user exists and keeps its hash
	Unspecified = ""     // kept where the user exists, else generated
)

// Origins of a [SAN], beside the names of network interfaces.
const (
	SANHostName    = "host name"
	SANShortName   = "short name"
	SANAlways      = "always"
	SANAddress     = "address"     // the address that the server listens at
	SANCertificate = "certificate" // in the certificate in use
	SANTyped       = "typed"
)

// Answers is everything a setup has to know. It is a plain value: copy it, change it, validate it, make a plan of it.
type Answers struct {
	Dir       string // of the installation, absolute
	Hostname  string // the name that clients use, or an address
	SANs      []SAN  // further names and addresses of the certificate
	Addr      string // host:port to listen at; empty host: every address
	PublicURL string // what clients use where it differs from host name and port; empty: made of these

	TLS      TLSMode
	CertFile string // PEM, with Files
	KeyFile  string // PEM, with Files
	TLSCA    string // PEM file, with Files: the root that clients trust; empty: in CertFile, or the system's
	// KeyPasswordFile holds the password of an encrypted KeyFile.
	KeyPasswordFile string
	KeyType         certgen.KeyType
	CertDays        int      // life of a new server certificate
	Subject         string   // "C=,ST=,L=,O=,OU=" of a new certificate
	CAPermit        []string // names and networks that a new private CA is limited to; empty: no limit
	CAKey           string   // path of ca.key, if it was moved out of certs/
	Insecure        bool     // confirms passwords over plain HTTP beyond this machine

	ACMEEmail     string // with LetsEncrypt; empty: none
	ACMEDirectory string // URL; empty: Let's Encrypt
	ACMECA        string // PEM file: the CA of a private directory
	EABKeyID      string // key ID of the CA's external account; empty: none
	EABKeyFile    string // file with its HMAC key

	RotateCert bool // a new certificate, though the old one would do
	NewKey     bool // with a new key
	NewCA      bool // signed by a new CA
	DropOldCA  bool // the CA before it is no longer handed out

	Users       []User   // all users after the change, existing ones included
	RemoveUsers []string // users to take away
	NoSANs      []string // names to take away

	Storage           string    // config.Filesystem, config.S3 or config.InMemory
	StoragePath       string    // absolute, with config.Filesystem
	InMemoryConfirmed bool      // everything is lost at restart, and that is wanted
	S3                S3Answers // with config.S3

	Realm    string // what browsers show when they ask for the password
	LogLevel string // error, warn, info or debug

	Service string // NoService or Systemd
	RunAs   string // the user that a service runs as

	existing *Installed // what these answers start from; nil: nothing
	takeOver bool       // a store that another installation owns is taken over
	program  string     // what to type to run this program; empty: packhouse
	serve    bool       // setup leaves the server running
	offline  bool       // no probe asks the network
	listens  string     // an address that is ticked because the server listens there, and would not be else
}

// SAN is a name or address for the certificate.
type SAN struct {
	Name   string
	Ticked bool   // include it in the certificate
	Origin string // why it is offered: an interface ("eth0"), or one of the SAN… constants
}

// User is an account of the registry.
type User struct {
	Name     string
	Role     Role
	Password Secret // set with Typed, FromFile, FromEnv and FromStdin
	Source   string // where the password comes from

	hash string // of an installed user: the stored bcrypt hash
}

// HasPassword reports whether password is the current password of an installed user.
func (u User) HasPassword(password []byte) bool {
	return u.hash != "" && htpasswd.Verify([]byte(u.hash), password) == nil
}

// User finds a user by name, or returns nil.
func (a *Answers) User(name string) *User {
	for i := range a.Users {
		if a.Users[i].Name == name {
			return &a.Users[i]
		}
	}
	return nil
}

// Origin is the source of an answer.
type Origin string

// Origins, the strongest first.
const (
	FromFlag         Origin = "flag"
	FromEnvironment  Origin = "environment"
	FromAnswersFile  Origin = "answers file"
	FromInstallation Origin = "existing installation"
	FromDetection    Origin = "detected"
	FromDefault      Origin = "default"
	FromTyping       Origin = "typed"
)

// Resolved is one answer for every question, each with its origin.
type Resolved struct {
	Answers Answers
	Origins map[string]Origin // by Question.ID
}
