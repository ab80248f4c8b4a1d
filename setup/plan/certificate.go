package plan

import (
	"crypto/x509"
	"fmt"
	"strings"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/question"
)

// certificates plans certs/: it issues what is due and keeps the rest. It returns the certificate
// that the server will present and the PEM that clients must trust, if any.
func (b *builder) certificates() (leaf *x509.Certificate, trust []byte, err error) {
	a := &b.answers
	if a.TLS == setup.Files {
		return b.ownCertificate()
	}
	if !question.Made(a) {
		return nil, nil, nil
	}
	reason := question.LeafReason(a, b.installed)
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
	options := certgen.LeafOptions{Names: names, Subject: subject, KeyType: a.KeyType, Days: a.LifetimeDays(), Now: b.now}
	old := b.oldLeaf()
	if old != nil && old.Pair != nil && !a.NewKey && old.Info.KeyType == string(a.KeyType) {
		options.Key = old.Pair.Key
	}
	var pair *certgen.Pair
	if a.TLS == setup.SelfSigned {
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
func (b *builder) oldLeaf() *installation.Certificate {
	if c := b.installed.Cert; c != nil && c.Path == b.path(installation.CertFile) {
		return c
	}
	return nil
}

// leaf plans tls.crt and tls.key.
func (b *builder) leaf(pair *certgen.Pair, old *installation.Certificate, reason string, reused bool) error {
	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	info := certgen.Inspect(pair.Leaf())
	meaning := []string{identity(info)}
	if old != nil {
		meaning = append(meaning, "made because "+strings.Replace(reason, "it ", "the one in use ", 1))
		meaning = append(meaning, newNames(info, old.Info)...)
	}
	b.file(installation.CertFile, pair.CertPEM(), meaning...)
	keyMeaning := "new key, " + info.KeyType
	if reused {
		// A new encoding of the same key may differ from the file.
		if have, err := b.read(b.path(installation.KeyFile)); err == nil {
			key, keyMeaning = have, "the key stays"
		}
	}
	b.secret(installation.KeyFile, key, keyMeaning)
	return nil
}

// identity describes a certificate in the review.
func identity(info certgen.Info) string {
	return fmt.Sprintf("certificate for %s; until %s; fingerprint %s",
		strings.Join(info.Names.Strings(), ", "), installation.Day(info.NotAfter), info.Fingerprint)
}

// newNames describes how a certificate differs from the previous one.
func newNames(info, old certgen.Info) []string {
	var meaning []string
	if added := info.Names.Without(old.Names).Strings(); len(added) > 0 {
		meaning = append(meaning, "names added: "+strings.Join(added, ", "))
	}
	if gone := old.Names.Without(info.Names).Strings(); len(gone) > 0 {
		meaning = append(meaning, "names removed: "+strings.Join(gone, ", "))
	}
	ends := "valid until " + installation.Day(info.NotAfter)
	if installation.Day(old.NotAfter) != installation.Day(info.NotAfter) {
		ends += "; the old one until " + installation.Day(old.NotAfter)
	}
	return append(meaning, ends)
}

// authority plans ca.crt and ca.key, and returns the CA that signs a certificate for names, and the
// PEM that clients must trust.
func (b *builder) authority(names certgen.Names) (ca *certgen.Pair, bundle []byte, err error) {
	a, in := &b.answers, b.installed
	if in.CA != nil && !a.NewCA {
		ca, err := question.SigningCA(a, in)
		if err != nil {
			return nil, nil, finding.NewError(question.CannotSign(err).About("tls", "--new-ca"))
		}
		b.keepSecret(installation.CAKeyFile)
		if a.DropOldCA && len(in.CA.Chain) > 1 {
			bundle = certgen.EncodeChain(in.CA.Chain[0])
			b.file(installation.CACertFile, bundle, "no longer handed out: "+certgen.Inspect(in.CA.Chain[1]).CommonName)
			return ca, bundle, nil
		}
		b.keep(installation.CACertFile)
		return ca, certgen.EncodeChain(in.CA.Chain...), nil
	}
	limits, err := question.CALimits(a, names)
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
	meaning := []string{fmt.Sprintf("certificate authority %s, for clients to trust; until %s; fingerprint %s",
		info.CommonName, installation.Day(info.NotAfter), info.Fingerprint)}
	if permitted, limited := certgen.PermittedBy(ca.Leaf()); limited {
		meaning = append(meaning, "limited to "+strings.Join(permitted.Strings(), ", ")+": another name needs a new CA")
	}
	if in.CA != nil {
		bundle = append(bundle, certgen.EncodeChain(in.CA.Chain[0])...)
		meaning = append(meaning,
			"handed out together with the old one, "+in.CA.Info.CommonName+", until every client trusts the new one")
	}
	b.file(installation.CACertFile, bundle, meaning...)
	b.secret(installation.CAKeyFile, key, "its key: the server never reads it, and it may be moved away")
	return ca, bundle, nil
}

func (b *builder) keepCertificates() (*x509.Certificate, []byte, error) {
	in := b.installed
	info := in.Cert.Info
	b.keep(installation.CertFile, fmt.Sprintf("certificate for %s; until %s", strings.Join(info.Names.Strings(), ", "),
		installation.Day(info.NotAfter)))
	b.keepSecret(installation.KeyFile)
	if b.answers.TLS == setup.SelfSigned {
		return in.Cert.Chain[0], certgen.EncodeChain(in.Cert.Chain[0]), nil
	}
	b.keep(installation.CACertFile)
	b.keepSecret(installation.CAKeyFile)
	return in.Cert.Chain[0], certgen.EncodeChain(in.CA.Chain...), nil
}
