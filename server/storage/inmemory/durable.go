package inmemory

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// edit is a directory entry that was set or, if is is nil, removed.
type edit struct {
	dir  *node
	name string
	is   *node
}

// op is an atomic operation: one edit, or the two of a rename.
type op []edit

// did records directory changes. The caller holds d.mu.
func (d *Disk) did(edits ...edit) {
	if d.ordered {
		d.journal = append(d.journal, edits)
	}
}

// commit makes all directory changes durable.
func (d *Disk) commit() {
	for _, o := range d.journal {
		for _, e := range o {
			e.apply(e.dir.synced)
		}
	}
	d.journal = nil
}

func (e edit) apply(entries map[string]*node) {
	if e.is == nil {
		delete(entries, e.name)
		return
	}
	entries[e.name] = e.is
}

// Sync implements disk.File. It makes the contents durable, and the name, too, if the disk
// journals.
func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.calls.Files++
	err := f.syncFile()
	if f.d.track {
		f.d.commit()
	}
	return err
}

// SyncData implements disk.File.
func (f *file) SyncData() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.calls.Data++
	return f.syncFile()
}

// SyncDir implements disk.Disk. It makes the entries durable, but not the contents of the files.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(name)
	if err != nil {
		return failed("sync", name, err)
	}
	d.calls.Dirs++
	switch {
	case d.ordered:
		d.commit()
	case d.track:
		n.sync()
	}
	return nil
}

// SyncAll implements disk.Disk.
func (d *Disk) SyncAll() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls.All++
	return d.syncAll()
}

// syncAll is SyncAll with d.mu held.
func (d *Disk) syncAll() error {
	if !d.track {
		return nil
	}
	if d.broken != nil || len(d.blocks.bad) > 0 {
		d.root.eachFile("", func(name string, n *node) {
			if d.refuses(name, n) {
				d.loseDirty(n)
			}
		})
	}
	d.root.syncTree()
	d.journal = nil
	if err := d.errs.check(&d.errsSeen); err != nil {
		return failed("sync", ".", err)
	}
	return nil
}

// Calls returns the number of syncs since the last call of Calls.
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
	n.syncedData = n.writeOut()
}

func (n *node) syncTree() {
	n.sync()
	for _, e := range n.entries {
		e.syncTree()
	}
}

// PowerCut returns the disk as a machine might find it after losing power now. Synced data
// survives. Unsynced entries survive at random, so later changes may survive without earlier ones,
// except on a journaling disk; contents may be complete, truncated, empty or zeros. A nil chance
// drops everything that was not synced.
func (d *Disk) PowerCut(chance *rand.Rand, boot string) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{capacity: d.capacity, track: d.track, ordered: d.ordered, now: d.now, boot: boot, volume: d.volume, inodes: d.inodes}
	c.blocks.bad, c.blocks.next = maps.Clone(d.blocks.bad), d.blocks.next
	names := func(n *node) map[string]*node { return n.entriesAfter(chance) }
	if d.ordered {
		names = d.ordering(chance)
	}
	c.root = c.survivor(d.root, chance, names, map[*node]*node{})
	return c
}

// ordering keeps a random prefix of the journal.
func (d *Disk) ordering(chance *rand.Rand) func(*node) map[string]*node {
	changed := map[*node]map[string]*node{}
	kept := 0
	if chance != nil {
		kept = chance.IntN(len(d.journal) + 1)
	}
	for _, o := range d.journal[:kept] {
		for _, e := range o {
			if changed[e.dir] == nil {
				if changed[e.dir] = maps.Clone(e.dir.synced); changed[e.dir] == nil {
					changed[e.dir] = map[string]*node{}
				}
			}
			e.apply(changed[e.dir])
		}
	}
	return func(n *node) map[string]*node {
		if entries, ok := changed[n]; ok {
			return entries
		}
		return n.synced
	}
}

// entriesAfter keeps or drops unsynced entries at random, independently of each other.
func (n *node) entriesAfter(chance *rand.Rand) map[string]*node {
	names := slices.Sorted(maps.Keys(n.entries))
	for name := range n.synced {
		if _, ok := n.entries[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	kept := map[string]*node{}
	for _, name := range names {
		is := n.synced[name]
		if now := n.entries[name]; now != is && chance != nil && chance.IntN(2) == 0 {
			is = now
		}
		if is != nil {
			kept[name] = is
		}
	}
	return kept
}

func (d *Disk) survivor(n *node, chance *rand.Rand, entries func(*node) map[string]*node, seen map[*node]*node) *node {
	if s, ok := seen[n]; ok {
		return s
	}
	s := &node{inode: n.inode, dir: n.dir, mod: n.mod, changed: n.changed, block: n.block, syncedOnce: true}
	seen[n] = s
	if !n.dir {
		s.syncedData = n.survivingData(chance)
		s.data, s.shared = slices.Clip(s.syncedData), true
		d.used += int64(len(s.data))
		return s
	}
	s.entries = map[string]*node{}
	kept := entries(n)
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if _, twice := seen[kept[name]]; twice && kept[name].dir {
			continue // half of a rename: a file system check leaves a directory one name
		}
		s.entries[name] = d.survivor(kept[name], chance, entries, seen)
	}
	s.synced = maps.Clone(s.entries)
	return s
}

// sector is the unit of atomic writes to a device, in bytes.
const sector = 512

func (n *node) survivingData(chance *rand.Rand) []byte {
	if chance == nil || bytes.Equal(n.data, n.syncedData) {
		return slices.Clone(n.syncedData)
	}
	if len(n.data) == len(n.syncedData) { // overwritten in place: each sector is old or new
		out := slices.Clone(n.data)
		for at := 0; at < len(out); at += sector {
			if chance.IntN(2) == 0 {
				copy(out[at:min(at+sector, len(out))], n.syncedData[at:])
			}
		}
		return out
	}
	switch chance.IntN(4) {
	case 0:
		return slices.Clone(n.data)
	case 1:
		return slices.Clone(n.syncedData)
	case 2: // the size was written, but not the bytes
		out := make([]byte, len(n.data))
		copy(out, n.syncedData)
		return out
	default: // torn
		return slices.Clone(n.data[:chance.IntN(len(n.data)+1)])
	}
}
