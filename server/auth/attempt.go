package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/problem"
)

// attempt is a pair of credentials to verify.
type attempt struct {
	user, password string
	client         Client
	account        account
	connection     *Connection
	direct         bool // the client is the peer of the connection
}

// RefusedError is the cause of a refusal by Authenticate.
type RefusedError struct {
	User     string // empty for an unknown name, which may be a password typed into the wrong field
	Locked   bool   // too many wrong passwords: the client must wait
	Repeated bool   // the same credentials were refused before, or not compared: not audited again
}

// Error implements error.
func (r *RefusedError) Error() string { return "wrong credentials" }

// refused returns the cause of a refusal of these credentials.
func (t attempt) refused(locked, repeated bool) *RefusedError {
	r := &RefusedError{Locked: locked, Repeated: repeated}
	if t.account.known {
		r.User = t.user
	}
	return r
}

// byPassword uses the credentials cache if possible, and otherwise waits for a comparison.
func (a *Authenticator) byPassword(ctx context.Context, s *settings, t attempt) (Identity, error) {
	now := a.now()
	key := a.cache.key(t.user, t.account.hash, t.password)
	was, moved := a.cache.recall(key, t.client.Addr, now)
	if was == bad {
		t.connection.fail(key, t.direct)
		a.stats.rejected.Add(1)
		return Identity{}, problem.Authenticate(s.realm).Because(t.refused(false, true))
	}
	standing, err := a.standing(ctx, t, key, now)
	if err != nil {
		return Identity{}, fmt.Errorf("wait for the password to be verified: %w", err)
	}
	if standing.waited {
		now = a.now()
		was, moved = a.cache.recall(key, t.client.Addr, now)
	}
	exempt := was.verified() && standing.trusted
	if was == good && exempt {
		a.stats.remembered.Add(1)
		if moved {
			a.signIns.welcome(t.client.Bucket(), now)
		}
		t.connection.prove(key, t.direct)
		return Identity{User: t.user}, nil
	}
	ticket := a.ticket(s, t, key, exempt, standing, now)
	err = a.flights.do(ctx, ticket.id, func(ctx context.Context) error { return a.compare(ctx, s, t, ticket) })
	if err == nil {
		t.connection.prove(key, t.direct)
		return Identity{User: t.user}, nil
	}
	t.connection.fail(key, t.direct)
	refusal := (*refusalError)(nil)
	switch {
	case errors.Is(err, htpasswd.ErrMismatch):
		return Identity{}, problem.Authenticate(s.realm).Because(t.refused(a.locked(s, ticket), false))
	case errors.As(err, &refusal):
		return Identity{}, a.turnAway(t, ticket, refusal)
	case ctx.Err() != nil:
		return Identity{}, fmt.Errorf("wait for the password to be verified: %w", ctx.Err())
	}
	return Identity{}, fmt.Errorf("verify password: %w", err)
}

// standing is how far the guard trusts an attempt, regardless of its password.
type standing struct {
	trusted bool // verified credentials skip the lockout
	suspect bool // the connection is one of a guesser
	waited  bool // the attempt got a turn, which counted what a refusal reveals
}

var errNoTurn = errors.New("too many attempts wait for their turn")

// standing returns the standing of an attempt. An immediate answer reveals whether previously
// verified credentials are right, so the guard limits how often one is given, and gives none on
// connections of guessers. Beyond the limit attempts take turns. The error is that of ctx.
func (a *Authenticator) standing(ctx context.Context, t attempt, key credential, now time.Time) (standing, error) {
	suspect := t.connection.suspect()
	switch {
	case t.connection.proves(key):
		return standing{trusted: true, suspect: suspect}, nil
	case suspect:
		return standing{suspect: true}, nil
	}
	address := t.client.Bucket()
	if a.guard.trusts(t.user, address, now) {
		return standing{trusted: true}, nil
	}
	err := a.turns.do(ctx, attemptID{key, address}, func(ctx context.Context) error {
		now := a.now()
		at, ok := a.guard.turn(t.user, address, now)
		if !ok || !pause(ctx, at.Sub(now)) {
			return errNoTurn
		}
		if was, _ := a.cache.recall(key, t.client.Addr, at); was.verified() {
			a.guard.proved(t.user, address)
		}
		return nil
	})
	if ctx.Err() != nil {
		return standing{}, ctx.Err()
	}
	return standing{trusted: err == nil, waited: err == nil}, nil
}

// ticket describes an attempt to the queue.
func (a *Authenticator) ticket(
	s *settings, t attempt, key credential, exempt bool, standing standing, now time.Time,
) *ticket {
	address := t.client.Bucket()
	known := a.signIns.familiar(address, now)
	c := &ticket{
		id: attemptID{key, address}, pair: a.guard.pair(t.user, address), address: address, network: t.client.network(),
		lockable: t.client.lockable(known), suspect: standing.suspect, mute: standing.waited || !standing.trusted,
	}
	if exempt {
		c.trust |= exactMatch
	}
	if known {
		c.trust |= familiar
	}
	hints := a.signIns.hints(t.user, t.account.hash, t.password, now)
	if hints && standing.trusted && !standing.suspect {
		c.trust |= hinted
	}
	if c.trust == 0 {
		if delay := a.guard.delay(s.lockout, t.user, now); delay > 0 {
			c.notBefore = now.Add(delay)
		}
	}
	return c
}

// turnAway returns the error for an attempt that the queue refused.
func (a *Authenticator) turnAway(t attempt, c *ticket, refusal *refusalError) error {
	if !refusal.again {
		a.guard.unseen(c, a.now())
	}
	if refusal.paced {
		a.stats.locked.Add(1)
		return problem.Slow(refusal.wait, "too many wrong passwords: wait before the next").Because(t.refused(true, true))
	}
	a.stats.turnedAway.Add(1)
	return problem.Slow(refusal.wait, "too many are signing in at once: try again shortly")
}

// compare waits for a slot, computes the hash and stores the outcome.
func (a *Authenticator) compare(ctx context.Context, s *settings, t attempt, c *ticket) error {
	release, err := a.queue.acquire(ctx, c)
	if err != nil {
		return err
	}
	defer release()
	// An attempt from another address may have been first.
	switch was, _ := a.cache.recall(c.id.key, t.client.Addr, a.now()); was {
	case good:
		return nil
	case bad:
		return htpasswd.ErrMismatch
	}
	err = a.hash(t.account.hash, t.password)
	if !t.account.known {
		err = htpasswd.ErrMismatch // the dummy comparison proves nothing
	} else if err != nil {
		for _, dummy := range t.account.pad {
			_ = a.hash(dummy, t.password) // takes as long as for any other user
		}
	}
	now := a.now()
	switch {
	case err == nil:
		a.cache.remember(c.id.key, good, now)
		a.guard.succeeded(s.lockout, c)
		a.signIns.verified(t.user, t.account.hash, t.password, now)
		a.signIns.welcome(c.address, now)
	case errors.Is(err, htpasswd.ErrMismatch):
		a.cache.remember(c.id.key, bad, now)
		a.failed(s, t, c)
	}
	return err
}

func (a *Authenticator) hash(hash []byte, password string) error {
	a.stats.hashes.Add(1)
	return a.verify(hash, []byte(password))
}

// failed counts a wrong password against its sender. It logs only names of existing users, because
// people type passwords into the wrong field.
func (a *Authenticator) failed(s *settings, t attempt, c *ticket) {
	a.stats.failed.Add(1)
	wait := a.guard.failed(s.lockout, t.user, c, c.id.key, a.now())
	if wait <= 0 {
		return
	}
	user := "(unknown)"
	if t.account.known {
		user = t.user
	}
	a.log.Warn("too many wrong passwords, further ones have to wait",
		"user", user, "remote", t.client.String(), "wait", wait.String())
}

// locked reports whether further attempts like this one have to wait.
func (a *Authenticator) locked(s *settings, c *ticket) bool {
	_, ofPair, ofAddress := a.guard.earliest(s.lockout, c, a.now())
	return min(ofPair, ofAddress) < unpaced
}

// earliest implements pacer.
func (a *Authenticator) earliest(t *ticket, now time.Time) (at time.Time, ofPair, ofAddress int) {
	return a.guard.earliest(a.settings.Load().lockout, t, now)
}

// begin implements pacer.
func (a *Authenticator) begin(t *ticket, now time.Time) {
	a.guard.begin(a.settings.Load().lockout, t, now)
}

// rank implements pacer.
func (a *Authenticator) rank(network string, now time.Time) int { return a.guard.rank(network, now) }
