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

// LetsEncrypt is the directory that certificates are ordered from where none is named.
const LetsEncrypt = acme.LetsEncryptURL

// Options is what a Manager is made of. Hosts and Cache are needed.
type Options struct {
	Hosts     []string // names to order certificates for, one each; the first is served to clients that name none of them
	Email     string   // for the CA's warnings; empty: none
	Directory string   // URL of the ACME directory; empty: LetsEncrypt
	Roots     *x509.CertPool
	Cache     Cache
	Lease     Lease  // that servers take in turns which share the cache; nil: this one has it to itself, or its neighbours take their chances
	HTTP01    bool   // HTTPHandler is served where the CA asks for it
	EABKeyID  string // of the external account that the CA binds this one to; empty: none
	EABKey    []byte // its HMAC key
	UserAgent string // for the CA; empty: the library's

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// State is how it stands with one name.
type State struct {
	Host     string
	Leaf     *x509.Certificate   // that is served; nil: the stand-in, which clients refuse
	Chain    []*x509.Certificate // Leaf, and what is served with it
	Unread   string              // why the cache cannot be read, so that the rest may be old; empty: it can
	Failure  string              // of the last order; empty: it did not fail, or there was none
	Problem  string              // type of the CA's problem document (RFC 8555, section 6.7), such as "caa"; empty: unknown
	FailedAt time.Time
	Due      bool      // a certificate is wanted: there is none, or it is time to renew
	Ordering bool      // an order is under way, or was broken off a moment ago
	NextTry  time.Time // after a failure; not before
	Obtained uint64    // certificates, since the start
	Failed   uint64    // orders, since the start
}

// Manager has certificates for names. It serves what the cache has, or a stand-in, from New on; Run orders.
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

// issuer orders a certificate. Tests have their own.
type issuer interface {
	issue(ctx context.Context, host string, kinds []string) (issued, error)
}

// name is one host and what is known of it.
type name struct {
	host    string
	serving atomic.Pointer[tls.Certificate] // nil: the stand-in

	mu       sync.Mutex
	record   record
	unread   string
	blocked  int  // times in a row that another server had the lease, and nothing was to be seen of its order; of keep alone
	unkept   bool // the record could not be written
	foreign  bool // the certificate is from another directory than the one in use
	spread   float64
	obtained uint64
	failed   uint64
}

var errNoHosts = errors.New("no host to order a certificate for")

// New makes a manager and reads the cache. It speaks with nobody. A damaged entry of the cache is told of in the log and ordered anew.
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

// look takes over what the cache has: after a start, or from another server that shares it. The error is of errUnread where nothing can be
// told of what is there, and of errDamaged where something is that means nothing.
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

// take serves p from the cache if it is better than the certificate in use: it lasts longer, or the
// one in use is from another directory (better). A certificate that is expired or not valid yet
// never replaces a valid one. The caller holds the lock of the name.
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

// attributes describe a certificate in the log.
func attributes(host string, p *certgen.Pair) []slog.Attr {
	return []slog.Attr{
		slog.String("host", host), slog.String("issuer", p.Leaf().Issuer.String()), slog.String("fingerprint", certgen.Fingerprint(p.Leaf())),
		slog.Time("not_after", p.Leaf().NotAfter),
	}
}

// GetCertificate is for a tls.Config. It answers from memory.
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

// Leaf returns the certificate that clients see who name no host: that of the first, or the stand-in.
func (m *Manager) Leaf() *x509.Certificate {
	if c := m.names[0].serving.Load(); c != nil {
		return c.Leaf
	}
	return m.standIn.Leaf
}

// States tells how it stands with each name.
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
				if link, err := x509.ParseCertificate(der); err == nil { // it was read when it was taken
					s.Chain = append(s.Chain, link)
				}
			}
		}
		states = append(states, s)
	}
	return states
}

// Fault is what is wrong with a name in one sentence; empty where all is well.
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
