package certgen

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"
)

// Lifetimes in days, where the options say nothing.
const (
	DefaultCADays         = 3650
	DefaultLeafDays       = 397 // as browsers accept from public CAs, so renewal stays routine
	DefaultSelfSignedDays = 825 // the most that Apple's clients accept
	maxDays               = 36500
)

// Backdate is how much earlier than now a new certificate begins, for clients whose clock is a little behind.
const Backdate = 5 * time.Minute

// CAOptions describe a certificate authority. The zero value is a good one.
type CAOptions struct {
	CommonName string    // default "packhouse CA " and the start of its key's identifier, which distinguishes two CAs; cut to 64 characters
	Subject    pkix.Name // further parts of the subject; its CommonName is ignored
	KeyType    KeyType   // default ECDSAP256
	Days       int       // default DefaultCADays
	Permit     Permitted // what it may sign, beside localhost and loopback addresses; default everything
	Now        time.Time // default time.Now
	Rand       io.Reader // source of the serial number, default crypto/rand; keys are always made from the operating system's randomness
}

// LeafOptions describe a server certificate.
type LeafOptions struct {
	Names   Names         // at least one
	Subject pkix.Name     // further parts of the subject; its CommonName is ignored, since it follows from Names
	KeyType KeyType       // default ECDSAP256; ignored where Key is set
	Days    int           // default DefaultLeafDays under a CA, DefaultSelfSignedDays without
	Now     time.Time     // default time.Now
	Key     crypto.Signer // reused where set, as on a renewal
	Rand    io.Reader     // as in CAOptions
}

// NewCA returns a new self-signed certificate authority. It signs certificates of servers only
// (extended key usage serverAuth) and no further CA (path length 0).
func NewCA(o CAOptions) (*Pair, error) {
	key, err := o.KeyType.generate()
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	now := orNow(o.Now)
	t, err := template(o.Subject, key.Public(), now.Add(-Backdate), o.Days, DefaultCADays, o.Rand)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	t.Subject.CommonName = cut(o.CommonName, maxCommonName)
	if t.Subject.CommonName == "" {
		t.Subject.CommonName = "packhouse CA " + hex.EncodeToString(t.SubjectKeyId[:4])
	}
	t.IsCA, t.MaxPathLenZero = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	o.Permit.limit(t)
	pair, err := sign(t, t, key, key)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf())
	if _, err := pair.Leaf().Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, fmt.Errorf("make CA: verify: %w", err)
	}
	return pair, nil
}

// NewLeaf makes a server certificate signed by ca, whose chain it carries on. It begins and ends within the life of the CA, whatever Days say.
func NewLeaf(ca *Pair, o LeafOptions) (*Pair, error) {
	now := orNow(o.Now)
	if err := checkIssuer(ca, now); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	issuer := ca.Leaf()
	if err := checkPermitted(issuer, o.Names); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	t, key, err := leafTemplate(o, now, DefaultLeafDays)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	if len(issuer.PermittedDNSDomains) > 0 && len(o.Names.DNS) == 0 {
		t.Subject.CommonName = "" // OpenSSL would hold an address there against the permitted DNS names
	}
	if t.NotBefore.Before(issuer.NotBefore) {
		t.NotBefore = issuer.NotBefore
	}
	if t.NotAfter.After(issuer.NotAfter) {
		t.NotAfter = issuer.NotAfter
	}
	pair, err := sign(t, issuer, key, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	pair.Chain = append(pair.Chain, ca.Chain...)
	if err := verifyIssued(pair, o.Names, now); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return pair, nil
}

// NewSelfSigned makes a single certificate for a server that is also what its clients trust. It is not a CA: its key can
// impersonate this server and no other, and Firefox refuses a CA as a server's certificate.
func NewSelfSigned(o LeafOptions) (*Pair, error) {
	now := orNow(o.Now)
	t, key, err := leafTemplate(o, now, DefaultSelfSignedDays)
	if err != nil {
		return nil, fmt.Errorf("make self-signed certificate: %w", err)
	}
	if t.Subject.String() == "" {
		// An issuer must not be empty (RFC 5280, section 4.1.2.4), and here the issuer is the subject.
		t.Subject.Organization = []string{"packhouse"}
	}
	pair, err := sign(t, t, key, key)
	if err != nil {
		return nil, fmt.Errorf("make self-signed certificate: %w", err)
	}
	if err := verifyIssued(pair, o.Names, now); err != nil {
		return nil, fmt.Errorf("make self-signed certificate: %w", err)
	}
	return pair, nil
}

// leafTemplate is a server certificate that lacks its issuer.
func leafTemplate(o LeafOptions, now time.Time, days int) (*x509.Certificate, crypto.Signer, error) {
	if o.Names.Empty() {
		return nil, nil, errors.New("it has no name: give at least one host name or address")
	}
	key := o.Key
	if key == nil {
		var err error
		if key, err = o.KeyType.generate(); err != nil {
			return nil, nil, err
		}
	} else if weakKey(key.Public()) {
		return nil, nil, fmt.Errorf("the key to reuse is %s, too weak for today's clients: make a new one", keyTypeOf(key.Public()))
	}
	t, err := template(o.Subject, key.Public(), now.Add(-Backdate), o.Days, days, o.Rand)
	if err != nil {
		return nil, nil, err
	}
	t.Subject.CommonName = o.Names.commonName()
	t.DNSNames, t.IPAddresses = o.Names.DNS, o.Names.netIPs()
	t.KeyUsage = keyUsage(key.Public())
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return t, key, nil
}

// template returns the fields of every certificate. NotAfter is inclusive (RFC 5280, section 4.1.2.5), hence one second less:
// 825 days must not become 825 days and a second.
func template(subject pkix.Name, pub crypto.PublicKey, from time.Time, days, defaultDays int, random io.Reader) (*x509.Certificate, error) {
	if days == 0 {
		days = defaultDays
	}
	if days < 0 || days > maxDays {
		return nil, fmt.Errorf("a life of %d days is not between 1 and %d", days, maxDays)
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	id, err := subjectKeyID(pub)
	if err != nil {
		return nil, err
	}
	from = from.UTC().Truncate(time.Second)
	// Names repeats the parsed fields, which would be written twice.
	subject.Names, subject.ExtraNames, subject.CommonName, subject.SerialNumber = nil, nil, "", ""
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             from,
		NotAfter:              from.Add(time.Duration(days)*24*time.Hour - time.Second),
		SubjectKeyId:          id,
		BasicConstraintsValid: true,
	}, nil
}

// newSerial draws 128 random bits; RFC 5280, section 4.1.2.2, wants a positive number of 20 bytes at most.
func newSerial(random io.Reader) (*big.Int, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	if b == [16]byte{} {
		return nil, errors.New("draw serial number: the random source gives zeros only")
	}
	return new(big.Int).SetBytes(b[:]), nil
}

// sign issues t and parses the result, so that callers get the certificate as clients parse it.
func sign(t, parent *x509.Certificate, key, signer crypto.Signer) (*Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	return &Pair{Chain: []*x509.Certificate{cert}, Key: key}, nil
}

// checkIssuer says why a pair, perhaps made elsewhere, cannot sign server certificates.
func checkIssuer(ca *Pair, now time.Time) error {
	if ca == nil || len(ca.Chain) == 0 || ca.Key == nil {
		return errors.New("the CA has no certificate or no key")
	}
	c := ca.Leaf()
	switch {
	case !c.BasicConstraintsValid || !c.IsCA || (c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0):
		return errors.New("the certificate given as CA may not sign others")
	case !publicEqual(ca.Key.Public(), c.PublicKey):
		return errors.New("the key of the CA does not fit its certificate")
	case now.After(c.NotAfter):
		return fmt.Errorf("the CA ran out on %s: make a new one", day(c.NotAfter))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the CA is not valid before %s: check the clock of this machine", day(c.NotBefore))
	}
	return nil
}

// verifyIssued asks of a fresh certificate what clients will ask, once for every name, with the top of the chain as only trust.
func verifyIssued(p *Pair, names Names, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.Chain[len(p.Chain)-1])
	for _, c := range p.Chain[1:] {
		between.AddCert(c)
	}
	if !publicEqual(p.Key.Public(), p.Leaf().PublicKey) {
		return errors.New("verify: the key does not fit the certificate")
	}
	if left := names.Without(NamesOf(p.Leaf())).Strings(); len(left) > 0 {
		return fmt.Errorf("verify: the certificate lost %s", strings.Join(left, ", "))
	}
	for _, name := range names.Strings() {
		if _, err := p.Leaf().Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, CurrentTime: now}); err != nil {
			return fmt.Errorf("verify as a client of %q would: %w", name, err)
		}
	}
	return nil
}

// weakKey reports an RSA key shorter than OpenSSL's security level 2, the default of current distributions, accepts.
func weakKey(pub crypto.PublicKey) bool {
	p, ok := pub.(*rsa.PublicKey)
	return ok && p.N.BitLen() < 2048
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) > limit {
		return strings.TrimSpace(string([]rune(s)[:limit]))
	}
	return s
}
