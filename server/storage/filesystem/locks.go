package filesystem

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

const (
	digestStripes = 1024
	tagStripes    = 256
)

// locks keep collection and pushes apart, digest by digest, and tags from being moved twice at once. Digests share stripes, so nobody may
// take two of them but through many, which takes them in order. Digest locks come before tag locks.
type locks struct {
	seed    maphash.Seed
	digests [digestStripes]sync.RWMutex
	tags    [tagStripes]sync.Mutex
}

func (l *locks) stripe(d digest.Digest) int {
	return int(maphash.String(l.seed, string(d)) % digestStripes)
}

// exclusive is for whoever makes content appear or vanish.
func (l *locks) exclusive(d digest.Digest) (unlock func()) {
	m := &l.digests[l.stripe(d)]
	m.Lock()
	return m.Unlock
}

// shared is for whoever relies on content to stay.
func (l *locks) shared(d digest.Digest) (unlock func()) {
	m := &l.digests[l.stripe(d)]
	m.RLock()
	return m.RUnlock
}

// many takes one digest exclusively and others shared, without a deadlock.
func (l *locks) many(own digest.Digest, others []digest.Digest) (unlock func()) {
	mine := l.stripe(own)
	order := make([]int, 0, len(others)+1)
	order = append(order, mine)
	for _, d := range others {
		order = append(order, l.stripe(d))
	}
	slices.Sort(order)
	order = slices.Compact(order)
	for _, i := range order {
		if i == mine {
			l.digests[i].Lock()
		} else {
			l.digests[i].RLock()
		}
	}
	return func() {
		for _, i := range order {
			if i == mine {
				l.digests[i].Unlock()
			} else {
				l.digests[i].RUnlock()
			}
		}
	}
}

// tag locks tags of one repository.
func (l *locks) tag(repo string, names ...string) (unlock func()) {
	order := make([]int, 0, len(names))
	for _, n := range names {
		order = append(order, int(maphash.String(l.seed, repo+":"+n)%tagStripes))
	}
	slices.Sort(order)
	order = slices.Compact(order)
	for _, i := range order {
		l.tags[i].Lock()
	}
	return func() {
		for _, i := range order {
			l.tags[i].Unlock()
		}
	}
}
