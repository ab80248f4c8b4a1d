package setup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/finding"
	"packhouse/trust"
)

// MoveCAKey moves the key of the private CA from the installation in dir to target, a new file with
// mode 0600, possibly on another file system. It returns the absolute path of target. The key is
// removed from the installation only when target is complete on disk. If the installation has no CA
// key, the error is fs.ErrNotExist. It acquires the lock of the installation unless l is held.
func MoveCAKey(dir, target string, l *Lock) (string, error) {
	target, err := absolute(target)
	if err != nil {
		return "", fmt.Errorf("move the CA's key: %w", err)
	}
	return target, l.hold(dir, func() error { return moveCAKey(dir, target) })
}

// VerifyKeyTarget returns an error if [MoveCAKey] cannot move a key to target, because target
// exists, its directory does not, or another user can write the directory. Commands call it before
// they change anything.
func VerifyKeyTarget(target string) error {
	target, err := absolute(target)
	if err != nil {
		return err
	}
	dir, err := openKeyDir(target)
	if err != nil {
		return err
	}
	return dir.Close()
}

// openKeyDir opens the directory of target, which must not exist. It returns a [*trust.Error] if
// another user than those of [trust.Caller] can write the directory, or replace it.
func openKeyDir(target string) (*trust.Dir, error) {
	policy := trust.Caller() // the key may be on a removable disk of the user who runs sudo
	if err := policy.Check(filepath.Dir(target)); err != nil {
		return nil, err
	}
	dir, err := policy.OpenDir(filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	exists, err := dir.Exists(filepath.Base(target))
	if err == nil && exists {
		err = fmt.Errorf("%s exists already: name a new file", target)
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

func moveCAKey(dir, target string) error {
	p, source := places{users: ServerUsers(dir)}, filepath.Join(dir, filepath.FromSlash(CAKeyFile))
	key, err := p.read(source)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	to, err := openKeyDir(target)
	if err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	defer to.Close()
	if err := createKeyFile(to, filepath.Base(target), key); err != nil {
		return fmt.Errorf("move the CA's key: %w", err)
	}
	if err := errors.Join(p.remove(source), p.sync(filepath.Dir(source))); err != nil {
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
	return syncDir(dir)
}

// judgeCAKey reports a --ca-key that cannot sign a certificate of the installation, or that other
// users can read.
func judgeCAKey(a *Answers) []finding.Finding {
	if a.CAKey == "" {
		return nil
	}
	found := func(f finding.Finding) []finding.Finding {
		f.Flag = "--ca-key"
		return []finding.Finding{f}
	}
	const leaveOut = "leave out --ca-key"
	cert := filepath.Join(a.Dir, filepath.FromSlash(CACertFile))
	switch {
	case a.TLS != PrivateCA:
		return found(refused(CodeConflict, "", "").
			WithWhat(finding.Textf("%s %s uses no private CA, so its key is not needed", byFlag("--tls"), a.TLS)).
			WithRemedy(finding.Textf(leaveOut+", or use %s private-ca", byFlag("--tls"))))
	case a.NewCA:
		return found(refused(CodeConflict, "a new CA has a new key, so the key of the old one is not needed",
			leaveOut+" or --new-ca"))
	case a.existing == nil || a.existing.CA == nil:
		return found(refused(CodeConflict,
			"the installation has no private CA yet, so no certificate belongs to "+a.CAKey,
			leaveOut+" to create a CA, or copy the certificate of your CA to "+cert+" first"))
	}
	if _, err := signingCA(a, a.existing); err != nil {
		if fault := trust.Unsafe(err); fault != nil {
			return found(refused(CodeUnsafe, fault.Error(), fault.Fix))
		}
		return found(refused(CodeCAKey, err.Error(), "name the file with the key of "+cert))
	}
	if info, err := os.Stat(a.CAKey); err == nil && info.Mode().Perm()&0o044 != 0 {
		what := fmt.Sprintf("%s has mode %04o: other users of this machine can read the CA's key", a.CAKey, info.Mode().Perm())
		return found(warned(CodeOpenKey, what, "chmod 600 "+Shell(a.CAKey)))
	}
	return nil
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

// CAKeyAdvice returns the command that moves the CA's key out of an installation, or nil if it is
// not there.
func (in *Installed) CAKeyAdvice() *Command { return caKeyAdvice(in.Dir) }

// KeepCAKeyQuestion asks whether to keep the private CA when an installation is removed.
const KeepCAKeyQuestion = "With the CA's key and certificate, clients will trust a later installation.\n" +
	"Anyone with the key can impersonate this registry. Keep them?"

// HasCAKey reports whether the key of the private CA is in the installation.
func (in *Installed) HasCAKey() bool { return in != nil && caKeyAdvice(in.Dir) != nil }

// KeepCA changes a plan of [PlanUninstall] so that it keeps the key and the certificate of the
// private CA.
func (p *Plan) KeepCA() {
	for _, name := range []string{CAKeyFile, CACertFile} {
		if c := p.change(name); c != nil {
			c.Kind, c.Meaning = Keep, []string{"kept for a later installation in this directory"}
		}
	}
}
