package inmemory

import (
	"strconv"
	"sync/atomic"
)

// blocks are the blocks of the device below a Disk. A file has one block, regardless of its size.
// The zero value has no bad blocks.
type blocks struct {
	bad  map[int]struct{}
	free []int // of removed files; the block freed last is allocated first
	next int
}

// allocate returns a block for a new file.
func (b *blocks) allocate() int {
	if n := len(b.free); n > 0 {
		block := b.free[n-1]
		b.free = b.free[:n-1]
		return block
	}
	b.next++
	return b.next
}

func (b *blocks) spoil(block int) {
	if b.bad == nil {
		b.bad = map[int]struct{}{}
	}
	b.bad[block] = struct{}{}
}

// release frees the block of a file that lost its name. The caller holds d.mu.
func (d *Disk) release(n *node) {
	if n != nil && !n.dir {
		d.blocks.free = append(d.blocks.free, n.block)
	}
}

// refuses reports whether the device refuses the pages of a file. The caller holds d.mu.
func (d *Disk) refuses(name string, n *node) bool {
	_, bad := d.blocks.bad[n.block]
	return bad || d.broken != nil && d.broken(name)
}

// SpoilBlock makes the block of a file unwritable until Mend: its next sync fails once per
// descriptor, and the pages are lost. The same bytes in another file are not affected.
func (d *Disk) SpoilBlock(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(name)
	if err != nil {
		return failed("spoil block of", name, err)
	}
	d.blocks.spoil(n.block)
	return nil
}

// SpoilFree makes every free block, and the next n blocks never used, unwritable until Mend.
func (d *Disk) SpoilFree(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.blocks.free {
		d.blocks.spoil(b)
	}
	for b := range n {
		d.blocks.spoil(d.blocks.next + 1 + b)
	}
}

// Mend makes every block writable again.
func (d *Disk) Mend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks.bad = nil
}

// SyncElsewhere syncs everything like another process, to which the errors are reported.
func (d *Disk) SyncElsewhere() {
	d.mu.Lock()
	defer d.mu.Unlock()
	since := d.errsSeen
	d.errsSeen = d.errs.sample()
	_ = d.syncAll()
	d.errsSeen = since
}

// NewProcess makes the disk behave as if the owning process was killed and another one opened the
// directory: SyncAll does not return errors that were reported to another process.
func (d *Disk) NewProcess() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errsSeen = d.errs.sample()
}

var volumes atomic.Uint64

// newVolume returns an identity for a file system.
func newVolume() string { return "memory-" + strconv.FormatUint(volumes.Add(1), 10) }
