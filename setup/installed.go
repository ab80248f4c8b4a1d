package setup

import (
	"crypto/x509"
	"time"

	"packhouse/certgen"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// Names of the files of an installation, below its directory.
const (
	ConfigFile    = "myconfig.yml"
	HtpasswdFile  = "auth/htpasswd-basic"
	CertFile      = "certs/tls.crt"
	KeyFile       = "certs/tls.key"
	CACertFile    = "certs/ca.crt"
	CAKeyFile     = "certs/ca.key"
	OwnKeyFile    = "certs/own.key"    // the operator's key, decrypted
	OwnCAFile     = "certs/own-ca.crt" // the root of the operator's certificate
	AnswersFile   = "answers.yml"
	HandoffFile   = "handoff.md"
	PasswordsFile = "initial-passwords"
	ManifestFile  = ".installed.json"
	BackupDir     = "backup"
)

// Installed is what is there already.
type Installed struct {
	Dir        string
	Config     *config.Config     // nil: no myconfig.yml, or one that is refused
	ConfigData []byte             // content of myconfig.yml; nil: none
	Problem    error              // why myconfig.yml or the users file is refused
	Users      []User             // in the order of the file, with Source Kept
	UserFaults []htpasswd.Problem // lines of the users file that cannot be used
	Cert       *Certificate       // that the configuration names; nil: none, or not to be read
	CA         *Certificate       // of certs/ca.crt
	CAKey      bool               // certs/ca.key is there
	Manifest   *Manifest          // nil: setup never wrote here
	Drift      []Drift            // what was changed since
	Recovered  string             // how an interrupted run was completed or undone; empty: there was none
	HalfDone   bool               // a run was interrupted and is unfinished
	Backup     time.Time          // of the generation that can be rolled back to; zero: none

	unit     string    // the systemd unit; empty: UnitFile
	readings *readings // the files as they were read
}

// Exists reports whether the directory holds any part of an installation.
func (in *Installed) Exists() bool {
	return in != nil && (in.ConfigData != nil || in.Manifest != nil || len(in.Users) > 0)
}

// Certificate is a certificate of the installation.
type Certificate struct {
	Path     string
	Info     certgen.Info
	Chain    []*x509.Certificate // leaf first
	Pair     *certgen.Pair       // nil: the key is not to be read, or does not fit
	Problem  error               // why not
	CloseEnd bool                // it should be renewed
}

// Manifest is .installed.json, the list of files that setup wrote. It detects drift and limits what uninstall removes.
type Manifest struct {
	Version  int               `json:"version"`
	ID       string            `json:"id,omitempty"`       // of the installation; empty: an earlier version wrote it
	Settings map[string]string `json:"settings,omitempty"` // answers that no other file holds: host name, public URL
	Files    []ManifestFileRow `json:"files"`
}

// ManifestFileRow is one file of a [Manifest].
type ManifestFileRow struct {
	Path   string `json:"path"` // below the installation's directory, else absolute
	SHA256 string `json:"sha256,omitempty"`
	Mode   octal  `json:"mode"` // "0600"
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
}

// Drift is a difference between a file and what setup wrote.
type Drift struct {
	Path string `json:"path"`
	What string `json:"what"` // "changed", "missing", "mode 0644, was 0600", "owner 0, was 998"
}
