package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// moveCAKey moves the key of the private CA in dir to the file given by --move-ca-key, if any.
func (s *setupRun) moveCAKey(ctx context.Context, dir string) error {
	if s.o.moveCAKey == "" {
		return nil
	}
	return s.app.moveCAKey(ctx, dir, s.o.moveCAKey)
}

// verifyKeyTarget returns an error if the CA's key cannot be moved to the file given by
// --move-ca-key. target is empty without the flag.
func verifyKeyTarget(target string) error {
	if target == "" {
		return nil
	}
	err := installation.VerifyKeyTarget(target)
	if trust.Unsafe(err) != nil {
		return usageError(
			withHint(
				fmt.Errorf("--move-ca-key: %w", err),
				"name a file in a directory that only root, or the user who runs sudo, can write",
			),
		)
	}
	if err != nil {
		return usageError(withHint(fmt.Errorf("--move-ca-key: %w", err), "name a new file in a directory that exists"))
	}
	return nil
}

// moveCAKey moves the key of the private CA in dir to target and reports how to renew with it.
func (a *app) moveCAKey(ctx context.Context, dir, target string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find installation: %w", err)
	}
	lock, err := a.hold(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	path, err := apply.MoveCAKey(dir, target, lock)
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(
			err,
			"leave --move-ca-key out: the key is not in the installation, or the directory of FILE does not exist",
		)
	}
	if err != nil {
		return err
	}
	a.say("moved the CA's key to %s", path)
	a.hint("packhouse cert rotate --dir %s --ca-key %s renews the certificate", setup.Shell(dir), setup.Shell(path))
	return nil
}

// adviseCAKey prints the command that moves the CA's key out of the installation, if it is there.
func (a *app) adviseCAKey(dir string) {
	in := &installation.Installed{Dir: dir}
	if c := plan.MoveCAKeyAdvice(in); c != nil {
		a.hint("%s: %s", c.Title, c.Line)
	}
}
