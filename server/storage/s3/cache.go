package s3

import (
	"sync"

	"packhouse/server/lru"
	"packhouse/server/storage"
)

// mostRemembered bounds the caches keyed by digest, in entries.
const mostRemembered = 64 << 10

// overhead is the estimated memory of a cache entry besides its content, in bytes.
const overhead = 512

// cachedManifest is a manifest whose content matches its digest. It does not say which repositories
// contain it.
type cachedManifest struct{ stored storage.Stored }

// newCache returns a cache of a total weight. One entry never evicts all others.
func newCache[V any](limit int64) *lru.Cache[string, V] {
	return lru.NewCache[string, V](limit, limit/4+1)
}

// keyLocks are mutexes by name, for conflicts within this process.
type keyLocks struct {
	mu sync.Mutex
	by map[string]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

// lock locks the mutex of a name.
func (l *keyLocks) lock(name string) (unlock func()) {
	l.mu.Lock()
	if l.by == nil {
		l.by = map[string]*keyLock{}
	}
	k := l.by[name]
	if k == nil {
		k = &keyLock{}
		l.by[name] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.by, name)
		}
	}
}
