package auth

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"
)

// ProbeLife is how long a probe identity works.
const ProbeLife = time.Minute

// mostProbes bounds how many are alive at once; those that end first are dropped.
const mostProbes = 64

// Probes hands out identities for local checks: each has a role, works for a minute, in the repositories below packhouse-probe only, and is
// known to nobody but this process. A wrong password for one of them counts against nobody.
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

// Issue makes an identity.
func (p *Probes) Issue(role Role) (user, password string) {
	user = ProbeRepositories + "-" + strings.ToLower(rand.Text())
	password = rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire()
	p.alive[user] = probe{password, role, p.now().Add(ProbeLife)}
	return user, password
}

// identify tells whether a user name is one of a probe, and if so whose.
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

// expire drops what has ended, and the oldest where there are too many.
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
