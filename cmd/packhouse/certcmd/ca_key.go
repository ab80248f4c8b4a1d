package certcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// VerifyKeyTarget returns an error if the CA's key cannot be moved to the file given by
// --move-ca-key. target is empty without the flag.
func VerifyKeyTarget(target string) error {
	if target == "" {
		return nil
	}
	err := installation.VerifyKeyTarget(target)
	if trust.Unsafe(err) != nil {
		return cli.UsageError(
			cli.WithHint(
				fmt.Errorf("--move-ca-key: %w", err),
				"name a file in a directory that only root, or the user who runs sudo, can write",
			),
		)
	}
	if err != nil {
		return cli.UsageError(
			cli.WithHint(fmt.Errorf("--move-ca-key: %w", err), "name a new file in a directory that exists"))
	}
	return nil
}

// MoveCAKey moves the key of the private CA in dir to target and reports how to renew with it. An empty
// target means that it stays.
func MoveCAKey(ctx context.Context, a *cli.App, dir, target string) error {
	if target == "" {
		return nil
	}
	dir, err := trust.Abs(dir)
	if err != nil {
		return fmt.Errorf("find installation: %w", err)
	}
	lock, err := a.Hold(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	path, err := apply.MoveCAKey(dir, target, lock)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.WithHint(
			err,
			"leave --move-ca-key out: the key is not in the installation, or the directory of FILE does not exist",
		)
	}
	if err != nil {
		return err
	}
	a.Say("moved the CA's key to %s", path)
	a.Hint("packhouse cert rotate --dir %s --ca-key %s renews the certificate", setup.Shell(dir), setup.Shell(path))
	return nil
}
