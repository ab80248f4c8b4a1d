package filesystem

import (
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// mostNoted bounds the digests recorded during a collection. If there are more, the collection
// stops.
const mostNoted = 1 << 20

// gcState records for a running collection which digests were used since it began.
type gcState struct {
	running atomic.Bool
	turn    chan struct{} // serializes collections

	mu       sync.Mutex
	noted    map[digest.Digest]struct{}
	overflow bool
}

// note records that digests are in use. It is called under their locks, after the change that uses
// them and before its acknowledgement.
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

// used reports whether a digest was noted since the collection began, and whether there were too
// many to record. The caller holds its lock.
func (g *gcState) used(d digest.Digest) (noted, overflow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, noted = g.noted[d]
	return noted, g.overflow
}
