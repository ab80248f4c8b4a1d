package auth

import (
	"crypto/subtle"
	"crypto/x509"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/problem"
)

// Options configures an Authenticator. Every field may be zero.
type Options struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: no log
	// Verify compares a password with a hash and returns htpasswd.ErrMismatch for a wrong one. Nil:
	// htpasswd.Verify.
	Verify func(hash, password []byte) error
	// Slots is how many comparisons run at once; 0: one for each processor, at least two. One of
	// them is reserved for addresses and passwords that were verified before.
	Slots int
	// Queue is how many attempts may wait for a slot; 0: 256.
	Queue int
}

// Authenticator identifies the sender of a request, by HTTP Basic authentication against an
// htpasswd file (RFC 7617) or by client certificate.
//
// A comparison with a bcrypt hash is slow by design, so each is made once. Right credentials are
// cached for 15 minutes after their last use and for 12 hours at most, wrong ones likewise, so that
// a client with an old password costs nothing and counts once. A cache entry is bound to the hash
// in the file and ends when that changes. Wrong passwords slow down further ones; credentials that
// were verified before are exempt.
type Authenticator struct {
	now    func() time.Time
	log    *slog.Logger
	verify func(hash, password []byte) error

	settings atomic.Pointer[settings]
	users    userFile
	cache    *cache
	guard    *guard
	signIns  *signIns
	queue    *queue
	flights  flights
	probes   *Probes
	stats    stats
}

// settings is the part that a reload replaces.
type settings struct {
	off         bool
	realm       string
	lockout     config.Lockout
	clientNames map[string]string
}

// NewAuthenticator reads the htpasswd file. A file that is missing or cannot be read is an error:
// nobody is ever invented.
func NewAuthenticator(c config.Auth, o Options) (*Authenticator, error) {
	a := &Authenticator{now: o.Now, log: o.Log, verify: o.Verify}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.verify == nil {
		a.verify = htpasswd.Verify
	}
	if o.Slots <= 0 {
		o.Slots = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	a.cache = newCache()
	a.guard = newGuard(a.cache)
	a.signIns = newSignIns()
	a.queue = newQueue(o.Slots, o.Queue, a.now, a)
	a.probes = newProbes(a.now)
	if err := a.Reconfigure(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Reconfigure takes a new configuration and keeps what is remembered. On an error nothing has
// changed.
func (a *Authenticator) Reconfigure(c config.Auth) error {
	s := &settings{
		off: c.Method == config.AuthNone, realm: c.Htpasswd.Realm,
		lockout: withDefaults(c.Htpasswd.Lockout), clientNames: c.Htpasswd.ClientNames,
	}
	if !s.off {
		if err := a.users.open(c.Htpasswd.Path, a.now(), a.log); err != nil {
			return err
		}
	}
	a.settings.Store(s)
	return nil
}

// Refresh looks whether the htpasswd file has changed, and takes it up. Requests do so by
// themselves, once a second at most; calling it from time to time makes a missing or broken file
// known on an idle server too.
func (a *Authenticator) Refresh() { a.current(a.settings.Load()) }

// Fault returns what is wrong with the htpasswd file right now: the last good one is in use. Nil
// when all is well.
func (a *Authenticator) Fault() error { return a.users.fault() }

// Users returns how many users can sign in; 0 with authentication off.
func (a *Authenticator) Users() int { return a.users.count() }

// UsersDigest reads the htpasswd file again if it has changed, and returns the htpasswd.File.Digest
// of the users in effect. It is empty with authentication off.
func (a *Authenticator) UsersDigest() string {
	if a.settings.Load().off {
		return ""
	}
	if u := a.users.reread(a.now(), a.log); u != nil {
		return u.digest
	}
	return ""
}

// Probes are the short-lived identities of local checks.
func (a *Authenticator) Probes() *Probes { return a.probes }

// current returns the users as of at most a second ago; nil with authentication off.
func (a *Authenticator) current(s *settings) *users {
	if s.off {
		return nil
	}
	return a.users.current(a.now(), a.log)
}

// Authenticate tells who sends the request. Without credentials that is the anonymous identity. The
// error is a *problem.Error: 401 for credentials that are wrong, 400 for more than one of them, 429
// with Retry-After while guessing is being held up; or the request's own, when it was given up
// meanwhile.
func (a *Authenticator) Authenticate(r *http.Request) (Identity, error) {
	s := a.settings.Load()
	if n := len(r.Header["Authorization"]); n > 1 { // a proxy in front may have looked at another one
		return Identity{}, problem.New(http.StatusBadRequest, problem.Unauthorized, "the request has %d Authorization headers", n)
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return a.byCertificate(s, r), nil
	}
	if id, found, err := a.probes.identify(user, password); found {
		if err != nil {
			return Identity{}, problem.Authenticate(s.realm)
		}
		connectionOf(r.Context()).identify()
		return id, nil
	}
	if s.off {
		return Identity{Anonymous: true}, nil
	}
	if len(password) > htpasswd.MaxPasswordBytes {
		return Identity{}, problem.Authenticate(s.realm).Because(&RefusedError{}) // bcrypt would ignore the tail; nobody can have such a one
	}
	client := ClientOf(r)
	return a.byPassword(r.Context(), s, attempt{
		user: user, password: password, client: client, account: a.current(s).lookup(user),
		connection: connectionOf(r.Context()), direct: !client.Shared && client.Addr == peerOf(r),
	})
}

// byCertificate maps a verified client certificate to a user, who must still be in the file.
func (a *Authenticator) byCertificate(s *settings, r *http.Request) Identity {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(s.clientNames) == 0 || s.off {
		return Identity{Anonymous: true}
	}
	for _, name := range certificateNames(r.TLS.VerifiedChains[0][0]) {
		if user, ok := s.clientNames[name]; ok && a.current(s).lookup(user).known {
			connectionOf(r.Context()).identify()
			return Identity{User: user}
		}
	}
	return Identity{Anonymous: true}
}

// certificateNames returns what a client certificate calls its holder: the common name first, then
// the alternative names.
func certificateNames(c *x509.Certificate) []string {
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// withDefaults sets what a configuration that was not parsed from a file leaves out.
func withDefaults(l config.Lockout) config.Lockout {
	if l.Attempts <= 0 {
		l.Attempts = 10
	}
	if l.Window <= 0 {
		l.Window = 5 * time.Minute
	}
	if l.Delay <= 0 {
		l.Delay = time.Second
	}
	if l.MaxDelay <= 0 {
		l.MaxDelay = l.Delay
	}
	l.MaxDelay = max(l.MaxDelay, l.Delay)
	return l
}
