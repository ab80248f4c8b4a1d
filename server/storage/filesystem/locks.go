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

// locks keep garbage collection and pushes of the same digest apart, and serialize moves of a tag.
// Digests share stripes, so lock several digests only with many, which orders them. Acquire digest
// locks before tag locks.
type locks struct {
	seed    maphash.Seed
	digests [digestStripes]sync.RWMutex
	tags    [tagStripes]sync.Mutex
}

func (l *locks) stripe(d digest.Digest) int {
	return int(maphash.String(l.seed, string(d)) % digestStripes)
}

// exclusive locks a digest to create or remove its content.
func (l *locks) exclusive(d digest.Digest) (unlock func()) {
	m := &l.digests[l.stripe(d)]
	m.Lock()
	return m.Unlock
}

// shared locks a digest to keep its content from being removed.
func (l *locks) shared(d digest.Digest) (unlock func()) {
	m := &l.digests[l.stripe(d)]
	m.RLock()
	return m.RUnlock
}

// many locks one digest exclusively and others shared, without deadlocks.
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

// tag locks tags of a repository.
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
