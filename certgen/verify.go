package certgen

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
)

// Verify returns everything that makes clients refuse a served chain, the most severe first, or nil.
// It assumes that clients trust roots and nothing else; nil roots means the roots of the system. key
// is the server's public key, or nil if unknown. Verify checks each of names as a client does that
// connects to it.
//
// Further certificates may follow the chain, as in a rollover from an old to a new CA.
func Verify(chain []*x509.Certificate, key crypto.PublicKey, roots []*x509.Certificate, names Names, now time.Time) []finding.Finding {
	if len(chain) == 0 {
		return []finding.Finding{{Code: CodeMissing, Severity: finding.Refused, What: "there is no certificate", Remedy: "make one, or give its file"}}
	}
	var problems []finding.Finding
	if key != nil {
		if p := checkKey(chain, key); p != nil {
			problems = append(problems, *p)
		}
	}
	if len(problems) == 0 || problems[0].Code != CodeOrder {
		if p := checkFirst(chain); p != nil {
			problems = append(problems, *p)
		}
	}
	path, orderly := walk(chain)
	if !orderly && !hasCode(problems, CodeOrder) {
		problems = append(problems, finding.Finding{Code: CodeOrder, Severity: finding.Refused, What: "the certificates of the chain are out of order", Remedy: "put the server's certificate first, then each one's issuer"})
	}
	if hasCode(problems, CodeOrder) && !servesFirst(chain) {
		return problems // whatever else is found would be about the wrong certificate
	}
	leaf := chain[0]
	path = toRoot(path, roots, now)
	problems = append(problems, checkTimes(path, now)...)
	problems = append(problems, checkTrust(chain, path, roots, now)...)
	problems = append(problems, checkNames(leaf, names)...)
	problems = append(problems, checkCraft(leaf)...)
	return finding.BySeverity(problems)
}

// Anchors returns the self-signed certificates of a chain, which its clients must trust. None where the chain ends below a root that is
// not part of it, as those of public authorities do.
func Anchors(chain []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range chain {
		if selfSigned(c) {
			out = append(out, c)
		}
	}
	return out
}

// checkKey holds the key against the first certificate.
func checkKey(chain []*x509.Certificate, key crypto.PublicKey) *finding.Finding {
	if publicEqual(chain[0].PublicKey, key) {
		return nil
	}
	for i, c := range chain[1:] {
		if publicEqual(c.PublicKey, key) {
			return &finding.Finding{
				Code: CodeOrder, Severity: finding.Refused, What: fmt.Sprintf("the key belongs to certificate %d of the chain, not to the first", i+2),
				Remedy: "put the server's certificate first, then each one's issuer",
			}
		}
	}
	return &finding.Finding{Code: CodeKeyMismatch, Severity: finding.Refused, What: "the private key does not fit the certificate", Remedy: "give the key that the certificate was requested with, or have a new certificate made"}
}

// checkFirst finds a chain that begins with a CA though a server's certificate follows.
func checkFirst(chain []*x509.Certificate) *finding.Finding {
	if servesFirst(chain) {
		return nil
	}
	return &finding.Finding{Code: CodeOrder, Severity: finding.Refused, What: "the chain begins with a CA, not with the server's certificate", Remedy: "put the server's certificate first, then each one's issuer"}
}

// servesFirst is false where the first certificate issued another one of the chain.
func servesFirst(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain[1:], func(c *x509.Certificate) bool { return !c.Equal(chain[0]) && issuedBy(c, chain[0]) })
}

// walk follows issuers from the first certificate upwards, as far as the chain has them, and reports whether each stood right behind.
func walk(chain []*x509.Certificate) (path []*x509.Certificate, orderly bool) {
	path, orderly = chain[:1:1], true
	for at := 0; !selfSigned(chain[at]); {
		next := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return !slices.Contains(path, c) && issuedBy(chain[at], c) })
		if next < 0 {
			break
		}
		if next != at+1 {
			orderly = false
		}
		path, at = append(path, chain[next]), next
	}
	return path, orderly
}

// toRoot closes a path with the trusted certificate above it, where there is one: with one that is valid now, rather than another.
func toRoot(path, roots []*x509.Certificate, now time.Time) []*x509.Certificate {
	top := path[len(path)-1]
	if selfSigned(top) {
		return path
	}
	var above *x509.Certificate
	for _, r := range roots {
		if r.Equal(top) {
			return path
		}
		if issuedBy(top, r) && (above == nil || validAt(r, now)) {
			above = r
		}
	}
	if above != nil {
		path = append(path, above)
	}
	return path
}

func validAt(c *x509.Certificate, t time.Time) bool {
	return !t.Before(c.NotBefore) && !t.After(c.NotAfter)
}

func checkTimes(path []*x509.Certificate, now time.Time) []finding.Finding {
	var out []finding.Finding
	for i, c := range path {
		which := "the certificate"
		if i > 0 {
			which = fmt.Sprintf("the issuer %q", c.Subject.CommonName)
		}
		switch {
		case now.After(c.NotAfter):
			out = append(out, finding.Finding{Code: CodeExpired, Severity: finding.Refused, What: fmt.Sprintf("%s ran out on %s",
				which, day(c.NotAfter)), Remedy: "renew it; if it should still be good, check the clock of this machine"})
		case now.Before(c.NotBefore):
			out = append(out, finding.Finding{Code: CodeNotYetValid, Severity: finding.Refused, What: fmt.Sprintf("%s is not valid before %s", which, c.NotBefore.UTC().Format(time.RFC3339)), Remedy: "check the clock of this machine, or wait"})
		}
	}
	return out
}

// checkTrust verifies the chain at a time when all of it is valid, because checkTimes reports about
// now. It returns nothing if there is no such time. Besides missing trust, it reports what clients
// refuse even if they trust the end of the chain.
func checkTrust(chain, path, roots []*x509.Certificate, now time.Time) []finding.Finding {
	now, ok := commonTime(path, now)
	if !ok {
		return nil
	}
	var found []finding.Finding
	usage := x509.ExtKeyUsageServerAuth
	if !forServers(chain[0]) {
		found, usage = append(found, purpose()), x509.ExtKeyUsageAny
	}
	outside := checkConstraints(path)
	found = append(found, outside...)
	top := path[len(path)-1]
	err := verifyChain(chain, roots, usage, now)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown && !slices.ContainsFunc(roots, top.Equal) {
		found = append(found, untrusted(top))
		err = verifyChain(chain, []*x509.Certificate{top}, usage, now)
	}
	invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case err == nil, len(outside) > 0 && invalid.Reason == x509.CANotAuthorizedForThisName:
		return found
	case invalid.Cert != nil && invalid.Reason == x509.IncompatibleUsage:
		return append(found, purpose())
	}
	return append(found, refused(path, err))
}

// commonTime returns the time closest to now at which every certificate of path is valid.
func commonTime(path []*x509.Certificate, now time.Time) (time.Time, bool) {
	for _, c := range path {
		if now.Before(c.NotBefore) {
			now = c.NotBefore
		}
	}
	for _, c := range path {
		if now.After(c.NotAfter) {
			now = c.NotAfter
		}
	}
	return now, !slices.ContainsFunc(path, func(c *x509.Certificate) bool { return !validAt(c, now) })
}

// verifyChain verifies a chain against roots, or those of the system if roots is nil.
func verifyChain(chain, roots []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) error {
	opts := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if roots != nil {
		opts.Roots = x509.NewCertPool()
		for _, c := range roots {
			opts.Roots.AddCert(c)
		}
	}
	_, err := chain[0].Verify(opts)
	return err
}

// forServers reports whether the extended key usages of a certificate include servers.
func forServers(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func purpose() finding.Finding {
	return finding.Finding{
		Code: CodePurpose, Severity: finding.Refused, What: "the certificate is not meant for servers (its extended key usage lacks serverAuth)",
		Remedy: "request a server certificate",
	}
}

// checkConstraints reports the names of the first certificate that a CA above it may not sign.
func checkConstraints(path []*x509.Certificate) (found []finding.Finding) {
	for _, ca := range path[1:] {
		if outside := outsideLimits(ca, NamesOf(path[0])).Strings(); len(outside) > 0 {
			found = append(found, finding.Finding{
				Code: CodeRefused, Severity: finding.Refused, What: fmt.Sprintf("the CA %q may not sign a certificate for %s, so clients refuse it", ca.Subject.CommonName, list(outside)),
				Remedy: "request a certificate without these names, or from a CA that may sign them",
			})
		}
	}
	return found
}

// refused finds out what clients object to in a chain that ends where they trust.
func refused(path []*x509.Certificate, err error) finding.Finding {
	for i, c := range path {
		var insecure x509.InsecureAlgorithmError
		if !selfSigned(c) && i+1 < len(path) && errors.As(path[i+1].CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature), &insecure) {
			return finding.Finding{
				Code: CodeRefused, Severity: finding.Refused, What: fmt.Sprintf("%q is signed by %s, which clients no longer accept", c.Subject.CommonName, c.SignatureAlgorithm),
				Remedy: "have it signed by SHA-256 or better",
			}
		}
		if i > 0 && (!c.BasicConstraintsValid || !c.IsCA || (c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0)) {
			return finding.Finding{
				Code: CodeRefused, Severity: finding.Refused, What: fmt.Sprintf("%q, who signed a certificate of the chain, is not allowed to sign any", c.Subject.CommonName),
				Remedy: "have the certificate signed by a CA",
			}
		}
	}
	return finding.Finding{Code: CodeRefused, Severity: finding.Refused, What: "clients refuse the certificate: " + strings.TrimPrefix(err.Error(), "x509: "), Remedy: "issue a new certificate without the fault"}
}

// untrusted returns the problem of a chain that ends at an untrusted root, or below a root that is
// missing.
func untrusted(top *x509.Certificate) finding.Finding {
	if selfSigned(top) {
		return finding.Finding{
			Code: CodeUntrusted, Severity: finding.Refused, What: fmt.Sprintf("clients do not trust %q, where the chain ends",
				top.Subject.CommonName),
			Remedy: "give that certificate to clients as the CA to trust",
		}
	}
	return finding.Finding{
		Code: CodeIncomplete, Severity: finding.Refused, What: fmt.Sprintf("the chain is incomplete: %q, who signed %q, is neither in it nor trusted", top.Issuer.CommonName, top.Subject.CommonName),
		Remedy: "append the intermediate certificates of the CA, each after the certificate that it signed; if clients do not know the root, append the root too, or name its file with --tls-ca",
	}
}

func checkNames(leaf *x509.Certificate, names Names) []finding.Finding {
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		return []finding.Finding{{
			Code: CodeNoNames, Severity: finding.Refused, What: fmt.Sprintf("the certificate names %q only as its common name, which clients ignore", leaf.Subject.CommonName),
			Remedy: "have it made with subject alternative names (SANs)",
		}}
	}
	var out []finding.Finding
	for _, name := range names.Strings() {
		if leaf.VerifyHostname(name) == nil {
			continue
		}
		p := finding.Finding{
			Code: CodeName, Severity: finding.Refused, What: fmt.Sprintf("the certificate is not good for %s; it names %s", name,
				list(NamesOf(leaf).Strings())),
			Remedy: "have it made with this name, or let clients use one that it has",
		}
		if ip, err := netip.ParseAddr(name); err == nil && slices.Contains(leaf.DNSNames, ip.String()) {
			p.Code, p.What = CodeIPAsDNS, fmt.Sprintf("the certificate has %s among its DNS names, where clients do not look for addresses", name)
			p.Remedy = "have it made with the address as an IP SAN"
		}
		out = append(out, p)
	}
	return out
}

// checkCraft finds what some clients refuse.
func checkCraft(leaf *x509.Certificate) []finding.Finding {
	var out []finding.Finding
	if weakKey(leaf.PublicKey) {
		out = append(out, finding.Finding{Code: CodeWeakKey, Severity: finding.Refused, What: fmt.Sprintf("the key is %s",
			keyTypeOf(leaf.PublicKey)), Remedy: "make one of 2048 bits or more, or an ECDSA key"})
	}
	// Both ends belong to the life of a certificate, hence the second.
	if life := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second; life > maxServerLifeDays*24*time.Hour {
		out = append(out, finding.Finding{
			Code: CodeLongLife, Severity: finding.Warning, What: fmt.Sprintf("the certificate lives %d days, Apple's clients refuse more than %d", int(life/(24*time.Hour)), maxServerLifeDays),
			Remedy: "have it made for a shorter time",
		})
	}
	if leaf.BasicConstraintsValid && leaf.IsCA {
		out = append(out, finding.Finding{
			Code: CodeCAAsServer, Severity: finding.Warning, What: "the server's certificate is a CA, which Firefox refuses and which could sign for any name",
			Remedy: "have a certificate made that is no CA",
		})
	}
	return out
}

func hasCode(problems []finding.Finding, code string) bool {
	return slices.ContainsFunc(problems, func(p finding.Finding) bool { return p.Code == code })
}

// list shows some names and counts the rest.
func list(names []string) string {
	const shown = 5
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}
