package acme

import (
	"path/filepath"
	"testing"
	"time"

	"packhouse/certgen"
)

// TestTakeKeepsTheValid verifies that a certificate from the cache never replaces a valid one while it
// is itself expired or not valid yet, whichever directory signed it.
func TestTakeKeepsTheValid(t *testing.T) {
	now := time.Now()
	m := newManager(t, newFakeCA(t), Options{
		Cache: Directory(filepath.Join(t.TempDir(), "cache")), Hosts: []string{host}, Now: func() time.Time { return now },
	})
	pair := func(start time.Time, days int) *certgen.Pair {
		names, err := certgen.ParseNames([]string{host})
		if err != nil {
			t.Fatal(err)
		}
		p, err := certgen.NewSelfSigned(certgen.LeafOptions{Names: names, Now: start, Days: days})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const day = 24 * time.Hour
	valid := pair(now.Add(-day), 30)
	for _, test := range []struct {
		name   string
		next   *certgen.Pair
		better bool
		taken  bool
	}{
		{"longer", pair(now.Add(-day), 60), false, true},
		{"shorter", pair(now.Add(-day), 10), false, false},
		{"shorter, from the right directory", pair(now.Add(-day), 10), true, true},
		{"not valid yet", pair(now.Add(10*day), 60), false, false},
		{"expired, from the right directory", pair(now.Add(-20*day), 10), true, false},
	} {
		n := m.names[0]
		n.serving.Store(served(valid))
		m.take(t.Context(), n, test.next, test.better)
		if taken := n.serving.Load().Leaf.Equal(test.next.Leaf()); taken != test.taken {
			t.Errorf("%s: taken %t, want %t", test.name, taken, test.taken)
		}
	}
}
