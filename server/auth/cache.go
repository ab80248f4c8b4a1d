package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"

	"packhouse/server/lru"
)

// Lifetimes and size of the credentials cache.
const (
	slidingLife = 15 * time.Minute // after the last use
	hardLife    = 12 * time.Hour   // after the comparison
	mostGood    = 10_000
	mostBad     = 10_000
)

// verdict is the cached result for credentials.
type verdict uint8

const (
	unknown verdict = iota
	good
	bad
	lapsed // verified against the hash that the file still holds, but past its lifetime
)

// verified reports whether these credentials were right the last time they were compared.
func (v verdict) verified() bool { return v == good || v == lapsed }

// credential is a keyed hash of a user, a stored hash and a password. The key is random and never
// leaves the process, so a leaked credential reveals nothing. A changed stored hash yields a
// different credential.
type credential [sha256.Size]byte

// cache is the credentials cache. Right credentials that have expired stay as lapsed ones until
// others evict them.
type cache struct {
	macs sync.Pool

	mu   sync.Mutex
	good lru.Map[credential, used]
	bad  lru.Map[credential, used]
}

type used struct {
	since, last time.Time
	from        netip.Addr // of the last use
}

func newCache() *cache {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return &cache{
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		good: lru.NewMap[credential, used](mostGood),
		bad:  lru.NewMap[credential, used](mostBad),
	}
}

// key returns the credential of a user, a stored hash and a password.
func (m *cache) key(user string, stored []byte, password string) credential {
	mac := m.macs.Get().(hash.Hash)
	defer m.macs.Put(mac)
	var c credential
	sumFields(mac, c[:0], user, string(stored), password)
	return c
}

// sumFields appends the MAC of fields to sum. A length precedes each field, so that no two lists of
// fields run together.
func sumFields(mac hash.Hash, sum []byte, fields ...string) []byte {
	mac.Reset()
	buf := make([]byte, 0, 256)
	for _, f := range fields {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(f)))
		buf = append(buf, f...)
	}
	mac.Write(buf)
	clear(buf)
	return mac.Sum(sum)
}

// recall returns the cached verdict and extends its sliding lifetime. moved reports whether good
// credentials come from a different address than last time.
func (m *cache) recall(c credential, from netip.Addr, now time.Time) (v verdict, moved bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.good.Get(c); ok {
		if !u.alive(now) {
			return lapsed, false
		}
		moved = u.from != from
		u.last, u.from = now, from
		return good, moved
	}
	if u, ok := m.bad.Get(c); ok && u.alive(now) {
		u.last = now
		return bad, false
	}
	return unknown, false
}

// remember stores the outcome of a comparison.
func (m *cache) remember(c credential, v verdict, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v == good {
		m.bad.Remove(c)
		m.good.Put(c, used{since: now, last: now})
		return
	}
	m.good.Remove(c)
	m.bad.Put(c, used{since: now, last: now})
}

func (u used) alive(now time.Time) bool {
	return now.Sub(u.last) < slidingLife && now.Sub(u.since) < hardLife
}
