package setup

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
)

// lifeDays returns the lifetime of a certificate in whole days. NotBefore and NotAfter are
// inclusive.
func lifeDays(c *x509.Certificate) int {
	return int((c.NotAfter.Sub(c.NotBefore) + time.Second) / (24 * time.Hour))
}

// cutByCA reports whether a certificate expires earlier than requested because its CA does.
func cutByCA(chain []*x509.Certificate) bool {
	return len(chain) > 1 && chain[0].NotAfter.Equal(chain[1].NotAfter)
}

// leafReason returns why a new server certificate is needed, or "" if the current one suffices.
func leafReason(a *Answers, in *Installed) string {
	if in == nil || in.Cert == nil || in.Cert.Path != in.path(CertFile) {
		return "there is none"
	}
	leaf := in.Cert
	switch {
	case leaf.Pair == nil:
		return "its key is missing or does not fit"
	case a.NewCA && a.TLS == PrivateCA:
		return "a new CA was asked for"
	case a.DropOldCA && a.TLS == PrivateCA:
		return "the old CA is no longer handed out"
	case a.NewKey:
		return "a new key was asked for"
	case a.RotateCert:
		return "a new one was asked for"
	case in.tlsMode() != string(a.TLS):
		return "it comes from another source"
	}
	if a.TLS == PrivateCA && (in.CA == nil || leaf.Chain[0].CheckSignatureFrom(in.CA.Chain[0]) != nil) {
		return "it is not signed by ca.crt"
	}
	names, err := a.CertNames()
	if err != nil {
		return "the names changed"
	}
	have := leaf.Info.Names
	switch {
	case !names.Without(have).Empty() || !have.Without(names).Empty():
		return "the names changed"
	case string(a.KeyType) != leaf.Info.KeyType:
		return "the kind of key changed"
	case sameForm(a.Subject) != certgen.FormatSubject(leaf.Chain[0].Subject):
		return "the subject changed"
	case a.certDays() != lifeDays(leaf.Chain[0]) && !(cutByCA(leaf.Chain) && a.CertDays == 0):
		return "its life changed"
	}
	return ""
}

// sameForm returns a subject as read back from a certificate: parts in canonical order, without
// surrounding spaces.
func sameForm(subject string) string {
	name, err := certgen.ParseSubject(subject)
	if err != nil {
		return subject
	}
	return certgen.FormatSubject(name)
}

// signingCA returns the installation's CA with its key. If ca.crt contains several, only the newest
// signs.
func signingCA(a *Answers, in *Installed) (*certgen.Pair, error) {
	if in.CA == nil {
		return nil, errors.New("there is no ca.crt")
	}
	pair := in.CA.Pair
	if a.CAKey != "" {
		cert, err := in.readOpen(in.CA.Path)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		key, err := readGiven(a.CAKey)
		if err != nil {
			return nil, fmt.Errorf("read the CA's key: %w", err)
		}
		if pair, err = certgen.ParsePair(cert, key); err != nil {
			return nil, fmt.Errorf("%s: %w", a.CAKey, err)
		}
	}
	if pair == nil {
		if errors.Is(in.CA.Problem, os.ErrNotExist) {
			return nil, fmt.Errorf("its key, %s, does not exist", in.path(CAKeyFile))
		}
		return nil, in.CA.Problem
	}
	return &certgen.Pair{Chain: pair.Chain[:1], Key: pair.Key}, nil
}

// certificates plans certs/: it issues what is due and keeps the rest. It returns the certificate
// that the server will present and the PEM that clients must trust, if any.
func (b *builder) certificates() (leaf *x509.Certificate, trust []byte, err error) {
	a := &b.answers
	if a.TLS == Files {
		return b.ownCertificate()
	}
	if !made(a) {
		return nil, nil, nil
	}
	reason := leafReason(a, b.installed)
	if reason == "" {
		return b.keepCertificates()
	}
	names, err := a.CertNames()
	if err != nil {
		return nil, nil, err
	}
	subject, err := certgen.ParseSubject(a.Subject)
	if err != nil {
		return nil, nil, err
	}
	options := certgen.LeafOptions{Names: names, Subject: subject, KeyType: a.KeyType, Days: a.certDays(), Now: b.now}
	old := b.oldLeaf()
	if old != nil && old.Pair != nil && !a.NewKey && old.Info.KeyType == string(a.KeyType) {
		options.Key = old.Pair.Key
	}
	var pair *certgen.Pair
	if a.TLS == SelfSigned {
		if pair, err = certgen.NewSelfSigned(options); err != nil {
			return nil, nil, err
		}
		trust = pair.CertPEM()
	} else {
		ca, bundle, err := b.authority(names)
		if err != nil {
			return nil, nil, err
		}
		if pair, err = certgen.NewLeaf(ca, options); err != nil {
			return nil, nil, err
		}
		trust = bundle
	}
	return pair.Leaf(), trust, b.leaf(pair, old, reason, options.Key != nil)
}

// oldLeaf returns the installation's certificate that a new one replaces, or nil.
func (b *builder) oldLeaf() *Certificate {
	if c := b.installed.Cert; c != nil && c.Path == b.path(CertFile) {
		return c
	}
	return nil
}

// leaf plans tls.crt and tls.key.
func (b *builder) leaf(pair *certgen.Pair, old *Certificate, reason string, reused bool) error {
	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	info := certgen.Inspect(pair.Leaf())
	meaning := []string{fmt.Sprintf("certificate for %s; until %s; fingerprint %s", strings.Join(info.Names.Strings(), ", "), day(info.NotAfter), info.Fingerprint)}
	if old != nil {
		meaning = append(meaning, "made because "+strings.Replace(reason, "it ", "the one in use ", 1))
		meaning = append(meaning, newNames(info, old.Info)...)
	}
	b.file(CertFile, pair.CertPEM(), meaning...)
	keyMeaning := "new key, " + info.KeyType
	if reused {
		// A new encoding of the same key may differ from the file.
		if have, err := b.read(b.path(KeyFile)); err == nil {
			key, keyMeaning = have, "the key stays"
		}
	}
	b.secret(KeyFile, key, keyMeaning)
	return nil
}

// newNames describes how a certificate differs from the one that it replaces.
func newNames(info, old certgen.Info) []string {
	var meaning []string
	if added := info.Names.Without(old.Names).Strings(); len(added) > 0 {
		meaning = append(meaning, "names added: "+strings.Join(added, ", "))
	}
	if gone := old.Names.Without(info.Names).Strings(); len(gone) > 0 {
		meaning = append(meaning, "names removed: "+strings.Join(gone, ", "))
	}
	ends := "valid until " + day(info.NotAfter)
	if day(old.NotAfter) != day(info.NotAfter) {
		ends += "; the old one until " + day(old.NotAfter)
	}
	return append(meaning, ends)
}

// authority plans ca.crt and ca.key, and returns the CA that signs a certificate for names, and the
// PEM that clients must trust.
func (b *builder) authority(names certgen.Names) (ca *certgen.Pair, bundle []byte, err error) {
	a, in := &b.answers, b.installed
	if in.CA != nil && !a.NewCA {
		ca, err := signingCA(a, in)
		if err != nil {
			f := refused(CodeCAKey, "a new certificate is due, and the CA cannot sign it: "+err.Error(), "bring ca.key back, say with --ca-key where it is, or make a new CA with --new-ca")
			f.Question, f.Flag = "tls", "--new-ca"
			return nil, nil, finding.NewError(f)
		}
		b.keepSecret(CAKeyFile)
		if a.DropOldCA && len(in.CA.Chain) > 1 {
			bundle = certgen.EncodeChain(in.CA.Chain[0])
			b.file(CACertFile, bundle, "no longer handed out: "+certgen.Inspect(in.CA.Chain[1]).CommonName)
			return ca, bundle, nil
		}
		b.keep(CACertFile)
		return ca, certgen.EncodeChain(in.CA.Chain...), nil
	}
	limits, err := caLimits(a, names)
	if err != nil {
		return nil, nil, err
	}
	if ca, err = certgen.NewCA(certgen.CAOptions{Now: b.now, Permit: limits}); err != nil {
		return nil, nil, err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, nil, err
	}
	bundle = ca.CertPEM()
	info := certgen.Inspect(ca.Leaf())
	meaning := []string{fmt.Sprintf("certificate authority %s, for clients to trust; until %s; fingerprint %s", info.CommonName, day(info.NotAfter), info.Fingerprint)}
	if permitted, limited := certgen.PermittedBy(ca.Leaf()); limited {
		meaning = append(meaning, "limited to "+strings.Join(permitted.Strings(), ", ")+": another name needs a new CA")
	}
	if in.CA != nil {
		bundle = append(bundle, certgen.EncodeChain(in.CA.Chain[0])...)
		meaning = append(meaning, "handed out together with the old one, "+in.CA.Info.CommonName+", until every client trusts the new one")
	}
	b.file(CACertFile, bundle, meaning...)
	b.secret(CAKeyFile, key, "its key: the server never reads it, and it may be moved away")
	return ca, bundle, nil
}

func (b *builder) keepCertificates() (*x509.Certificate, []byte, error) {
	in := b.installed
	info := in.Cert.Info
	b.keep(CertFile, fmt.Sprintf("certificate for %s; until %s", strings.Join(info.Names.Strings(), ", "), day(info.NotAfter)))
	b.keepSecret(KeyFile)
	if b.answers.TLS == SelfSigned {
		return in.Cert.Chain[0], certgen.EncodeChain(in.Cert.Chain[0]), nil
	}
	b.keep(CACertFile)
	b.keepSecret(CAKeyFile)
	return in.Cert.Chain[0], certgen.EncodeChain(in.CA.Chain...), nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
