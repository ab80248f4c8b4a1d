package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// LetsEncrypt is the default ACME directory.
const LetsEncrypt = acme.LetsEncryptURL

// Options configures a Manager. Hosts and Cache are required.
type Options struct {
	Hosts     []string // names to order certificates for, one each; the first is the default for other names
	Email     string   // contact address for the CA; empty: none
	Directory string   // URL of the ACME directory; empty: LetsEncrypt
	Roots     *x509.CertPool
	Cache     Cache
	Lease     Lease  // coordinates servers that share the cache; nil: no coordination
	HTTP01    bool   // HTTPHandler is served where the CA connects
	EABKeyID  string // external account key ID (RFC 8555, section 7.3.4); empty: none
	EABKey    []byte // its HMAC key
	UserAgent string // User-Agent for requests to the CA; empty: the library's

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// State is the status of one name.
type State struct {
	Host     string
	Leaf     *x509.Certificate   // the certificate served; nil: the stand-in, which clients reject
	Chain    []*x509.Certificate // Leaf and the certificates served with it
	Unread   string              // why the cache cannot be read, which may make the rest stale; empty: it can
	Failure  string              // of the last order; empty: it succeeded, or there was none
	Problem  string              // type of the CA's problem document (RFC 8555, section 6.7), such as "caa"; empty: unknown
	FailedAt time.Time
	Due      bool      // a certificate is missing or due for renewal
	Ordering bool      // an order is in progress, or was interrupted a moment ago
	NextTry  time.Time // earliest next attempt, after a failure
	Obtained uint64    // certificates obtained since the start
	Failed   uint64    // orders failed since the start
}

// Manager manages the certificates of names. It serves cached certificates, or a stand-in, as soon
// as New returns; Run orders and renews them.
type Manager struct {
	names   []*name
	byHost  map[string]*name
	cache   Cache
	lease   Lease
	answers *answers
	issuer  issuer
	from    string // directory
	kinds   []string
	log     *slog.Logger
	now     func() time.Time
	standIn *tls.Certificate
}

// issuer orders a certificate. Tests replace it.
type issuer interface {
	issue(ctx context.Context, host string, kinds []string) (issued, error)
}

// name is one host and its state.
type name struct {
	host    string
	serving atomic.Pointer[tls.Certificate] // nil: the stand-in

	mu       sync.Mutex
	record   record
	unread   string
	blocked  int  // consecutive times that another server held the lease without a visible order; used only by keep
	unkept   bool // the record could not be written
	foreign  bool // the certificate is from another directory than the one in use
	spread   float64
	obtained uint64
	failed   uint64
}

var errNoHosts = errors.New("no host to order a certificate for")

// New creates a manager and reads the cache. It makes no network requests. It logs a damaged cache
// entry, which is then ordered again.
func New(ctx context.Context, o Options) (*Manager, error) {
	if len(o.Hosts) == 0 {
		return nil, errNoHosts
	}
	m := &Manager{
		byHost: map[string]*name{}, cache: o.Cache, lease: o.Lease, from: o.Directory, kinds: []string{tlsALPN01},
		log: o.Log, now: o.Now,
	}
	if m.from == "" {
		m.from = LetsEncrypt
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.now == nil {
		m.now = time.Now
	}
	if o.HTTP01 {
		m.kinds = append(m.kinds, http01)
	}
	var hosts []string
	for _, h := range o.Hosts {
		if host := normal(h); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	var err error
	if m.standIn, err = standIn(hosts, m.now()); err != nil {
		return nil, err
	}
	m.answers = newAnswers(o.Cache, hosts, m.now, o.Lease != nil)
	m.issuer = newAuthority(m, o)
	for _, host := range hosts {
		n := &name{host: host, record: record{Directory: m.from}, spread: rand.Float64()}
		m.names, m.byHost[host] = append(m.names, n), n
		if err := m.look(ctx, n); err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "the cache of ACME is not whole", slog.String("host", host), slog.Any("error", err))
		}
		if n.serving.Load() == nil {
			attrs := []slog.Attr{slog.String("host", host), slog.String("directory", m.from)}
			if n.record.Reason != "" {
				attrs = append(attrs, slog.String("reason", n.record.Reason), slog.Time("next_try", n.record.NextTry))
			}
			m.log.LogAttrs(ctx, slog.LevelWarn, "a stand-in certificate is served, which clients refuse, until the CA has signed one", attrs...)
		}
	}
	return m, nil
}

// look loads certificate and record from the cache, at startup or after another server changed
// them. It returns errUnread if the cache cannot be read, and errDamaged if an entry is invalid.
func (m *Manager) look(ctx context.Context, n *name) error {
	r, foreign, err := readRecord(ctx, m.cache, n.host, m.from)
	pair, pairErr := readPair(ctx, m.cache, n.host)
	if errors.Is(pairErr, ErrCacheMiss) {
		pairErr = nil
	}
	all := errors.Join(err, pairErr)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unread = ""
	if errors.Is(all, errUnread) {
		n.unread = reason(all)
	}
	r, n.record = r.believed(m.now()), n.record.believed(m.now())
	if err == nil && (!n.unkept || r.FailedAt.After(n.record.FailedAt) || r.Obtained.After(n.record.FailedAt)) {
		n.record, n.unkept = r, false
	}
	if pair != nil {
		known := !errors.Is(err, errUnread)
		m.take(ctx, n, pair, known && n.foreign && !foreign)
		n.foreign = known && foreign || !known && n.foreign
	}
	return all
}

// take serves p from the cache if it is better than the certificate in use: it expires later, or
// the one in use is from another directory (better). An expired or not yet valid certificate never
// replaces a valid one. The caller holds the lock of the name.
func (m *Manager) take(ctx context.Context, n *name, p *certgen.Pair, better bool) {
	was := n.serving.Load()
	if was != nil {
		now := m.now()
		switch {
		case was.Leaf.Equal(p.Leaf()):
			return
		case certgen.ValidAt(was.Leaf, now) && !certgen.ValidAt(p.Leaf(), now):
			return
		case !better && was.Leaf.NotAfter.After(p.Leaf().NotAfter):
			return
		}
	}
	n.serving.Store(served(p))
	m.log.LogAttrs(ctx, slog.LevelInfo, "certificate read", attributes(n.host, p)...)
}

// attributes returns log attributes of a certificate.
func attributes(host string, p *certgen.Pair) []slog.Attr {
	return []slog.Attr{
		slog.String("host", host), slog.String("issuer", p.Leaf().Issuer.String()), slog.String("fingerprint", certgen.Fingerprint(p.Leaf())),
		slog.Time("not_after", p.Leaf().NotAfter),
	}
}

// GetCertificate is for tls.Config.GetCertificate. It answers from memory.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n := m.byHost[normal(hello.ServerName)]
	if n == nil {
		n = m.names[0]
	}
	if c := n.serving.Load(); c != nil {
		return c, nil
	}
	return m.standIn, nil
}

// Leaf returns the certificate served to clients without SNI: that of the first host, or the
// stand-in.
func (m *Manager) Leaf() *x509.Certificate {
	if c := m.names[0].serving.Load(); c != nil {
		return c.Leaf
	}
	return m.standIn.Leaf
}

// States returns the status of each name.
func (m *Manager) States() []State {
	states := make([]State, 0, len(m.names))
	for _, n := range m.names {
		n.mu.Lock()
		s := State{Host: n.host, Unread: n.unread, Failure: n.record.Reason, Problem: n.record.Problem, FailedAt: n.record.FailedAt, NextTry: n.record.NextTry, Obtained: n.obtained, Failed: n.failed}
		at, _ := n.desired()
		s.Due = !at.After(m.now())
		s.Ordering = n.record.Begun && m.now().Sub(n.record.FailedAt) < orderTimeout
		n.mu.Unlock()
		if c := n.serving.Load(); c != nil {
			s.Leaf = c.Leaf
			for _, der := range c.Certificate {
				if link, err := x509.ParseCertificate(der); err == nil { // it was parsed when it was loaded
					s.Chain = append(s.Chain, link)
				}
			}
		}
		states = append(states, s)
	}
	return states
}

// Fault describes what is wrong with a name in one sentence; empty if nothing is.
func (s State) Fault() string {
	served := "the certificate of " + s.Host + " could not be renewed, the one before is served"
	if s.Leaf == nil {
		served = "there is no certificate for " + s.Host + " yet, and clients refuse the stand-in"
		switch {
		case s.Unread != "":
			return "no certificate for " + s.Host + " can be found: " + s.Unread
		case s.Ordering:
			return served + ": it is being ordered"
		case s.Failure == "":
			return served + ": it has not been ordered yet"
		}
	}
	if s.Leaf != nil && s.Due && s.Unread != "" {
		return served + ": " + s.Unread
	}
	if s.Failure == "" || s.Ordering {
		return ""
	}
	return fmt.Sprintf("%s: %s; next try at %s", served, s.Failure, s.NextTry.UTC().Format(time.RFC3339))
}
