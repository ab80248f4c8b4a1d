package auth

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

// How long credentials are remembered, and how many.
const (
	slidingLife = 15 * time.Minute // after the last use
	hardLife    = 12 * time.Hour   // after the comparison
	mostGood    = 10_000
	mostBad     = 10_000
)

// verdict is what is known of credentials.
type verdict uint8

const (
	unknown verdict = iota
	good
	bad
	lapsed // were right, with the hash that is in the file now, but too long ago
)

// credential stands for user, stored hash and password: a keyed hash of the three. The key is random and this process's own, so it tells
// nothing to whoever reads the memory afterwards; and as it includes the stored hash, it is another one once that changes.
type credential [sha256.Size]byte

// memory remembers credentials.
type memory struct {
	macs sync.Pool

	mu   sync.Mutex
	good lru[credential, used]
	bad  lru[credential, used]
}

type used struct {
	since, last time.Time
	from        netip.Addr // of the last use
}

func newMemory() *memory {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return &memory{
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		good: newLRU[credential, used](mostGood),
		bad:  newLRU[credential, used](mostBad),
	}
}

// key makes the credential. Each field goes in with its length before it, so that no two triples run together.
func (m *memory) key(user string, stored []byte, password string) credential {
	mac := m.macs.Get().(hash.Hash)
	defer m.macs.Put(mac)
	mac.Reset()
	buf := make([]byte, 0, 192)
	buf = appendField(buf, user)
	buf = appendField(buf, string(stored))
	buf = appendField(buf, password)
	mac.Write(buf)
	var c credential
	mac.Sum(c[:0])
	clear(buf)
	return c
}

func appendField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// recall returns what is known of credentials, and prolongs it. moved tells that good ones come from another address than last time.
func (m *memory) recall(c credential, from netip.Addr, now time.Time) (v verdict, moved bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.good.get(c); ok {
		if !u.alive(now) {
			return lapsed, false
		}
		moved = u.from != from
		u.last, u.from = now, from
		return good, moved
	}
	if u, ok := m.bad.get(c); ok && u.alive(now) {
		u.last = now
		return bad, false
	}
	return unknown, false
}

func (m *memory) remember(c credential, v verdict, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v == good {
		m.bad.remove(c)
		m.good.put(c, used{since: now, last: now})
		return
	}
	m.good.remove(c)
	m.bad.put(c, used{since: now, last: now})
}

func (u used) alive(now time.Time) bool {
	return now.Sub(u.last) < slidingLife && now.Sub(u.since) < hardLife
}

// lru is a map of bounded size which forgets what was not used for longest. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   *list.List // most recently used first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) lru[K, V] {
	return lru[K, V]{most: most, entries: map[K]*list.Element{}, order: list.New()}
}

// get returns the value to read and change in place.
func (l *lru[K, V]) get(k K) (*V, bool) {
	e, ok := l.entries[k]
	if !ok {
		return nil, false
	}
	l.order.MoveToFront(e)
	return &e.Value.(*lruEntry[K, V]).value, true
}

func (l *lru[K, V]) put(k K, v V) *V {
	if old, ok := l.get(k); ok {
		*old = v
		return old
	}
	entry := &lruEntry[K, V]{k, v}
	l.entries[k] = l.order.PushFront(entry)
	if l.order.Len() > l.most {
		l.remove(l.order.Back().Value.(*lruEntry[K, V]).key)
	}
	return &entry.value
}

func (l *lru[K, V]) remove(k K) {
	if e, ok := l.entries[k]; ok {
		l.order.Remove(e)
		delete(l.entries, k)
	}
}
