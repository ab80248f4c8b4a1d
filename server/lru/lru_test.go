package lru_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"packhouse/server/lru"
)

func TestMapEvictsLeastRecentlyUsed(t *testing.T) {
	m := lru.NewMap[string, int](2)
	m.Put("a", 1)
	*m.Put("b", 2) = 20
	m.Get("a")
	m.Put("c", 3)
	if _, ok := m.Get("b"); ok || m.Len() != 2 {
		t.Errorf("b is kept among %d entries", m.Len())
	}
	m.Put("a", 10)
	var order []string
	m.Each(func(key string, value int) { order = append(order, fmt.Sprint(key, value)) })
	if want := []string{"c3", "a10"}; !slices.Equal(order, want) {
		t.Errorf("entries %v, want %v", order, want)
	}
	m.Remove("a")
	m.Remove("a")
	if _, ok := m.Get("a"); ok {
		t.Error("a is kept after Remove")
	}
}

func TestCacheIsBoundedByWeight(t *testing.T) {
	c := lru.NewCache[string, string](10, 6)
	// kept lists the keys in the cache. It uses them in alphabetical order, so the first one is the
	// next to be evicted.
	kept := func() (keys string) {
		for key := 'a'; key <= 'i'; key++ {
			if value, ok := c.Get(string(key)); ok && value == "value of "+string(key) {
				keys += string(key)
			}
		}
		return keys
	}
	for _, put := range []struct {
		key    string
		weight int64
		want   string // keys afterwards
	}{
		{"a", 4, "a"},
		{"b", 4, "ab"},
		{"c", 4, "bc"},  // evicts a
		{"b", 1, "bc"},  // replaces b
		{"d", 6, "cd"},  // evicts b
		{"e", 7, "cd"},  // is too heavy
		{"d", 7, "c"},   // is too heavy, and the old value is outdated
		{"f", 5, "cf"},  // 9 in total
		{"g", 4, "fg"},  // evicts c
		{"h", 1, "fgh"}, // 10 in total, the limit
		{"i", 6, "hi"},  // evicts f and g
		{"h", 4, "hi"},  // replaces h; 10 in total
		{"z", 0, "hi"},  // weighs nothing
	} {
		c.Put(put.key, "value of "+put.key, put.weight)
		if got := kept(); got != put.want {
			t.Fatalf("after %s of weight %d: %s, want %s", put.key, put.weight, got, put.want)
		}
	}
	c.Remove("i")
	c.Remove("i")
	c.Put("a", "value of a", 6)
	if got := kept(); got != "ah" {
		t.Errorf("after Remove of i: %s, want ah", got)
	}
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	c := lru.NewCache[int, int](100, 50)
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := range 1000 {
				key := (i*7 + worker) % 30
				c.Put(key, key, int64(key%9))
				if value, ok := c.Get(key); ok && value != key {
					t.Errorf("%d has the value %d", key, value)
				}
				c.Remove((key + 1) % 30)
			}
		})
	}
	workers.Wait()
}
