package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// MoveCAKey moves the key of the private CA from the installation in dir to target, a new file with
// mode 0600, possibly on another file system. It returns the absolute path of target. The key is
// removed from the installation only when target is complete on disk. If the installation has no CA
// key, the error is fs.ErrNotExist. It acquires the lock of the installation unless l is held.
func MoveCAKey(dir, target string, l *Lock) (string, error) {
	target, err := setup.Absolute(target)
	if err != nil {
		return "", fmt.Errorf("move the CA's key: %w", err)
	}
	return target, l.hold(dir, func() error { return moveCAKey(dir, target) })
}

func moveCAKey(dir, target string) error {
	p, source := installation.Places{Users: installation.ServerUsers(dir)},
		filepath.Join(dir, installation.CAKeyFile)
	key, err := p.Read(source)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	to, err := installation.OpenKeyDir(target)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	defer to.Close()
	if err := createKeyFile(to, filepath.Base(target), key); err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	if err := errors.Join(p.Remove(source), p.Sync(filepath.Dir(source))); err != nil {
		return fmt.Errorf("move the CA's key: it is in %s now, but: %w", target, err)
	}
	return nil
}

// createKeyFile writes a new file, and returns when it is on disk. It removes an incomplete file.
// It does not change the mode of the file: file systems of removable disks have none.
func createKeyFile(dir *trust.Dir, name string, data []byte) error {
	f, err := dir.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, dir.Remove(name))
	}
	return installation.SyncDir(dir)
}
