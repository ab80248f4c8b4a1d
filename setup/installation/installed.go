package installation

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
)

// Files of an installation, relative to its directory.
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

// Installed is an existing installation.
type Installed struct {
	Dir         string
	Config      *config.Config    // nil: myconfig.yml is missing or refused
	ConfigData  []byte            // content of myconfig.yml; nil: none
	Problem     error             // why myconfig.yml or the users file is refused
	Users       []setup.User      // in file order, with Source Kept
	UserFaults  []finding.Finding // unusable lines of the users file
	Cert        *Certificate      // certificate in the configuration; nil: none, or unreadable
	CertProblem error             // why Cert is nil although the configuration names a certificate
	CA          *Certificate      // of certs/ca.crt
	CAKey       bool              // certs/ca.key is there
	Manifest    *Manifest         // nil: setup never wrote here
	Drift       []Drift           // changes since setup wrote the files
	Recovered   string            // how an interrupted run was completed or rolled back; empty: no such run
	HalfDone    bool              // a run was interrupted and is unfinished
	Backup      time.Time         // time of the backup that a rollback restores; zero: none

	Unit     string    // the systemd unit; empty: UnitFile
	Readings *Readings // cache of the files
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
	Pair     *certgen.Pair       // nil: the key cannot be read, or does not match
	Problem  error               // why Pair is nil
	CloseEnd bool                // it should be renewed
}

// Manifest is .installed.json, the list of files that setup wrote. It detects drift and limits what
// uninstall removes.
type Manifest struct {
	Version  int               `json:"version"`
	ID       string            `json:"id,omitempty"`       // of the installation; empty: an earlier version wrote it
	Settings map[string]string `json:"settings,omitempty"` // answers that no other file holds: host name, public URL
	Files    []ManifestFileRow `json:"files"`
}

// ManifestFileRow is one file of a [Manifest].
type ManifestFileRow struct {
	Path   string `json:"path"` // relative to the installation directory, or absolute
	SHA256 string `json:"sha256,omitempty"`
	Mode   Octal  `json:"mode"` // "0600"
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
}

// Drift is a difference between a file and what setup wrote.
type Drift struct {
	Path string `json:"path"`
	What string `json:"what"` // "changed", "missing", "mode 0644, was 0600", "owner 0, was 998"
}

// User returns the user with a name, or nil.
func (in *Installed) User(name string) *setup.User {
	i := slices.IndexFunc(in.Users, func(u setup.User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &in.Users[i]
}

// Refused reports whether there is a myconfig.yml that the server would not start with.
func (in *Installed) Refused() bool {
	if in == nil || in.Config != nil {
		return false
	}
	_, refused := errors.AsType[config.Findings](in.Problem)
	return refused
}
