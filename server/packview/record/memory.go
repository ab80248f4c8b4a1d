package record

import "packhouse/server/lru"

// overhead is the estimated memory of a remembered value besides its content, in bytes.
const overhead = 256

// memory is a cache with a maximum size in bytes. It ignores a value larger than half of that.
type memory struct{ cache *lru.Cache[string, any] }

func newMemory(limit int64) memory { return memory{lru.NewCache[string, any](limit, limit/2)} }

// get returns a value, or nil.
func (m memory) get(key string) any {
	value, _ := m.cache.Get(key)
	return value
}

// put stores a value of about size bytes.
func (m memory) put(key string, value any, size int64) { m.cache.Put(key, value, size+overhead) }

// remove removes a value.
func (m memory) remove(key string) { m.cache.Remove(key) }

// Remembered returns a value that was passed to Remember, or nil if it was evicted.
func (r *Records) Remembered(key string) any { return r.memory.get(key) }

// Remember keeps a value of about size bytes in memory until it is evicted.
func (r *Records) Remember(key string, value any, size int64) { r.memory.put(key, value, size) }
