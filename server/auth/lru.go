package auth

import "container/list"

// lru is a map of bounded size that evicts the least recently used entry. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   *list.List // most recently used first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) lru[K, V] {
	return lru[K, V]{most: most, entries: map[K]*list.Element{}, order: list.New()}
}

// get returns a pointer to the value, which the caller may modify.
func (l *lru[K, V]) get(k K) (*V, bool) {
	e, ok := l.entries[k]
	if !ok {
		return nil, false
	}
	l.order.MoveToFront(e)
	return &e.Value.(*lruEntry[K, V]).value, true
}

// put stores a value and returns a pointer to it, which is valid until the entry is evicted.
func (l *lru[K, V]) put(k K, v V) *V {
	if old, ok := l.get(k); ok {
		*old = v
		return old
	}
	entry := &lruEntry[K, V]{k, v}
	l.entries[k] = l.order.PushFront(entry)
	if l.order.Len() > l.most {
		l.remove(l.order.Back().Value.(*lruEntry[K, V]).key)
	}
	return &entry.value
}

func (l *lru[K, V]) remove(k K) {
	if e, ok := l.entries[k]; ok {
		l.order.Remove(e)
		delete(l.entries, k)
	}
}

// each calls f for every entry, the least recently used first, without changing the order.
func (l *lru[K, V]) each(f func(K, V)) {
	for e := l.order.Back(); e != nil; e = e.Prev() {
		entry := e.Value.(*lruEntry[K, V])
		f(entry.key, entry.value)
	}
}
