package inmemory

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Sync implements disk.File: the contents are durable, the name is not.
func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.calls.Files++
	if f.d.track {
		f.n.sync()
	}
	return nil
}

// SyncDir implements disk.Disk: the entries are durable, not what they name.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(name)
	if err != nil {
		return failed("sync", name, err)
	}
	d.calls.Dirs++
	if d.track {
		n.sync()
	}
	return nil
}

// SyncAll implements disk.Disk.
func (d *Disk) SyncAll() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls.All++
	if d.track {
		d.root.syncTree()
	}
	return nil
}

// Calls returns how often durability was asked for since the last call of Calls.
func (d *Disk) Calls() Calls {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.calls
	d.calls = Calls{}
	return c
}

func (n *node) sync() {
	n.syncedOnce = true
	if n.dir {
		n.synced = maps.Clone(n.entries)
		return
	}
	n.syncedData = slices.Clone(n.data)
}

func (n *node) syncTree() {
	n.sync()
	for _, e := range n.entries {
		e.syncTree()
	}
}

// PowerCut returns the disk as a machine might find it that lost power now. What was synced is there. Of what was not, chance keeps some and
// drops some, entry by entry, so that later changes may be there without earlier ones; contents may be whole, cut, empty or zeros.
// A nil chance drops everything that was not synced.
func (d *Disk) PowerCut(chance *rand.Rand, boot string) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{capacity: d.capacity, track: d.track, now: d.now, boot: boot, inodes: d.inodes}
	c.root = c.survivor(d.root, chance, map[*node]*node{})
	return c
}

func (d *Disk) survivor(n *node, chance *rand.Rand, seen map[*node]*node) *node {
	if s, ok := seen[n]; ok {
		return s
	}
	s := &node{inode: n.inode, dir: n.dir, mod: n.mod, changed: n.changed, syncedOnce: true}
	seen[n] = s
	if !n.dir {
		s.data = n.survivingData(chance)
		s.syncedData = slices.Clone(s.data)
		d.used += int64(len(s.data))
		return s
	}
	s.entries = map[string]*node{}
	names := slices.Sorted(maps.Keys(n.entries))
	for name := range n.synced {
		if _, ok := n.entries[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		kept := n.synced[name]
		if now := n.entries[name]; now != kept && chance != nil && chance.IntN(2) == 0 {
			kept = now
		}
		if kept != nil {
			s.entries[name] = d.survivor(kept, chance, seen)
		}
	}
	s.synced = maps.Clone(s.entries)
	return s
}

func (n *node) survivingData(chance *rand.Rand) []byte {
	if chance == nil || slices.Equal(n.data, n.syncedData) {
		return slices.Clone(n.syncedData)
	}
	switch chance.IntN(4) {
	case 0:
		return slices.Clone(n.data)
	case 1:
		return slices.Clone(n.syncedData)
	case 2: // the size arrived, the bytes did not
		out := make([]byte, len(n.data))
		copy(out, n.syncedData)
		return out
	default: // torn
		return slices.Clone(n.data[:chance.IntN(len(n.data)+1)])
	}
}
