package filesystem

import (
	"container/list"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// lru is a map bounded by total weight that evicts the least recently used entries.
type lru[K comparable, V any] struct {
	mu     sync.Mutex
	most   int64
	weight int64
	by     map[K]*list.Element
	order  list.List // front: most recently used
}

type lruEntry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newLRU[K comparable, V any](most int64) *lru[K, V] {
	return &lru[K, V]{most: most, by: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.by[k]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

func (l *lru[K, V]) put(k K, v V, weight int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(k)
	if weight > l.most {
		return
	}
	l.by[k] = l.order.PushFront(&lruEntry[K, V]{k, v, weight})
	for l.weight += weight; l.weight > l.most; {
		l.remove(l.order.Back().Value.(*lruEntry[K, V]).key)
	}
}

func (l *lru[K, V]) drop(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(k)
}

func (l *lru[K, V]) remove(k K) {
	if e, ok := l.by[k]; ok {
		l.weight -= e.Value.(*lruEntry[K, V]).weight
		l.order.Remove(e)
		delete(l.by, k)
	}
}

// manifestCache caches manifests by digest. Each use is validated with a stat of the data.
type manifestCache struct {
	*lru[digest.Digest, cachedManifest]
}

type cachedManifest struct {
	stored storage.Stored
	info   disk.Info
}

func newManifestCache(bytes int64) *manifestCache {
	return &manifestCache{newLRU[digest.Digest, cachedManifest](bytes)}
}

// overhead is the estimated memory of an entry besides its content, in bytes.
const overhead = 400

// pointerCache caches what tags point to. Each use is validated with a stat of the link.
type pointerCache struct {
	*lru[pointerKey, pointer]
}

type pointerKey struct{ repo, tag string }

type pointer struct {
	digest digest.Digest
	info   disk.Info
}

// pointers is how many tags are cached, in about 2 MiB.
const pointers = 4096

func newPointerCache() *pointerCache { return &pointerCache{newLRU[pointerKey, pointer](pointers)} }
