package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/certgen"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/trust"
)

// certificates keeps up with the files of certificate and key, and with the CAs of clients. They are taken as a pair: a certificate without its key, or a half-written
// file, leaves the pair that was served before.
type certificates struct {
	now  func() time.Time
	log  *slog.Logger
	acme *acme.Manager // that has the certificates in place of files; nil: files

	serving atomic.Pointer[serving]
	broken  atomic.Pointer[error]

	mu        sync.Mutex
	cert, key string
	stamps    []stamp // of all files
	settled   bool
	reminded  time.Time // of an end that is close
	failures  int       // looks in a row that found a pair that cannot be served
}

// serving is what handshakes use. It never changes.
type serving struct {
	tls    *tls.Config
	pair   tls.Certificate
	leaf   *x509.Certificate
	cas    []*x509.Certificate // that client certificates are verified with
	chain  [][]byte
	print  string
	config config.HTTP
}

// settledAfter is how old a modification time must be to be believed: within one tick of the clock a file can change twice.
const settledAfter = 2 * time.Second

// newCertificates reads the pair that the configuration names, or what was ordered before: that may be in the store.
func newCertificates(ctx context.Context, c *config.Config, store storage.Store, now func() time.Time, log *slog.Logger) (*certificates, error) {
	cs := &certificates{now: now, log: log}
	if c.HTTP.TLS.LetsEncrypt.Enabled() {
		var err error
		if cs.acme, err = newManager(ctx, c, store, now, log); err != nil {
			return nil, err
		}
	}
	commit, err := cs.prepare(c.HTTP)
	if err != nil {
		return nil, err
	}
	commit()
	return cs, nil
}

// prepare loads new files and settings. Nothing changes until commit is called, which cannot fail.
func (cs *certificates) prepare(c config.HTTP) (commit func(), err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	stamps, settled, err := cs.stampFiles(c.TLS)
	if err != nil {
		return nil, err
	}
	s, err := cs.loadValid(c)
	if err != nil {
		return nil, err
	}
	return func() {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		cs.cert, cs.key, cs.stamps, cs.settled, cs.failures = c.TLS.Certificate, c.TLS.Key, stamps, settled, 0
		cs.take(s)
	}, nil
}

// follow reads the pair again if a file has changed. A pair that does not fit is tried once more before it is called broken: the two files
// are never replaced in the same moment.
func (cs *certificates) follow() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.serving.Load().config
	stamps, settled, err := cs.stampFiles(c.TLS)
	if err == nil {
		if cs.settled && slices.Equal(stamps, cs.stamps) && cs.failures == 0 {
			return
		}
		var s *serving
		if s, err = cs.loadValid(c); err == nil {
			cs.stamps, cs.settled, cs.failures = stamps, settled, 0
			cs.take(s)
			return
		}
	}
	cs.failures++
	if cs.failures < 2 {
		return
	}
	if was := cs.broken.Swap(&err); was == nil || (*was).Error() != err.Error() {
		cs.log.Error("the new certificate cannot be served, the one before stays", "certificate", cs.cert, "key", cs.key, "error", err)
	}
}

// take puts a pair into service. The caller holds the lock.
func (cs *certificates) take(s *serving) {
	was := cs.serving.Swap(s)
	repaired := cs.broken.Swap(nil) != nil
	if was != nil && was.print == s.print && bytes.Equal(bytes.Join(was.chain, nil), bytes.Join(s.chain, nil)) && !repaired {
		return
	}
	cs.reminded = time.Time{}
	if cs.acme != nil {
		return // it tells of its own
	}
	cs.log.Info("certificate read", "certificate", cs.cert, "fingerprint", s.print, "not_after", s.leaf.NotAfter)
}

// leaf is the certificate that clients see; with several names, those who name none.
func (cs *certificates) leaf() *x509.Certificate {
	if cs.acme != nil {
		return cs.acme.Leaf()
	}
	return cs.serving.Load().leaf
}

func (cs *certificates) fingerprint() string {
	if cs.acme != nil {
		return certgen.Fingerprint(cs.leaf())
	}
	return cs.serving.Load().print
}

func (cs *certificates) ends() time.Time { return cs.leaf().NotAfter }

func (cs *certificates) fault() error {
	if err := cs.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// tlsConfig is for the listener: every handshake asks anew what is served.
func (cs *certificates) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: defaultCipherSuites,
		NextProtos:   cs.serving.Load().tls.NextProtos,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if cs.acme != nil {
				if challenge, err := cs.acme.ChallengeConfig(hello); challenge != nil || err != nil {
					return challenge, err
				}
			}
			return cs.serving.Load().tls, nil
		},
	}
}

// loadValid loads the files and returns an error if they must not replace what is served: see
// keepsValid.
func (cs *certificates) loadValid(c config.HTTP) (*serving, error) {
	next, err := cs.load(c)
	if err != nil {
		return nil, err
	}
	return next, keepsValid(cs.serving.Load(), next, cs.now())
}

// load reads the files and makes of them what handshakes use.
func (cs *certificates) load(c config.HTTP) (*serving, error) {
	cas, err := loadClientCAs(c.TLS)
	if err != nil {
		return nil, err
	}
	if cs.acme != nil {
		t, err := tlsSettings(c, cas)
		if err != nil {
			return nil, err
		}
		t.GetCertificate = cs.acme.GetCertificate
		return &serving{tls: t, cas: cas, config: c}, nil
	}
	certPEM, err := trust.ReadConfigured(c.TLS.Certificate, mostPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	keyPEM, err := trust.ReadConfigured(c.TLS.Key, mostPEM)
	if err != nil {
		return nil, fmt.Errorf("read key of the certificate: %w", err)
	}
	pair, err := certgen.ParsePair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s with key %s: %w", c.TLS.Certificate, c.TLS.Key, err)
	}
	s := &serving{pair: pair.TLS(), leaf: pair.Leaf(), print: certgen.Fingerprint(pair.Leaf()), cas: cas, config: c}
	s.chain = s.pair.Certificate
	if s.tls, err = tlsSettings(c, cas); err != nil {
		return nil, err
	}
	s.tls.Certificates = []tls.Certificate{s.pair}
	return s, nil
}

// defaultCipherSuites are those of TLS 1.2 with forward secrecy and an AEAD. Go's own list also has
// suites with CBC, which no client of the last decade needs. TLS 1.3 has none.
var defaultCipherSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsSettings is what the configuration says of handshakes, but for the certificate.
func tlsSettings(c config.HTTP, cas []*x509.Certificate) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.HTTP2Disabled {
		t.NextProtos = []string{"http/1.1"}
	}
	if c.TLS.MinimumTLS == "tls1.3" {
		t.MinVersion = tls.VersionTLS13
	}
	if len(c.TLS.CipherSuites) == 0 {
		t.CipherSuites = defaultCipherSuites
	}
	for _, name := range c.TLS.CipherSuites {
		id, err := cipherSuite(name)
		if err != nil {
			return nil, err
		}
		t.CipherSuites = append(t.CipherSuites, id)
	}
	if len(c.TLS.ClientCAs) > 0 {
		t.ClientCAs = x509.NewCertPool()
	}
	for _, ca := range cas {
		t.ClientCAs.AddCert(ca)
	}
	var err error
	t.ClientAuth, err = clientAuth(c.TLS)
	return t, err
}

// clientAuth reads what is asked of clients. With CAs and no word on it, a certificate is required, as CNCF distribution does.
func clientAuth(t config.TLS) (tls.ClientAuthType, error) {
	switch t.ClientAuth {
	case "":
		if len(t.ClientCAs) > 0 {
			return tls.RequireAndVerifyClientCert, nil
		}
		return tls.NoClientCert, nil
	case "request-client-cert":
		return tls.RequestClientCert, nil
	case "require-any-client-cert":
		return tls.RequireAnyClientCert, nil
	case "verify-client-cert-if-given":
		return tls.VerifyClientCertIfGiven, nil
	case "require-and-verify-client-cert":
		return tls.RequireAndVerifyClientCert, nil
	}
	return 0, fmt.Errorf("read http.tls.clientauth: %q is not known", t.ClientAuth)
}

func cipherSuite(name string) (uint16, error) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.Name == name {
			return suite.ID, nil
		}
	}
	return 0, fmt.Errorf("read http.tls.ciphersuites: %q is not known", name)
}

// stamp tells one state of a file from another without reading it.
type stamp struct {
	size     int64
	modified int64
	changed  int64
	inode    uint64
}

// stampFiles looks at the pair and at the CAs of clients, through symbolic links.
func (cs *certificates) stampFiles(t config.TLS) (stamps []stamp, settled bool, err error) {
	settled = true
	files := t.ClientCAs
	if cs.acme == nil {
		files = append([]string{t.Certificate, t.Key}, files...)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return nil, false, fmt.Errorf("read certificate: %w", err)
		}
		stamps = append(stamps, stampOf(info))
		settled = settled && cs.now().Sub(info.ModTime()) >= settledAfter
	}
	return stamps, settled, nil
}

// remindEvery is how often an end that comes close is told of.
const remindEvery = 24 * time.Hour

// remind tells of a certificate that is close to its end or past it, once a day.
func (cs *certificates) remind() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.acme != nil {
		return // it renews by itself, and says whenever it could not
	}
	now, leaf := cs.now(), cs.serving.Load().leaf
	if !certgen.CloseToEnd(leaf, now) || now.Sub(cs.reminded) < remindEvery {
		return
	}
	cs.reminded = now
	if now.After(leaf.NotAfter) {
		cs.log.Error("the certificate has run out, clients refuse it", "certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", "packhouse cert rotate")
		return
	}
	cs.log.Warn("the certificate runs out soon", "certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", "packhouse cert rotate")
}
