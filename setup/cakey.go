package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxKeyFile bounds what MoveCAKey copies, in bytes.
const maxKeyFile = 1 << 20

// MoveCAKey moves the key of the private CA from the installation in dir to target, a new file with
// mode 0600, also on another file system. It returns the absolute path of target. The key is removed
// from the installation only when target is complete on disk. If the installation has no CA key, the
// error is fs.ErrNotExist. It acquires the lock of the installation unless l is held.
func MoveCAKey(dir, target string, l *Lock) (string, error) {
	target, err := absolute(target)
	if err != nil {
		return "", fmt.Errorf("move the CA's key: %w", err)
	}
	return target, l.hold(dir, func() error { return moveCAKey(dir, target) })
}

// VerifyKeyTarget returns an error if [MoveCAKey] cannot move a key to target: something is there, or
// its directory does not exist. Commands call it before they change anything.
func VerifyKeyTarget(target string) error {
	target, err := absolute(target)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(target); err == nil {
		return errTargetExists(target)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := os.Stat(filepath.Dir(target))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(target))
	}
	return err
}

func errTargetExists(path string) error {
	return fmt.Errorf("%s exists already: name a new file", path)
}

func moveCAKey(dir, target string) error {
	source := filepath.Join(dir, filepath.FromSlash(CAKeyFile))
	info, err := os.Lstat(source)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("move the CA's key: %s is not a regular file", source)
	}
	key, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	if len(key) > maxKeyFile {
		return fmt.Errorf("move the CA's key: %s is larger than %d bytes", source, maxKeyFile)
	}
	if err := createKeyFile(target, key); err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	if err := os.Remove(source); err != nil {
		return fmt.Errorf("move the CA's key: it is in %s now, but: %w", target, err)
	}
	return syncFolder(filepath.Dir(source))
}

// createKeyFile writes a file that must not exist, syncs it and compares it with data. It removes an
// incomplete file.
func createKeyFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errTargetExists(path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	if err == nil {
		written := make([]byte, len(data))
		if _, err = f.ReadAt(written, 0); errors.Is(err, io.EOF) {
			err = nil
		}
		if err == nil && !bytes.Equal(written, data) {
			err = fmt.Errorf("%s does not hold what was written", path)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes names in a directory durable, where the system can.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every system can sync a directory
	return d.Close()
}

// caKeyAdvice returns the command that moves the CA's key out of the installation, or nil if it is
// not there.
func caKeyAdvice(dir string) *Command {
	source := filepath.Join(dir, filepath.FromSlash(CAKeyFile))
	if _, err := os.Lstat(source); err != nil {
		return nil
	}
	return &Command{
		Title: "move the CA's key to another machine or a safe, because anyone with the key can impersonate this registry; renew certificates with --ca-key FILE",
		Line:  "mv -n " + Shell(source) + ` "$HOME/packhouse-ca.key"`,
	}
}

// CAKeyAdvice returns the command that moves the CA's key out of an installation, or nil if it is not
// there.
func (in *Installed) CAKeyAdvice() *Command { return caKeyAdvice(in.Dir) }

// KeepCAKeyQuestion asks whether to keep the private CA when an installation is removed.
const KeepCAKeyQuestion = "Keep the CA's key and certificate? Clients then trust a later installation without changes, " +
	"but anyone with the key can impersonate this registry."

// HasCAKey reports whether the key of the private CA is in the installation.
func (in *Installed) HasCAKey() bool { return in != nil && caKeyAdvice(in.Dir) != nil }

// KeepCA changes a plan of [PlanUninstall] so that it keeps the key and the certificate of the private CA.
func (p *Plan) KeepCA() {
	for _, name := range []string{CAKeyFile, CACertFile} {
		if c := p.change(name); c != nil {
			c.Kind, c.Meaning = Keep, []string{"kept for a later installation in this directory"}
		}
	}
}
