package verify

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/spelling"
	"packhouse/trust"
)

// Probes controls what [Run] checks. The zero value checks everything, for a server that
// is not running yet.
type Probes struct {
	Running bool             // a server with this configuration is running: do not try its ports
	MayRun  bool             // one may be running unseen: it is recognized by its certificate
	Reload  bool             // for a reload of a running server: a file without users would remove all of them
	Users   []int            // accounts that the server runs as, if not the current user: their files are accepted
	Now     func() time.Time // nil: time.Now
	Listen  Listener         // nil: the network

	// Bucket opens and closes the store in a bucket, and returns what its service lacks: problems
	// with Severity, What and Remedy. Nil: buckets are not checked.
	Bucket func(ctx context.Context, c *config.Config) (lacking []finding.Finding, err error)
}

// verifier collects the findings of Run.
type verifier struct {
	loaded   *config.Loaded
	probes   Probes
	problems config.Findings
}

// Run checks what the configuration refers to, as the current user: certificate and key and
// whether they match, client CAs, the htpasswd file, the storage, the audit log, the ports. It
// leaves nothing behind. If it returns no [finding.Refused], the server can start.
func Run(ctx context.Context, l *config.Loaded, probes Probes) config.Findings {
	if probes.Now == nil {
		probes.Now = time.Now
	}
	if probes.Listen == nil {
		probes.Listen = listen
	}
	v := &verifier{loaded: l, probes: probes}
	trusted := v.certificate()
	v.strictTransport(trusted)
	v.clientCAs()
	v.acme()
	v.users()
	v.placeholders()
	v.storage()
	v.bucket(ctx)
	v.audit()
	v.unsafe()
	v.permissions()
	if !probes.Running {
		v.ports(ctx)
	}
	return v.problems
}

// add adds a problem with a key, at its origin.
func (v *verifier) add(severity finding.Severity, code, key, what, remedy string) {
	o := v.loaded.Origins[key]
	if o.Kind == config.FromDefault || o.Kind == "" {
		o.File = v.loaded.Name()
	}
	v.problems = append(v.problems, o.Finding(code, severity, key, key+what, remedy))
}

// refusef adds a finding that prevents the server from starting.
func (v *verifier) refusef(code, key, remedy, format string, args ...any) {
	v.add(finding.Refused, code, key, fmt.Sprintf(format, args...), remedy)
}

// warnf adds a warning.
func (v *verifier) warnf(code, key, remedy, format string, args ...any) {
	v.add(finding.Warning, code, key, fmt.Sprintf(format, args...), remedy)
}

// read returns the content of the file that a key names, or reports why it cannot be read.
func (v *verifier) read(key, path string) ([]byte, bool) {
	info, err := os.Stat(path)
	switch at := trust.Obstacle(path); {
	case at != "":
		v.refusef(config.CodeFile, key, "correct the path, or "+trust.MoveAway(at), " cannot be read: %s (%s is %s)",
			config.QuotePath(path), config.QuotePath(at), trust.Kind(at))
		return nil, false
	case errors.Is(err, fs.ErrNotExist):
		v.refusef(config.CodeFile, key, search(path), " names a file that is not there: %s", config.QuotePath(path))
		return nil, false
	case err == nil && info.IsDir():
		v.refusef(config.CodeFile, key,
			"name the file inside it, or "+trust.MoveAway(path)+" and put the file in its place", " is a directory: %s",
			config.QuotePath(path))
		return nil, false
	case err == nil && !info.Mode().IsRegular():
		v.refusef(config.CodeFile, key, "name a file", " is not a regular file: %s", config.QuotePath(path))
		return nil, false
	}
	var data []byte
	if err == nil {
		data, err = trust.ReadConfigured(path, config.MaxFile)
	}
	if _, large := errors.AsType[trust.TooLargeError](err); large || len(data) > config.MaxFile {
		v.refusef(config.CodeFile, key, "see whether this is the right file", " names a file of more than %d bytes: %s",
			config.MaxFile, config.QuotePath(path))
		return nil, false
	}
	if err != nil {
		v.refusef(config.CodeRights, key, "let the user who runs the server read it, and search the directories above",
			" cannot be read: %s (%s)", config.QuotePath(path), config.Reason(err))
		return nil, false
	}
	return data, true
}

// open warns about a secret that all users of the machine can read.
func (v *verifier) open(key, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		v.warnf(config.CodeRights, key, "run chmod 600 "+config.QuotePath(path)+" as the user who runs the server",
			" can be read by all users of this machine: %s", config.QuotePath(path))
	}
}

// certificate verifies certificate and key files, and reports whether a publicly trusted CA issued
// the chain.
func (v *verifier) certificate() (public bool) {
	t := v.loaded.Config.HTTP.TLS
	if t.Certificate == "" {
		return t.LetsEncrypt.Enabled() && t.LetsEncrypt.DirectoryURL == ""
	}
	const certKey, keyKey = "http.tls.certificate", "http.tls.key"
	certPEM, haveCert := v.read(certKey, t.Certificate)
	keyPEM, haveKey := v.read(keyKey, t.Key)
	if haveKey {
		v.open(keyKey, t.Key)
	}
	if !haveCert || !haveKey {
		return false
	}
	chain, err := certgen.ParseChain(certPEM)
	if err != nil {
		v.input(certKey, t.Certificate, err)
		return false
	}
	if _, err := certgen.ParsePair(certPEM, keyPEM); err != nil {
		v.input(keyKey, t.Key, err)
		return false
	}
	anchors := certgen.Anchors(chain)
	var key crypto.PublicKey
	for _, p := range certgen.Verify(chain, key, anchors, certgen.Names{}, v.probes.Now()) {
		if p.Code == certgen.CodeUntrusted || p.Code == certgen.CodeIncomplete && len(chain) > 1 {
			continue // a private CA, whose root need not be in the file
		}
		v.warnf(config.CodeCertificate, certKey, p.Remedy, "%s", ": "+p.What)
	}
	return len(anchors) == 0 && trustedHere(chain, v.probes.Now())
}

// input reports an error of package certgen about a file.
func (v *verifier) input(key, path string, err error) {
	if input, ok := errors.AsType[*certgen.InputError](err); ok {
		v.refusef(config.CodeCertificate, key, input.Remedy, " %s: %s", config.QuotePath(path), input.What)
		return
	}
	v.refusef(config.CodeCertificate, key, "see whether it is a PEM file", " %s cannot be used",
		config.QuotePath(path))
}

// trustedHere reports whether the system's CAs trust the chain.
func trustedHere(chain []*x509.Certificate, now time.Time) bool {
	return !slices.ContainsFunc(
		certgen.Verify(chain, nil, nil, certgen.Names{}, now),
		func(p finding.Finding) bool { return p.Severity == finding.Refused },
	)
}

// strictTransport warns about Strict-Transport-Security without a publicly trusted certificate,
// which locks browsers out.
func (v *verifier) strictTransport(public bool) {
	h := v.loaded.Config.HTTP
	if len(h.Headers[config.StrictHeader]) == 0 || public {
		return
	}
	key := config.Join("http.headers", config.StrictHeader)
	if !h.TLS.Enabled() {
		v.warnf(config.CodeConflict, key, "remove it, or leave it to the proxy that speaks TLS",
			" is sent over plain HTTP, where browsers ignore it")
		return
	}
	v.warnf(config.CodeConflict, key, "remove it until the certificate comes from a public CA",
		" is sent with a certificate that no public CA issued: browsers that saw it refuse this host without a way around")
}

func (v *verifier) clientCAs() {
	for i, path := range v.loaded.Config.HTTP.TLS.ClientCAs {
		key := fmt.Sprintf("http.tls.clientcas[%d]", i)
		data, ok := v.read(key, path)
		if !ok {
			continue
		}
		chain, err := certgen.ParseChain(data)
		if err != nil {
			v.input(key, path, err)
			continue
		}
		v.clientCA(key, path, chain)
	}
}

// users verifies the htpasswd file, and that it has the users in roles.
func (v *verifier) users() {
	c := v.loaded.Config.Auth
	if c.Method != config.AuthHtpasswd {
		return
	}
	const key = "auth.htpasswd.path"
	data, ok := v.read(key, c.Htpasswd.Path)
	if !ok {
		return
	}
	v.open(key, c.Htpasswd.Path)
	file, problems := htpasswd.ParseFile(c.Htpasswd.Path, data)
	for _, p := range problems {
		v.warnf(config.CodeUsers, key, p.Remedy, ": line %d of %s: %s", p.Line, config.QuotePath(c.Htpasswd.Path), p.What)
	}
	users := file.Users()
	switch {
	case len(users) == 0 && v.probes.Reload && file.Empty():
		v.warnf(config.CodeUsers, key, "packhouse user add creates one",
			" names a file without users, so no one can sign in: %s", config.QuotePath(c.Htpasswd.Path))
		return
	case len(users) == 0:
		v.refusef(config.CodeUsers, key, "packhouse user add creates one",
			" names a file without any user who could log in: %s", config.QuotePath(c.Htpasswd.Path))
		return
	}
	v.hashes(file)
	admins := 0
	for _, role := range []struct {
		key   string
		names []string
	}{{"auth.htpasswd.roles.admin", c.Htpasswd.Roles.Admin}, {"auth.htpasswd.roles.writer", c.Htpasswd.Roles.Writer}} {
		for i, name := range role.names {
			switch {
			case slices.Contains(users, name) && role.key == "auth.htpasswd.roles.admin":
				admins++
			case slices.Contains(users, name):
			case name == config.EveryUser:
				v.warnf(config.CodeUsers, fmt.Sprintf("%s[%d]", role.key, i),
					`for every user, write a rule with users: ["*"] in auth.htpasswd.rules`, "%s",
					` is "*", which means every user in rules only`)
			case v.loaded.Set[role.key]:
				v.warnf(config.CodeUsers, fmt.Sprintf("%s[%d]", role.key, i), config.ChooseFrom(name, users),
					" is %s, and there is no such user", config.Quote(name))
			}
		}
	}
	v.readers(users)
	if admins == 0 {
		v.warnf(config.CodeUsers, "auth.htpasswd.roles.admin",
			"add a user called admin, or name one in auth.htpasswd.roles.admin",
			": no user is an admin, so no one can delete")
	}
}

// hashes reports hashes with an unusual bcrypt cost.
func (v *verifier) hashes(file *htpasswd.File) {
	const (
		key     = "auth.htpasswd.path"
		costly  = 12
		another = "packhouse user passwd NAME stores a new password with cost 10"
	)
	weak, slow := file.CostsOutside(htpasswd.DefaultCost, costly)
	if len(slow) > 0 {
		v.warnf(config.CodeHashCostly, key, another,
			" has hashes with a bcrypt cost above %d, so each guess at these users takes very long: %s",
			costly, several(slow))
	}
	if len(weak) > 0 {
		v.add(finding.Note, config.CodeHashWeak, key,
			fmt.Sprintf(" has hashes with a bcrypt cost below %d, which are quick to guess if the file leaks: %s",
				htpasswd.DefaultCost, several(weak)), another)
	}
}

// search suggests where a missing file may be.
func search(path string) string {
	for _, other := range []string{strings.Replace(path, "/roots/", "/root/", 1), strings.TrimSpace(path)} {
		if other != path && isFile(other) {
			return "a file of that name is at " + other
		}
	}
	if other := config.Elsewhere(path); other != "" {
		return "a file of that name is at " + other
	}
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Sprintf("the directory %s does not exist or cannot be read; is the volume mounted?", dir)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if n := spelling.Nearest(filepath.Base(path), names); n != "" {
		return fmt.Sprintf("did you mean %s?", filepath.Join(dir, n))
	}
	if !filepath.IsAbs(path) {
		if whole, err := trust.Abs(path); err == nil {
			return fmt.Sprintf("the path resolves to %s; write an absolute path", whole)
		}
	}
	return "create the file, or correct the path"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
