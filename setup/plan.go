package setup

import (
	"crypto/x509"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"packhouse/trust"
)

// ChangeKind says what happens to a file.
type ChangeKind string

// Kinds of changes.
const (
	Create ChangeKind = "create"
	Update ChangeKind = "update"
	Remove ChangeKind = "remove"
	Keep   ChangeKind = "keep"
)

// Change is what happens to one file or directory.
type Change struct {
	Path   string      // absolute
	Kind   ChangeKind  //
	Mode   fs.FileMode // after; with fs.ModeDir for a directory
	UID    int         // owner after; -1: the acting user
	GID    int         // group after; -1 likewise
	Before []byte      // content; nil where there was none
	After  []byte      // content; nil where none is left
	Secret bool        // the content is never shown, in no form
	// Meaning says in words what changes: "certificate for registry.example.com, 192.0.2.17; until 2027-12-23", "user spectro added as reader".
	Meaning []string

	attributes trust.Attributes // extended attributes after; nil: not known, or none
}

// Password is one that was generated, to be shown once or written to initial-passwords.
type Password struct {
	User     string
	Password Secret
}

// Options of [MakePlan].
type Options struct {
	Now            time.Time // zero: now
	Rand           io.Reader // for passwords; nil: crypto/rand
	WritePasswords bool      // write generated passwords to initial-passwords, because there is no terminal to show them

	unitFile string // path of the unit, for tests; empty: UnitFile
	cost     int    // of bcrypt, for tests; 0: the usual one
}

// Plan is everything that a setup is going to change. Making it writes nothing.
type Plan struct {
	Dir       string
	Changes   []Change   // in the order of the review; Keep included
	Passwords []Password // generated ones
	Restart   []string   // why a running server has to be restarted and not only reloaded, key by key
	Findings  []Finding  // worth reading before applying
	Resolved  Resolved   // the answers it was made from

	now       time.Time
	installed *Installed          // that it changes; nil: nothing is known of it
	unit      string              // the systemd unit, where tests have it elsewhere
	leaf      *x509.Certificate   // that the server will serve
	trust     []*x509.Certificate // that clients must trust
	trustFile string
}

// Pending reports whether applying would change anything.
func (p *Plan) Pending() bool {
	for _, c := range p.Changes {
		if c.Kind != Keep {
			return true
		}
	}
	return false
}

// change finds the change of a file by its path, absolute or below the installation's directory.
func (p *Plan) change(path string) *Change {
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Dir, filepath.FromSlash(path))
	}
	for i := range p.Changes {
		if p.Changes[i].Path == path {
			return &p.Changes[i]
		}
	}
	return nil
}
