package plan

import (
	"crypto/x509"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// Change is a planned change of one file or directory.
type Change struct {
	Path   string           // absolute
	Kind   setup.ChangeKind //
	Mode   fs.FileMode      // after; with fs.ModeDir for a directory
	UID    int              // owner after; -1: the acting user
	GID    int              // group after; -1: that of the acting user
	Before []byte           // content; nil if there is none
	After  []byte           // content; nil if there is none
	Secret bool             // the content is never displayed
	// Meaning describes the change: "certificate for registry.example.com, 192.0.2.17; until
	// 2027-12-23", "user spectro added as reader".
	Meaning []string

	Attributes trust.Attributes // extended attributes after; nil: unknown or none
}

// Password is a generated password, to be displayed once or written to initial-passwords.
type Password struct {
	User     string
	Password setup.Secret
}

// Options are the options of [Make].
type Options struct {
	Now            time.Time // zero: now
	Rand           io.Reader // for passwords; nil: crypto/rand
	WritePasswords bool      // write generated passwords to initial-passwords, because no terminal can display them
	HashCost       int       // bcrypt cost of passwords; 0: htpasswd.DefaultCost

	UnitFile string // path of the unit, for tests; empty: UnitFile
}

// Plan holds all changes of a setup. Making one writes nothing.
type Plan struct {
	Dir       string
	Changes   []Change          // in review order; includes Keep
	Passwords []Password        // generated ones
	Restart   []string          // settings that require a restart of a running server
	Findings  []finding.Finding // to review before applying
	Resolved  answer.Resolved   // the answers it is based on

	Now       time.Time
	Installed *installation.Installed // the installation it changes; nil: unknown
	Unit      string                  // path of the systemd unit, for tests
	leaf      *x509.Certificate       // that the server will present
	trust     []*x509.Certificate     // that clients must trust
	trustFile string
}

// Pending reports whether applying would change anything.
func (p *Plan) Pending() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Kind != setup.Keep })
}

// Change returns the change of a file by its path, absolute or relative to the installation
// directory, or nil.
func (p *Plan) Change(path string) *Change {
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Dir, path)
	}
	for i := range p.Changes {
		if p.Changes[i].Path == path {
			return &p.Changes[i]
		}
	}
	return nil
}
