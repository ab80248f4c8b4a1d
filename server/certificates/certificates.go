package certificates

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

// Manager tracks the certificate and key files, and the client CAs. Certificate and key are
// loaded as a pair: if one is missing, half-written or does not match, the previous pair stays in
// use.
type Manager struct {
	now  func() time.Time
	log  *slog.Logger
	acme *acme.Manager // provides the certificates instead of files; nil: files

	serving atomic.Pointer[serving]
	broken  atomic.Pointer[error]

	mu        sync.Mutex
	cert, key string
	stamps    []stamp // of all files
	settled   bool
	reminded  time.Time // of the coming expiry
	Rotate    string    // command that renews the certificate, for messages
	failures  int       // consecutive loads that found no usable pair
}

// serving is the immutable configuration of handshakes.
type serving struct {
	tls    *tls.Config
	pair   tls.Certificate
	leaf   *x509.Certificate
	cas    []*x509.Certificate // for verifying client certificates
	chain  [][]byte
	print  string
	config config.HTTP

	anchored bool // chain contains a self-signed certificate
}

// settledAfter is the minimum age of a modification time to trust it, because a file can change
// twice within one clock tick.
const settledAfter = 2 * time.Second

// New loads the configured pair, or the certificates ordered before, which may be in
// the store.
func New(
	ctx context.Context, c *config.Config, store storage.Store, now func() time.Time, log *slog.Logger,
) (*Manager, error) {
	cs := &Manager{now: now, log: log, Rotate: "packhouse cert rotate"}
	if c.HTTP.TLS.LetsEncrypt.Enabled() {
		var err error
		if cs.acme, err = newManager(ctx, c, store, now, log); err != nil {
			return nil, err
		}
	}
	commit, err := cs.Prepare(c.HTTP)
	if err != nil {
		return nil, err
	}
	commit()
	return cs, nil
}

// Prepare loads new files and settings. Nothing changes until commit is called, which cannot fail.
func (cs *Manager) Prepare(c config.HTTP) (commit func(), err error) {
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

// Follow reloads the pair if a file has changed. It retries a pair that does not match once before
// reporting it as broken, because the two files are never replaced at the same time.
func (cs *Manager) Follow() {
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
		cs.log.Error("the new certificate cannot be served, the previous one stays in use",
			"certificate", cs.cert, "key", cs.key, "error", err)
	}
}

// take puts a pair into use. The caller holds the lock.
func (cs *Manager) take(s *serving) {
	was := cs.serving.Swap(s)
	repaired := cs.broken.Swap(nil) != nil
	if was != nil && was.print == s.print && slices.EqualFunc(was.chain, s.chain, bytes.Equal) && !repaired {
		return
	}
	cs.reminded = time.Time{}
	if cs.acme != nil {
		return // package acme logs its own
	}
	cs.log.Info("certificate read", "certificate", cs.cert, "fingerprint", s.print, "not_after", s.leaf.NotAfter)
}

// Leaf returns the certificate that clients see; with several names, clients without SNI.
func (cs *Manager) Leaf() *x509.Certificate {
	if cs.acme != nil {
		return cs.acme.Leaf()
	}
	return cs.serving.Load().leaf
}

// Fingerprint returns the SHA-256 of the leaf as "AB:CD:…".
func (cs *Manager) Fingerprint() string {
	if cs.acme != nil {
		return certgen.Fingerprint(cs.Leaf())
	}
	return cs.serving.Load().print
}

// Anchored reports whether the certificate files contain the self-signed certificate that clients of
// host must trust, as with a private CA. It returns false for other hosts, which may be those of a
// proxy with a certificate of its own.
func (cs *Manager) Anchored(host string) bool {
	s := cs.serving.Load()
	return s.anchored && s.leaf.VerifyHostname(host) == nil
}

// Ends returns when the leaf expires.
func (cs *Manager) Ends() time.Time { return cs.Leaf().NotAfter }

// Fault returns why the files cannot be served, or nil.
func (cs *Manager) Fault() error {
	if err := cs.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// TLSConfig returns the listener's configuration, which uses the current certificate for every
// handshake.
func (cs *Manager) TLSConfig() *tls.Config {
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

// loadValid loads the files and returns an error if they must not replace those in use (see
// keepsValid).
func (cs *Manager) loadValid(c config.HTTP) (*serving, error) {
	next, err := cs.load(c)
	if err != nil {
		return nil, err
	}
	return next, keepsValid(cs.serving.Load(), next, cs.now())
}

// load reads the files and builds the configuration of handshakes.
func (cs *Manager) load(c config.HTTP) (*serving, error) {
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
	s.chain, s.anchored = s.pair.Certificate, len(certgen.Anchors(pair.Chain)) > 0
	if s.tls, err = tlsSettings(c, cas); err != nil {
		return nil, err
	}
	s.tls.Certificates = []tls.Certificate{s.pair}
	return s, nil
}

// defaultCipherSuites are the TLS 1.2 suites with forward secrecy and AEAD. Go's defaults also
// include CBC suites, which no client of the last decade needs. TLS 1.3 suites are not
// configurable.
var defaultCipherSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsSettings returns the TLS configuration without the certificate.
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

// clientAuth returns the client certificate policy. If CAs are configured but no policy is, a
// certificate is required, as in CNCF distribution.
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

// stamp identifies the state of a file without reading it.
type stamp struct {
	size     int64
	modified int64
	changed  int64
	inode    uint64
}

// stampFiles returns the stamps of the pair and the client CAs, following symbolic links.
func (cs *Manager) stampFiles(t config.TLS) (stamps []stamp, settled bool, err error) {
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

// remindEvery is the interval between warnings about an expiring certificate.
const remindEvery = 24 * time.Hour

// Remind logs a warning once a day if the certificate is about to expire or has expired.
func (cs *Manager) Remind() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.acme != nil {
		return // package acme renews it and logs failures
	}
	now, leaf := cs.now(), cs.serving.Load().leaf
	if !certgen.CloseToEnd(leaf, now) || now.Sub(cs.reminded) < remindEvery {
		return
	}
	cs.reminded = now
	if now.After(leaf.NotAfter) {
		cs.log.Error("the certificate has expired, clients refuse it",
			"certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", cs.Rotate)
		return
	}
	cs.log.Warn("the certificate expires soon", "certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", cs.Rotate)
}
