package plan

import (
	"os"
	"path/filepath"

	"packhouse/setup"
	"packhouse/setup/installation"
)

// CAKeyAdvice returns the command that moves the CA's key out of the installation, or nil if it is
// not there.
func CAKeyAdvice(dir string) *Command {
	source := filepath.Join(dir, installation.CAKeyFile)
	if _, err := os.Lstat(source); err != nil {
		return nil
	}
	return &Command{
		Title: "move the CA's key to another machine or a safe, because anyone with the key can impersonate this registry; renew certificates with --ca-key FILE",
		Line:  "mv -n " + setup.Shell(source) + ` "$HOME/packhouse-ca.key"`,
	}
}

// HasCAKey reports whether the key of the private CA is in the installation.
func HasCAKey(in *installation.Installed) bool { return in != nil && CAKeyAdvice(in.Dir) != nil }

// KeepCA changes a plan of [Uninstall] so that it keeps the key and the certificate of the
// private CA.
func (p *Plan) KeepCA() {
	for _, name := range []string{installation.CAKeyFile, installation.CACertFile} {
		if c := p.Change(name); c != nil {
			c.Kind, c.Meaning = setup.Keep, []string{"kept for a later installation in this directory"}
		}
	}
}
