package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"packhouse/setup/installation"
	"packhouse/trust"
)

// Open finishes or rolls back an interrupted run, and loads the installation in a directory as
// [installation.Load] does. Recovered describes the outcome. A command that then changes the installation
// acquires a [Lock] first and calls [Lock.Open].
func Open(dir string) (*installation.Installed, error) { return open(dir, nil) }

// open is Open under lock l, or without a lock if l is nil.
func open(dir string, l *Lock) (*installation.Installed, error) {
	dir, err := trust.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find installation: %w", err)
	}
	if err := installation.VerifyTrust(dir); err != nil {
		return nil, err
	}
	said := ""
	if installation.HasUnfinishedRun(dir) {
		if said, err = recoverRun(dir, l, nil); err != nil && !cannotWrite(err) {
			return nil, installation.AsFinding(err)
		}
	}
	in, err := installation.Load(dir)
	if err == nil {
		in.Recovered = said
	}
	return in, err
}

// cannotWrite reports whether an error means that the acting user may not change the files.
func cannotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
