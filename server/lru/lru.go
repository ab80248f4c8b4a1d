// Package lru has caches that evict the least recently used entries: bounded by the number of
// entries, or by their total weight.
package lru

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Map is a map with a maximum number of entries. It is not safe for concurrent use.
type Map[K comparable, V any] struct {
	entries *simplelru.LRU[K, *V]
}

// NewMap returns a Map of at most limit entries, which must be positive.
func NewMap[K comparable, V any](limit int) Map[K, V] {
	return Map[K, V]{newLRU[K, *V](limit)}
}

// Get returns a pointer to the value of a key, which the caller may modify, and makes the entry the
// most recently used one.
func (m Map[K, V]) Get(key K) (*V, bool) { return m.entries.Get(key) }

// Put stores a value and returns a pointer to it, which the caller may modify until the entry is
// evicted.
func (m Map[K, V]) Put(key K, value V) *V {
	if old, ok := m.entries.Get(key); ok {
		*old = value
		return old
	}
	m.entries.Add(key, &value)
	return &value
}

// Remove removes an entry, if it exists.
func (m Map[K, V]) Remove(key K) { m.entries.Remove(key) }

// Len returns the number of entries.
func (m Map[K, V]) Len() int { return m.entries.Len() }

// Each calls f for every entry, the least recently used first. It does not change the order.
func (m Map[K, V]) Each(f func(K, V)) {
	for _, key := range m.entries.Keys() {
		if value, ok := m.entries.Peek(key); ok {
			f(key, *value)
		}
	}
}

// Cache is a map with a maximum total weight. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu      sync.Mutex
	limit   int64
	most    int64
	total   int64
	entries *simplelru.LRU[K, weighted[V]]
}

type weighted[V any] struct {
	value  V
	weight int64
}

// NewCache returns a cache of at most limit. It ignores values whose weight exceeds most, so that one
// entry does not evict all others.
func NewCache[K comparable, V any](limit, most int64) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, most: most, entries: newLRU[K, weighted[V]](math.MaxInt)}
}

// Get returns the value of a key and makes the entry the most recently used one.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries.Get(key)
	return entry.value, ok
}

// Put replaces the value of a key and evicts the least recently used entries above the limit.
func (c *Cache[K, V]) Put(key K, value V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if weight > c.most {
		return
	}
	c.entries.Add(key, weighted[V]{value, weight})
	for c.total += weight; c.total > c.limit; {
		_, oldest, ok := c.entries.RemoveOldest()
		if !ok {
			return
		}
		c.total -= oldest.weight
	}
}

// Remove removes an entry, if it exists.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

func (c *Cache[K, V]) remove(key K) {
	if old, ok := c.entries.Peek(key); ok {
		c.total -= old.weight
		c.entries.Remove(key)
	}
}

// newLRU returns an LRU without a callback. Its only error is a limit that is not positive.
func newLRU[K comparable, V any](limit int) *simplelru.LRU[K, V] {
	entries, err := simplelru.NewLRU[K, V](limit, nil)
	if err != nil {
		panic(err) // limits are constants
	}
	return entries
}
