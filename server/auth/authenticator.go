package auth

import (
	"crypto/subtle"
	"crypto/x509"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"packhouse/printable"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/problem"
)

// Options configures an Authenticator. The zero value is ready to use.
type Options struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: no log
	// Verify compares a password with a hash and returns htpasswd.ErrMismatch if they differ. Nil
	// means htpasswd.Verify.
	Verify func(hash, password []byte) error
	// Slots is the maximum number of concurrent comparisons; 0 means one per processor, at least
	// two. One of them is reserved for addresses and passwords that were verified before.
	Slots int
	// Queue is the maximum number of attempts waiting for a slot; 0 means 256.
	Queue int
	// ConfigPath is the path of the configuration file, for messages; empty: unknown.
	ConfigPath string
}

// Authenticator identifies the sender of a request, by HTTP Basic authentication against an
// htpasswd file (RFC 7617) or by client certificate.
//
// A comparison with a bcrypt hash is slow by design, so each is made once. Right and wrong
// credentials are cached until 15 minutes after their last use, but at most 12 hours, so a client
// with an old password costs nothing and counts once. A cache entry is bound to the hash in the
// file and becomes invalid when that changes. Wrong passwords slow down further attempts;
// previously verified credentials are exempt.
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
	flights  flights // comparisons
	turns    flights // attempts that wait for guard.turn
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

// NewAuthenticator reads the htpasswd file. It returns an error if the file is missing or cannot be
// read, and never creates default users.
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
	a.users.command = "packhouse config verify"
	if o.ConfigPath != "" {
		a.users.command += " " + printable.Shell(o.ConfigPath)
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

// Reconfigure applies a new configuration and keeps the credentials cache. If it returns an error,
// nothing has changed.
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

// Refresh reloads the htpasswd file if it has changed. Requests do this too, at most once a second;
// a periodic call also reports a missing or broken file on an idle server.
func (a *Authenticator) Refresh() { a.current(a.settings.Load()) }

// Fault returns why the htpasswd file on disk cannot be used, while the last valid one stays in
// effect. It returns nil if the file is valid.
func (a *Authenticator) Fault() error { return a.users.fault() }

// Users returns the number of users who can sign in; 0 with authentication off.
func (a *Authenticator) Users() int { return a.users.count() }

// UsersDigest reloads the htpasswd file if it has changed and returns the htpasswd.File.Digest of
// the users in effect. It is empty with authentication off.
func (a *Authenticator) UsersDigest() string {
	if a.settings.Load().off {
		return ""
	}
	if u := a.users.reread(a.now(), a.log); u != nil {
		return u.digest
	}
	return ""
}

// Probes returns the issuer of short-lived identities for local checks.
func (a *Authenticator) Probes() *Probes { return a.probes }

// current returns the users as of at most a second ago, or nil with authentication off.
func (a *Authenticator) current(s *settings) *users {
	if s.off {
		return nil
	}
	return a.users.current(a.now(), a.log)
}

// Authenticate returns the identity of the sender; without credentials, the anonymous one. The
// error is a *problem.Error (401 for wrong credentials, 400 for several Authorization headers, 429
// with Retry-After while attempts are slowed down), or the error of the request's context if that
// ended first.
func (a *Authenticator) Authenticate(r *http.Request) (Identity, error) {
	s := a.settings.Load()
	if n := len(r.Header["Authorization"]); n > 1 { // a proxy in front may have checked another one
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
		return Identity{}, problem.Authenticate(s.realm).Because(&RefusedError{}) // bcrypt would ignore the rest
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

// certificateNames returns the names in a client certificate: the common name, then the subject
// alternative names.
func certificateNames(c *x509.Certificate) []string {
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

// same compares strings in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// withDefaults sets the defaults for a configuration that was not parsed from a file.
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
