package installation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/trust"
)

// Load reads the installation in a directory without changing anything. HalfDone reports an
// interrupted run, which [apply.Open] finishes. A missing directory is an empty installation, and a
// refused configuration is reported in Problem, not as an error. If another user can write the
// installation, Load returns a *finding.Error.
func Load(dir string) (*Installed, error) { return LoadWith(dir, setup.UnitFile) }

// LoadWith is Load with another path of the systemd unit.
func LoadWith(dir, unit string) (*Installed, error) {
	dir, err := trust.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find installation: %w", err)
	}
	in := &Installed{Dir: dir, Unit: unit, Readings: &Readings{}}
	if err := VerifyTrust(dir); err != nil {
		return nil, err
	}
	_, err = os.Lstat(in.Path(WorkDir))
	in.HalfDone = err == nil
	if err := in.loadConfig(); err != nil {
		return nil, AsFinding(err)
	}
	if err := in.loadManifest(); err != nil {
		return nil, AsFinding(err)
	}
	LoadUsers(in)
	LoadCertificates(in, time.Now())
	in.Backup = lastBackup(dir)
	return in, nil
}

// Path returns the path of a file of the installation.
func (in *Installed) Path(name string) string { return filepath.Join(in.Dir, name) }

func (in *Installed) loadConfig() error {
	path := in.Path(ConfigFile)
	data, err := in.read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return finding.NewError(setup.Refuse(setup.CodeDir, fileAbove(in.Dir)+" is a file, and has to be a directory",
			"choose another directory with --dir").About("dir", "--dir"))
	case errors.Is(err, syscall.EISDIR):
		command := writeAgain
		answers := in.Path(AnswersFile)
		if info, err := os.Stat(answers); err == nil && info.Mode().IsRegular() {
			command += " --answers " + setup.Shell(answers)
		}
		f := directory(path, command)
		f.Remedy = "a container engine makes one where it mounts a file that does not exist: " + f.Remedy
		return finding.NewError(f)
	case errors.Is(err, fs.ErrPermission):
		return setup.Refusal(setup.CodeUnread, "this user may not read "+path,
			"run it as the user who owns the installation, or as root")
	case err != nil:
		return fmt.Errorf("read installation: %w", err)
	}
	in.ConfigData = data
	loaded, err := config.Load(config.Source{Path: path, Data: data})
	if err != nil {
		in.Problem = err
		return nil
	}
	in.Config = &loaded.Config
	return nil
}

// fileAbove returns the part of a path that is a file instead of a directory.
func fileAbove(path string) string {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return path
}

// HtpasswdPath returns the path of the users file according to the configuration.
func (in *Installed) HtpasswdPath() string {
	if in.Config != nil && in.Config.Auth.Htpasswd.Path != "" {
		return in.Config.Auth.Htpasswd.Path
	}
	return in.Path(HtpasswdFile)
}

// LoadUsers reads the users file into in.
func LoadUsers(in *Installed) {
	data, err := in.read(in.HtpasswdPath())
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || in.Problem != nil {
			return
		}
		in.Problem = AsFinding(fmt.Errorf("read users: %w", err))
		return
	}
	file, faults := htpasswd.ParseFile(in.HtpasswdPath(), data)
	in.UserFaults = faults
	for _, name := range file.Users() {
		hash, _ := file.Lookup(name)
		in.Users = append(in.Users, setup.User{Name: name, Role: in.role(name), Source: setup.Kept, Hash: string(hash)})
	}
}

// Has reports whether the installation has a user.
func (in *Installed) Has(name string) bool {
	return in != nil && slices.ContainsFunc(in.Users, func(u setup.User) bool { return u.Name == name })
}

// role returns a user's role according to the configuration.
func (in *Installed) role(name string) setup.Role {
	admins, writers := []string{string(setup.Admin)}, []string(nil)
	if in.Config != nil {
		roles := in.Config.Auth.Htpasswd.Roles
		admins, writers = roles.Admin, roles.Writer
		if len(admins) == 0 {
			admins = []string{string(setup.Admin)}
		}
	}
	switch {
	case slices.Contains(admins, name):
		return setup.Admin
	case slices.Contains(writers, name):
		return setup.Writer
	}
	return setup.Reader
}

// LoadCertificates reads the certificates of the server and of the private CA into in.
func LoadCertificates(in *Installed, now time.Time) {
	if in.Config != nil && in.Config.HTTP.TLS.Certificate != "" {
		in.Cert, in.CertProblem = in.readCertificate(in.Config.HTTP.TLS.Certificate, in.Config.HTTP.TLS.Key, now)
	}
	in.CA, _ = in.readCertificate(in.Path(CACertFile), in.Path(CAKeyFile), now)
	if _, err := os.Stat(in.Path(CAKeyFile)); err == nil {
		in.CAKey = true
	}
}

// ReadOpen returns the content of a file that other users may be able to write, such as a
// certificate that another program issues.
func (in *Installed) ReadOpen(path string) ([]byte, error) {
	data, err := in.read(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	return ReadNamed(path)
}

// readCertificate returns the certificate of a file. A key that cannot be used is reported in its
// Problem, not as an error.
func (in *Installed) readCertificate(certPath, keyPath string, now time.Time) (*Certificate, error) {
	data, err := in.ReadOpen(certPath)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", certPath, err)
	}
	c := &Certificate{
		Path: certPath, Info: certgen.Inspect(chain[0]), Chain: chain, CloseEnd: certgen.CloseToEnd(chain[0], now),
	}
	key, err := in.ReadOpen(keyPath)
	if err != nil {
		c.Problem = err
		return c, nil
	}
	if c.Pair, err = certgen.ParsePair(data, key); err != nil {
		c.Problem = fmt.Errorf("%s: %w", keyPath, err)
	}
	return c, nil
}

// Trust returns the certificates that clients of the installation must trust, or nil for the
// system's roots.
func (in *Installed) Trust() []*x509.Certificate {
	switch {
	case in.Cert == nil:
		return nil
	case in.TLSMode() == string(setup.PrivateCA) && in.CA != nil:
		return in.CA.Chain
	}
	if in.TLSMode() == string(setup.Files) {
		if data, err := ReadNamed(in.Path(OwnCAFile)); err == nil {
			if roots, err := certgen.ParseChain(data); err == nil {
				return roots
			}
		}
	}
	return certgen.Anchors(in.Cert.Chain)
}

// Authority returns the private CA that signed the certificate in use, or nil.
func (in *Installed) Authority() *x509.Certificate {
	if in.Cert == nil || in.CA == nil || in.TLSMode() != string(setup.PrivateCA) {
		return nil
	}
	for _, ca := range in.CA.Chain {
		if in.Cert.Chain[0].CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// AuthorityProblems returns what is wrong with the lifetime of the private CA.
func (in *Installed) AuthorityProblems(now time.Time) []finding.Finding {
	if ca := in.Authority(); ca != nil {
		return certgen.CheckCA(ca, in.Cert.Chain[0], now)
	}
	return nil
}

// Unrooted returns the last certificate of a chain whose root is neither in the installation nor
// trusted by the system, or nil. Checks trust it in place of the root; clients cannot.
func (in *Installed) Unrooted(now time.Time) *x509.Certificate {
	if in.Cert == nil || in.TLSMode() != string(setup.Files) || len(in.Cert.Chain) < 2 || in.Trust() != nil ||
		TrustedBySystem(in.Cert.Chain, now) {
		return nil
	}
	return in.Cert.Chain[len(in.Cert.Chain)-1]
}

// TLSMode returns the TLS mode of the installation.
func (in *Installed) TLSMode() string {
	switch {
	case in == nil || in.Config == nil:
		return ""
	case in.Config.HTTP.TLS.LetsEncrypt.Enabled():
		return string(setup.LetsEncrypt)
	case in.Config.HTTP.TLS.Certificate == "":
		return string(setup.Off)
	case in.Config.HTTP.TLS.Certificate != in.Path(CertFile) || in.Config.HTTP.TLS.Key != in.Path(KeyFile):
		return string(setup.Files)
	case in.Manifest != nil && in.Manifest.Settings["tls"] != "":
		return in.Manifest.Settings["tls"]
	case in.CA != nil:
		return string(setup.PrivateCA)
	case in.Cert != nil && in.Cert.Info.SelfSigned:
		return string(setup.SelfSigned)
	}
	return string(setup.Files)
}

// Rel returns path relative to dir if it is below dir, otherwise path itself.
func Rel(dir, path string) string {
	if short, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(short, "..") {
		return filepath.ToSlash(short)
	}
	return path
}
