package auth

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"
)

// ProbeLife is the lifetime of a probe identity.
const ProbeLife = time.Minute

// mostProbes bounds the number of live identities; those that expire first are dropped.
const mostProbes = 64

// Probes issues identities for local checks. Each has a role, is valid for a minute and only in
// repositories below packhouse-probe, and is known only to this process. Wrong passwords for them
// are not counted.
type Probes struct {
	now func() time.Time

	mu    sync.Mutex
	alive map[string]probe
}

type probe struct {
	password string
	role     Role
	ends     time.Time
}

var errProbe = errors.New("wrong password of a probe identity")

func newProbes(now func() time.Time) *Probes { return &Probes{now: now, alive: map[string]probe{}} }

// Issue creates an identity.
func (p *Probes) Issue(role Role) (user, password string) {
	user = ProbeRepositories + "-" + strings.ToLower(rand.Text())
	password = rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire()
	p.alive[user] = probe{password, role, p.now().Add(ProbeLife)}
	return user, password
}

// identify returns the probe identity with that user name. found reports whether it exists; the
// error, whether the password is wrong.
func (p *Probes) identify(user, password string) (id Identity, found bool, err error) {
	if !strings.HasPrefix(user, ProbeRepositories+"-") {
		return Identity{}, false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.alive[user]
	switch {
	case !ok || !p.now().Before(known.ends):
		return Identity{}, false, nil
	case !same(password, known.password):
		return Identity{}, true, errProbe
	}
	return Identity{User: user, Probe: true, Role: known.role}, true, nil
}

// expire drops expired identities, and the oldest if there are too many.
func (p *Probes) expire() {
	now := p.now()
	for user, known := range p.alive {
		if !now.Before(known.ends) {
			delete(p.alive, user)
		}
	}
	for len(p.alive) >= mostProbes {
		var oldest string
		for user, known := range p.alive {
			if oldest == "" || known.ends.Before(p.alive[oldest].ends) {
				oldest = user
			}
		}
		delete(p.alive, oldest)
	}
}
