package config

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
	"packhouse/spelling"
	"packhouse/trust"
)

// Probes controls what [Loaded.Verify] checks. The zero value checks everything, for a server that
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
	Bucket func(ctx context.Context, c *Config) (lacking []finding.Finding, err error)
}

// verifier collects the findings of Verify.
type verifier struct {
	loaded   *Loaded
	probes   Probes
	problems Findings
}

// Verify checks what the configuration refers to, as the current user: certificate and key and
// whether they match, client CAs, the htpasswd file, the storage, the audit log, the ports. It
// leaves nothing behind. If it returns no [finding.Refused], the server can start.
func Verify(ctx context.Context, l *Loaded, probes Probes) Findings {
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
	if o.Kind == FromDefault || o.Kind == "" {
		o.File = v.loaded.name()
	}
	v.problems = append(v.problems, o.problem(code, severity, key, key+what, remedy))
}

// read returns the content of the file that a key names, or reports why it cannot be read.
func (v *verifier) read(key, path string) ([]byte, bool) {
	info, err := os.Stat(path)
	switch at := trust.Obstacle(path); {
	case at != "":
		v.add(finding.Refused, CodeFile, key,
			fmt.Sprintf(" cannot be read: %s (%s is %s)", quotePath(path), quotePath(at), trust.Kind(at)),
			"correct the path, or "+trust.MoveAway(at))
		return nil, false
	case errors.Is(err, fs.ErrNotExist):
		v.add(finding.Refused, CodeFile, key, fmt.Sprintf(" names a file that is not there: %s", quotePath(path)),
			search(path))
		return nil, false
	case err == nil && info.IsDir():
		v.add(finding.Refused, CodeFile, key, fmt.Sprintf(" is a directory: %s", quotePath(path)),
			"name the file inside it, or "+trust.MoveAway(path)+" and put the file in its place")
		return nil, false
	case err == nil && !info.Mode().IsRegular():
		v.add(finding.Refused, CodeFile, key, fmt.Sprintf(" is not a regular file: %s", quotePath(path)), "name a file")
		return nil, false
	}
	var data []byte
	if err == nil {
		data, err = trust.ReadConfigured(path, maxFile)
	}
	if _, large := errors.AsType[trust.TooLargeError](err); large || len(data) > maxFile {
		v.add(finding.Refused, CodeFile, key,
			fmt.Sprintf(" names a file of more than %d bytes: %s", maxFile, quotePath(path)),
			"see whether this is the right file")
		return nil, false
	}
	if err != nil {
		v.add(finding.Refused, CodeRights, key, fmt.Sprintf(" cannot be read: %s (%s)", quotePath(path), reason(err)),
			"let the user who runs the server read it, and search the directories above")
		return nil, false
	}
	return data, true
}

// open warns about a secret that all users of the machine can read.
func (v *verifier) open(key, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		v.add(finding.Warning, CodeRights, key, fmt.Sprintf(" can be read by all users of this machine: %s", quotePath(path)),
			"run chmod 600 "+quotePath(path)+" as the user who runs the server")
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
		v.add(finding.Warning, CodeCertificate, certKey, ": "+p.What, p.Remedy)
	}
	return len(anchors) == 0 && trustedHere(chain, v.probes.Now())
}

// input reports an error of package certgen about a file.
func (v *verifier) input(key, path string, err error) {
	if input, ok := errors.AsType[*certgen.InputError](err); ok {
		v.add(finding.Refused, CodeCertificate, key, fmt.Sprintf(" %s: %s", quotePath(path), input.What), input.Remedy)
		return
	}
	v.add(finding.Refused, CodeCertificate, key, fmt.Sprintf(" %s cannot be used", quotePath(path)),
		"see whether it is a PEM file")
}

// trustedHere reports whether the system's CAs trust the chain.
func trustedHere(chain []*x509.Certificate, now time.Time) bool {
	return !slices.ContainsFunc(certgen.Verify(chain, nil, nil, certgen.Names{}, now), func(p finding.Finding) bool { return p.Severity == finding.Refused })
}

// strictTransport warns about Strict-Transport-Security without a publicly trusted certificate,
// which locks browsers out.
func (v *verifier) strictTransport(public bool) {
	h := v.loaded.Config.HTTP
	if len(h.Headers[strictHeader]) == 0 || public {
		return
	}
	key := join("http.headers", strictHeader)
	if !h.TLS.Enabled() {
		v.add(finding.Warning, CodeConflict, key, " is sent over plain HTTP, where browsers ignore it",
			"remove it, or leave it to the proxy that speaks TLS")
		return
	}
	v.add(finding.Warning, CodeConflict, key,
		" is sent under a certificate that not everybody trusts: browsers that saw it refuse this host without a way around",
		"remove it until the certificate comes from a public CA")
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
	if c.Method != AuthHtpasswd {
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
		v.add(finding.Warning, CodeUsers, key, fmt.Sprintf(": line %d of %s: %s", p.Line, quotePath(c.Htpasswd.Path), p.What),
			p.Remedy)
	}
	users := file.Users()
	switch {
	case len(users) == 0 && v.probes.Reload && file.Empty():
		v.add(finding.Warning, CodeUsers, key,
			fmt.Sprintf(" names a file without users, so no one can sign in: %s", quotePath(c.Htpasswd.Path)),
			"packhouse user add creates one")
		return
	case len(users) == 0:
		v.add(finding.Refused, CodeUsers, key,
			fmt.Sprintf(" names a file without any user who could log in: %s", quotePath(c.Htpasswd.Path)),
			"packhouse user add creates one")
		return
	}
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
			case name == EveryUser:
				v.add(finding.Warning, CodeUsers, fmt.Sprintf("%s[%d]", role.key, i),
					` is "*", which means every user in rules only`,
					`for every user, write a rule with users: ["*"] in auth.htpasswd.rules`)
			case v.loaded.set[role.key]:
				v.add(finding.Warning, CodeUsers, fmt.Sprintf("%s[%d]", role.key, i),
					fmt.Sprintf(" is %s, and there is no such user", quote(name)), chooseFrom(name, users))
			}
		}
	}
	v.readers(users)
	if admins == 0 {
		v.add(finding.Warning, CodeUsers, "auth.htpasswd.roles.admin", ": no user is an admin, so no one can delete",
			"add a user called admin, or name one in auth.htpasswd.roles.admin")
	}
}

// search suggests where a missing file may be.
func search(path string) string {
	for _, other := range []string{strings.Replace(path, "/roots/", "/root/", 1), strings.TrimSpace(path)} {
		if other != path && isFile(other) {
			return "a file of that name is at " + other
		}
	}
	if other := elsewhere(path); other != "" {
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
