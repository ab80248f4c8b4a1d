package question

import (
	"net"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/certgen"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/templates"
)

// Answers holds the answers to all questions. It is a plain value that can be copied.
type Answers struct {
	Dir       string      // installation directory, absolute
	Hostname  string      // name or address that clients use
	SANs      []setup.SAN // additional names and addresses of the certificate
	Addr      string      // host:port to listen on; empty host: all addresses
	PublicURL string      // URL for clients, if different; empty: derived from host name and port

	TLS      setup.TLSMode
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

	Users       []setup.User // all users after the change, existing ones included
	RemoveUsers []string     // users to remove
	NoSANs      []string     // names to remove

	Storage           string           // config.Filesystem, config.S3 or config.InMemory
	StoragePath       string           // absolute, with config.Filesystem
	TakeOver          bool             // take over StoragePath from the installation that owns it
	InMemoryConfirmed bool             // accepts that all content is lost at restart
	S3                config.S3Storage // with config.S3; only what questions ask for

	Realm    string // shown by browsers that ask for a password
	LogLevel string // error, warn, info or debug

	Service string // NoService or Systemd
	RunAs   string // the user that runs the service

	Existing *installation.Installed // installation that the answers start from; nil: none
	Program  string                  // command name of this program; empty: packhouse
	Serve    bool                    // setup leaves the server running
	Offline  bool                    // probes do not use the network
	listens  string                  // address that is checked only because the server listens on it
}

// User returns the user with a name, or nil.
func (a *Answers) User(name string) *setup.User {
	for i := range a.Users {
		if a.Users[i].Name == name {
			return &a.Users[i]
		}
	}
	return nil
}

// CertNames returns the names of a new certificate: the host name and all checked SANs.
func (a *Answers) CertNames() (certgen.Names, error) {
	names := []string{machine.Canonical(a.Hostname)}
	for _, san := range a.SANs {
		if san.Ticked {
			names = append(names, machine.Canonical(san.Name))
		}
	}
	return certgen.ParseNames(names)
}

// AddSAN checks a name, and adds it if it is not in the list.
func (a *Answers) AddSAN(name, origin string) {
	name = machine.Canonical(name)
	for i := range a.SANs {
		if machine.Canonical(a.SANs[i].Name) == name {
			a.SANs[i].Ticked = true
			return
		}
	}
	a.SANs = append(a.SANs, setup.SAN{Name: name, Ticked: true, Origin: origin})
}

// Clone returns a deep copy.
func (a Answers) Clone() Answers {
	a.SANs, a.Users = slices.Clone(a.SANs), slices.Clone(a.Users)
	a.RemoveUsers, a.NoSANs = slices.Clone(a.RemoveUsers), slices.Clone(a.NoSANs)
	return a
}

// URL returns the base URL for clients, without a trailing slash.
func (a *Answers) URL() string {
	if a.PublicURL != "" {
		return strings.TrimRight(a.PublicURL, "/")
	}
	scheme, usual := "https", usualPort(a)
	if a.TLS == setup.Off {
		scheme = "http"
	}
	_, port, err := net.SplitHostPort(a.Addr)
	host := machine.Canonical(a.Hostname)
	if err != nil || port == usual {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// usualPort returns the default port of the scheme that clients use.
func usualPort(a *Answers) string {
	if a.TLS == setup.Off {
		return "80"
	}
	return "443"
}

// TLSFiles returns the certificate and key that the server reads; empty without TLS.
func (a *Answers) TLSFiles() (certificate, key string) {
	switch a.TLS {
	case setup.Files:
		if a.KeyPasswordFile != "" && a.keyEncrypted() {
			return a.CertFile, filepath.Join(a.Dir, installation.OwnKeyFile)
		}
		return a.CertFile, a.KeyFile
	case setup.PrivateCA, setup.SelfSigned:
		return filepath.Join(a.Dir, installation.CertFile), filepath.Join(a.Dir, installation.KeyFile)
	case setup.Off, setup.LetsEncrypt:
	}
	return "", ""
}

// S3Section returns the S3 section of a new myconfig.yml, or nil if content is not stored in S3.
func (a *Answers) S3Section() *templates.S3 {
	if !InBucket(a) {
		return nil
	}
	s := a.S3Config()
	return &templates.S3{
		Bucket: s.Bucket,
		Region: s.Region, Root: s.RootDirectory, Endpoint: s.RegionEndpoint, Plain: !s.Secure, PathStyle: s.ForcePathStyle,
		AccessKey: s.AccessKey,
		SecretKey: s.SecretKey.Reveal(), Encrypt: s.Encrypt, KeyID: s.KeyID, CAFile: s.CAFile, SkipVerify: s.SkipVerify,
	}
}

// HoldsSecret reports whether myconfig.yml contains a secret from the answers.
func (a *Answers) HoldsSecret() bool { return InBucket(a) && a.S3Config().SecretKey != "" }

// Rebase bases the answers on in, an installation that a setup with these answers wrote.
func (a *Answers) Rebase(in *installation.Installed) { a.Existing = in }
