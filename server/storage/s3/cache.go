package s3

import (
	"container/list"
	"sync"

	"packhouse/server/storage"
)

// mostRemembered bounds the caches keyed by digest, in entries.
const mostRemembered = 64 << 10

// overhead is the estimated memory of a cache entry besides its content, in bytes.
const overhead = 512

// cachedManifest is a manifest whose content matches its digest. It does not say which repositories
// contain it.
type cachedManifest struct{ stored storage.Stored }

// cache is an LRU cache bounded by total weight.
type cache[V any] struct {
	mu    sync.Mutex
	limit int64
	total int64
	order *list.List // most recently used first
	by    map[string]*list.Element
}

type cacheEntry[V any] struct {
	key    string
	value  V
	weight int64
}

func newCache[V any](limit int64) *cache[V] {
	return &cache[V]{limit: limit, order: list.New(), by: map[string]*list.Element{}}
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cacheEntry[V]).value, true
}

func (c *cache[V]) put(key string, v V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if weight > c.limit/4+1 {
		return // one entry must not evict all others
	}
	c.remove(key)
	c.by[key] = c.order.PushFront(&cacheEntry[V]{key, v, weight})
	c.total += weight
	for c.total > c.limit {
		c.remove(c.order.Back().Value.(*cacheEntry[V]).key)
	}
}

func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

func (c *cache[V]) remove(key string) {
	e, ok := c.by[key]
	if !ok {
		return
	}
	delete(c.by, key)
	c.order.Remove(e)
	c.total -= e.Value.(*cacheEntry[V]).weight
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
