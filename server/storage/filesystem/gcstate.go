package filesystem

import (
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// mostNoted bounds the memory of what is used while a collection runs; beyond it that collection stops.
const mostNoted = 1 << 20

// gcState is what pushes tell a running collection: digests that were used after it may have looked.
type gcState struct {
	running atomic.Bool
	turn    chan struct{} // one collection at a time

	mu       sync.Mutex
	noted    map[digest.Digest]struct{}
	overflow bool
}

// note says that digests are in use. Called under their locks, after the change that uses them and before its answer.
func (g *gcState) note(ds ...digest.Digest) {
	if !g.running.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range ds {
		if d != "" && g.noted != nil {
			g.noted[d] = struct{}{}
		}
	}
	if len(g.noted) > mostNoted {
		g.overflow = true
	}
}

func (g *gcState) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noted, g.overflow = map[digest.Digest]struct{}{}, false
	g.running.Store(true)
}

func (g *gcState) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running.Store(false)
	g.noted = nil
}

// used tells whether a digest was noted since the collection began, and whether too many were to know. Called under its lock.
func (g *gcState) used(d digest.Digest) (noted, overflow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, noted = g.noted[d]
	return noted, g.overflow
}
