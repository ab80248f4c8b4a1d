package auth

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/problem"
)

// Options is what an Authenticator is given. Every field may be zero.
type Options struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
	// Verify compares a password with a hash and returns htpasswd.ErrMismatch for a wrong one. Nil: htpasswd.Verify.
	Verify func(hash, password []byte) error
	// Slots is how many comparisons run at once; 0: one for each processor but at least two. One of them is kept for addresses that
	// somebody has signed in from before.
	Slots int
	// Queue is how many may wait for a slot; 0: 256.
	Queue int
}

// Authenticator finds out who sends a request, by HTTP Basic authentication against an htpasswd file (RFC 7617) or by client certificate.
//
// A comparison with a bcrypt hash is made slow on purpose, so each is made once: right credentials are remembered for 15 minutes after
// their last use and 12 hours at most, wrong ones likewise, so that a client with an old password costs nothing and counts once. What is
// remembered is bound to the hash in the file and worth nothing once that changes. Guessing is slowed and stopped before any hash is
// computed; who is remembered is never held up by it.
type Authenticator struct {
	now    func() time.Time
	log    *slog.Logger
	verify func(hash, password []byte) error

	settings atomic.Pointer[settings]
	users    userFile
	memory   *memory
	guard    *guard
	slots    *slots
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

// NewAuthenticator reads the htpasswd file. A file that is missing or cannot be read is an error: nobody is ever invented.
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
	a.memory = newMemory()
	a.guard = newGuard(a.memory)
	a.slots = newSlots(o.Slots, o.Queue)
	a.probes = newProbes(a.now)
	if err := a.Reconfigure(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Reconfigure takes a new configuration and keeps what is remembered. On an error nothing has changed.
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

// Refresh looks whether the htpasswd file has changed, and takes it up. Requests do so by themselves, once a second at most; calling it
// from time to time makes a missing or broken file known on an idle server too.
func (a *Authenticator) Refresh() { a.current(a.settings.Load()) }

// Fault returns what is wrong with the htpasswd file right now: the last good one is in use. Nil when all is well.
func (a *Authenticator) Fault() error { return a.users.fault() }

// Users returns how many users can sign in; 0 with authentication off.
func (a *Authenticator) Users() int { return a.users.count() }

// UsersDigest reads the htpasswd file again if it has changed, and returns the htpasswd.File.Digest of
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

// Probes are the short-lived identities of local checks.
func (a *Authenticator) Probes() *Probes { return a.probes }

// current returns the users as of at most a second ago; nil with authentication off.
func (a *Authenticator) current(s *settings) *users {
	if s.off {
		return nil
	}
	return a.users.current(a.now(), a.log)
}

// Authenticate tells who sends the request. Without credentials that is the anonymous identity. The error is a *problem.Error: 401 for
// credentials that are wrong, 400 for more than one of them, 429 with Retry-After while guessing is being held up; or the request's own, when it was given up meanwhile.
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
		return id, nil
	}
	if s.off {
		return Identity{Anonymous: true}, nil
	}
	if len(password) > htpasswd.MaxPasswordBytes {
		return Identity{}, problem.Authenticate(s.realm).Because(&RefusedError{}) // bcrypt would ignore the tail; nobody can have such a one
	}
	return a.byPassword(r.Context(), s, attempt{
		user: user, password: password, client: ClientOf(r), account: a.current(s).lookup(user),
	})
}

// byCertificate maps a verified client certificate to a user, who must still be in the file.
func (a *Authenticator) byCertificate(s *settings, r *http.Request) Identity {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(s.clientNames) == 0 || s.off {
		return Identity{Anonymous: true}
	}
	for _, name := range certificateNames(r.TLS.VerifiedChains[0][0]) {
		if user, ok := s.clientNames[name]; ok && a.current(s).lookup(user).known {
			return Identity{User: user}
		}
	}
	return Identity{Anonymous: true}
}

// certificateNames returns what a client certificate calls its holder: the common name first, then the alternative names.
func certificateNames(c *x509.Certificate) []string {
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

// attempt is a pair of credentials on trial.
type attempt struct {
	user, password string
	client         Client
	account        account
}

// RefusedError is the cause of a refusal by Authenticate.
type RefusedError struct {
	User     string // whose credentials they were to be; empty where there is no such user, since people type passwords into the wrong field
	Locked   bool   // they were wrong once too often: further ones have to wait
	Repeated bool   // the same credentials were refused before, or nothing is looked at now: this one told nothing new
}

// Error implements error.
func (r *RefusedError) Error() string { return "wrong credentials" }

// refused is the cause of a refusal of these credentials.
func (t attempt) refused(locked, repeated bool) *RefusedError {
	r := &RefusedError{Locked: locked, Repeated: repeated}
	if t.account.known {
		r.User = t.user
	}
	return r
}

// byPassword decides by what is remembered first, so that the slow way is only walked by what is new.
func (a *Authenticator) byPassword(ctx context.Context, s *settings, t attempt) (Identity, error) {
	now := a.now()
	key := a.memory.key(t.user, t.account.hash, t.password)
	was, moved := a.memory.recall(key, t.client.Addr, now)
	switch was {
	case good:
		a.stats.remembered.Add(1)
		if moved {
			a.guard.welcome(t.client, now)
		}
		return Identity{User: t.user}, nil
	case bad:
		a.stats.rejected.Add(1)
		return Identity{}, problem.Authenticate(s.realm).Because(t.refused(false, true))
	}
	if was != lapsed { // whoever was right before, with the same hash in the file, is right again: no guess
		if wait := a.guard.locked(s.lockout, t.user, t.client, now); wait > 0 {
			a.stats.locked.Add(1)
			return Identity{}, problem.Slow(wait, "too many wrong passwords: wait before the next").Because(t.refused(true, true))
		}
	}
	err := a.flights.do(ctx, key, func(ctx context.Context) error { return a.compare(ctx, s, t, key, was == lapsed) })
	switch {
	case err == nil:
		return Identity{User: t.user}, nil
	case errors.Is(err, htpasswd.ErrMismatch):
		return Identity{}, problem.Authenticate(s.realm).Because(t.refused(a.failed(s, t, key), false))
	case errors.Is(err, errQueueFull):
		a.stats.turnedAway.Add(1)
		return Identity{}, problem.Slow(time.Second, "too many are signing in at once: try again shortly")
	case ctx.Err() != nil:
		return Identity{}, fmt.Errorf("wait for the password to be verified: %w", ctx.Err())
	}
	return Identity{}, fmt.Errorf("verify password: %w", err)
}

// compare computes the hash, when its turn has come, and remembers the outcome.
func (a *Authenticator) compare(ctx context.Context, s *settings, t attempt, key credential, trusted bool) error {
	trusted = trusted || a.guard.familiar(t.client, a.now())
	var pause time.Duration
	if !trusted {
		pause = a.guard.pause(s.lockout, t.user, a.now())
	}
	release, err := a.slots.acquire(ctx, t.client.Bucket(), trusted, pause)
	if err != nil {
		return err
	}
	defer release()
	err = a.hash(t.account.hash, t.password)
	if !t.account.known {
		err = htpasswd.ErrMismatch // whatever it was compared with
	} else if err != nil {
		for _, dummy := range t.account.pad {
			_ = a.hash(dummy, t.password) // as long as it takes for anybody
		}
	}
	switch {
	case err == nil:
		a.memory.remember(key, good, a.now())
		a.guard.succeeded(t.user, t.client, a.now())
	case errors.Is(err, htpasswd.ErrMismatch):
		a.memory.remember(key, bad, a.now())
	}
	return err
}

func (a *Authenticator) hash(hash []byte, password string) error {
	a.stats.hashes.Add(1)
	return a.verify(hash, []byte(password))
}

// failed counts a wrong password against those who sent it, and tells whether the next has to wait. The name is logged only where it is a user's: people type passwords into the
// wrong field.
func (a *Authenticator) failed(s *settings, t attempt, key credential) (locked bool) {
	a.stats.failed.Add(1)
	wait := a.guard.failed(s.lockout, t.user, t.client, key, a.now())
	if wait <= 0 {
		return false
	}
	user := "(unknown)"
	if t.account.known {
		user = t.user
	}
	a.log.Warn("too many wrong passwords, further ones have to wait", "user", user, "remote", t.client.String(), "wait", wait.String())
	return true
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// withDefaults fills in what a configuration that was made by hand leaves out.
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
		l.MaxDelay = 5 * time.Minute
	}
	l.MaxDelay = max(l.MaxDelay, l.Delay)
	return l
}
