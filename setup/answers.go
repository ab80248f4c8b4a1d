package setup

import (
	"packhouse/certgen"
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

// Answers holds the answers to all questions. It is a plain value that can be copied.
type Answers struct {
	Dir       string // installation directory, absolute
	Hostname  string // name or address that clients use
	SANs      []SAN  // additional names and addresses of the certificate
	Addr      string // host:port to listen on; empty host: all addresses
	PublicURL string // URL for clients, if different; empty: derived from host name and port

	TLS      TLSMode
	CertFile string // PEM, with Files
	KeyFile  string // PEM, with Files
	TLSCA    string // PEM file, with Files: the root that clients trust; empty: in CertFile, or a system root
	// KeyPasswordFile is the path of the file with KeyFile's password.
	KeyPasswordFile string
	KeyType         certgen.KeyType
	CertDays        int      // lifetime of a new server certificate
	Subject         string   // "C=,ST=,L=,O=,OU=" of a new certificate
	CAPermit        []string // name constraints of a new private CA; empty: none
	CAKey           string   // path of ca.key, if it was moved out of certs/
	Insecure        bool     // allow passwords over plain HTTP from other machines

	ACMEEmail     string // with LetsEncrypt; empty: none
	ACMEDirectory string // URL; empty: Let's Encrypt
	ACMECA        string // PEM file: the CA of a private ACME directory
	EABKeyID      string // key ID of the CA's external account; empty: none
	EABKeyFile    string // path of the file with its HMAC key

	RotateCert bool // issue a new certificate even if the old one is valid
	NewKey     bool // with a new key
	NewCA      bool // signed by a new CA
	DropOldCA  bool // stop distributing the previous CA

	Users       []User   // all users after the change, existing ones included
	RemoveUsers []string // users to remove
	NoSANs      []string // names to remove

	Storage           string    // config.Filesystem, config.S3 or config.InMemory
	StoragePath       string    // absolute, with config.Filesystem
	TakeOver          bool      // take over StoragePath from the installation that owns it
	InMemoryConfirmed bool      // accepts that all content is lost at restart
	S3                S3Answers // with config.S3

	Realm    string // shown by browsers that ask for a password
	LogLevel string // error, warn, info or debug

	Service string // NoService or Systemd
	RunAs   string // the user that runs the service

	existing *Installed // installation that the answers start from; nil: none
	program  string     // command name of this program; empty: packhouse
	serve    bool       // setup leaves the server running
	offline  bool       // probes do not use the network
	listens  string     // address that is checked only because the server listens on it
}

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

	hash string // of an installed user: the stored bcrypt hash
	flag string // flag that named the user, for messages; empty: --user
}

// HasPassword reports whether password is the current password of an installed user.
func (u User) HasPassword(password []byte) bool {
	return u.hash != "" && htpasswd.Verify([]byte(u.hash), password) == nil
}

// User returns the user with a name, or nil.
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

// Origins, the highest precedence first.
const (
	FromFlag         Origin = "flag"
	FromEnvironment  Origin = "environment"
	FromAnswersFile  Origin = "answers file"
	FromInstallation Origin = "existing installation"
	FromDetection    Origin = "detected"
	FromDefault      Origin = "default"
	FromTyping       Origin = "typed"
)

// Resolved holds an answer to every question, with its origin.
type Resolved struct {
	Answers Answers
	Origins map[string]Origin // by Question.ID
}
