package record

import (
	"container/list"
	"sync"
)

// memory is an LRU cache with a maximum size in bytes.
type memory struct {
	mu    sync.Mutex
	most  int64
	size  int64
	order *list.List // of *remembered, most recently used first
	byKey map[string]*list.Element
}

type remembered struct {
	key   string
	value any
	size  int64
}

func newMemory(most int64) *memory {
	return &memory{most: most, order: list.New(), byKey: map[string]*list.Element{}}
}

// get returns a value, or nil.
func (m *memory) get(key string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	element, ok := m.byKey[key]
	if !ok {
		return nil
	}
	m.order.MoveToFront(element)
	return entry(element).value
}

// put stores a value of about size bytes. It ignores a value larger than half of the cache.
func (m *memory) put(key string, value any, size int64) {
	size += 256 // overhead of an entry
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.byKey[key])
	if size > m.most/2 {
		return
	}
	m.byKey[key] = m.order.PushFront(&remembered{key, value, size})
	m.size += size
	for m.size > m.most {
		m.drop(m.order.Back())
	}
}

// remove removes a value.
func (m *memory) remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.byKey[key])
}

// Remembered returns a value that was passed to Remember, or nil if it was evicted.
func (r *Records) Remembered(key string) any { return r.memory.get(key) }

// Remember keeps a value of about size bytes in memory until it is evicted.
func (r *Records) Remember(key string, value any, size int64) { r.memory.put(key, value, size) }

func (m *memory) drop(element *list.Element) {
	if element == nil {
		return
	}
	e := entry(element)
	m.size -= e.size
	delete(m.byKey, e.key)
	m.order.Remove(element)
}

func entry(element *list.Element) *remembered { return element.Value.(*remembered) } //nolint:forcetypeassert // nothing else is in it
