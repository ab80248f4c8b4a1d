package inmemory

import (
	"bytes"
	"slices"
	"syscall"
)

// Failed write-back, as Linux treats it: the kernel marks the pages it could not write as clean, so
// no later sync writes them, and records one error for the file and one for the file system. Each
// open descriptor reports the file's error once; a descriptor opened later reports it only if no
// other has. SyncAll reports the file system's error once. Evicted pages are read back from the
// device, which never got them.

// pageSize is the unit of write-back, in bytes.
const pageSize = 4096

// writeErrors counts the failed write-backs of a file or of the file system: the kernel's errseq_t.
type writeErrors struct {
	n    int
	seen bool // a descriptor has reported the last one
}

func (e *writeErrors) record() { e.n, e.seen = e.n+1, false }

// sample returns the count a new descriptor starts from.
func (e *writeErrors) sample() int {
	if e.n > 0 && !e.seen {
		return e.n - 1
	}
	return e.n
}

// check returns EIO if a write-back failed since the descriptor's last check.
func (e *writeErrors) check(since *int) error {
	if *since == e.n {
		return nil
	}
	*since, e.seen = e.n, true
	return syscall.EIO
}

// FailWriteBack fails the write-back of every unsynced page of the files whose current name match
// accepts, and returns how many files lost pages. The disk must track durability.
func (d *Disk) FailWriteBack(match func(name string) bool) (files int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.eachFile("", func(name string, n *node) {
		if match(name) && d.loseDirty(n) {
			files++
		}
	})
	return files
}

// BreakWrites makes the device refuse the pages of files whose name match accepts, until it is
// called with nil: their next sync fails once per descriptor, and the pages are lost.
func (d *Disk) BreakWrites(match func(name string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = match
}

// EvictPages drops the clean pages of the matching files, so that reads return what the device
// holds. A file without open descriptors also loses its recorded error, as an evicted inode does.
func (d *Disk) EvictPages(match func(name string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.eachFile("", func(name string, n *node) {
		if !match(name) {
			return
		}
		n.evict()
		if n.open == 0 {
			n.errs = writeErrors{}
		}
	})
}

// Kill closes every descriptor without a sync, as the kernel does when it kills a process.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.eachFile("", func(_ string, n *node) { n.open = 0 })
	d.errsSeen = d.errs.sample()
}

// eachFile visits the files below a directory by their current names.
func (n *node) eachFile(at string, visit func(name string, n *node)) {
	for base, e := range n.entries {
		if e.dir {
			e.eachFile(at+base+"/", visit)
		} else {
			visit(at+base, e)
		}
	}
}

// page returns the bytes of one page of a file of size bytes. A device holds zeros where nothing
// was written.
func page(data []byte, i int64, size int64) []byte {
	p := make([]byte, min(pageSize, size-i*pageSize))
	if at := i * pageSize; at < int64(len(data)) {
		copy(p, data[at:])
	}
	return p
}

// loseDirty marks the pages that the device does not hold as lost and records an error. It reports
// whether there were any.
func (d *Disk) loseDirty(n *node) bool {
	size, some := int64(len(n.data)), false
	for i := int64(0); i*pageSize < size; i++ {
		if _, lost := n.lost[i]; !lost && !bytes.Equal(page(n.data, i, size), page(n.syncedData, i, size)) {
			if n.lost == nil {
				n.lost = map[int64]struct{}{}
			}
			n.lost[i] = struct{}{}
			some = true
		}
	}
	if some {
		n.errs.record()
		d.errs.record()
	}
	return some
}

// span is a range of a file, from a first byte to one after the last.
type span struct{ from, to int64 }

// add extends s to include a range.
func (s *span) add(from, to int64) {
	if s.from == s.to {
		*s = span{from, to}
		return
	}
	*s = span{min(s.from, from), max(s.to, to)}
}

// own gives a file memory of its own that can be overwritten.
func (n *node) own() {
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
}

// written marks a range of a file as dirty again, and so no longer lost.
func (n *node) written(at, length int64) {
	n.dirty.add(at, at+length)
	for i := at / pageSize; len(n.lost) > 0 && i*pageSize < at+length; i++ {
		delete(n.lost, i)
	}
}

// writeOut returns what the device has after every dirty page that is not lost is written. It may
// overwrite syncedData and copies only what changed: tests sync thousands of times, and a journal is
// large.
func (n *node) writeOut() []byte {
	dirty, size := n.dirty, int64(len(n.data))
	if len(n.lost) == 0 {
		n.dirty = span{}
		out := n.syncedData[:min(len(n.syncedData), len(n.data))]
		if from, to := dirty.from, min(dirty.to, int64(len(out))); from < to {
			copy(out[from:to], n.data[from:to])
		}
		return append(out, n.data[len(out):]...)
	}
	n.dirty = span{0, size} // lost pages differ
	out := slices.Clone(n.data)
	for i := range n.lost {
		if at := i * pageSize; at < int64(len(out)) {
			copy(out[at:], page(n.syncedData, i, int64(len(out))))
		}
	}
	return out
}

// evict reads the lost pages back from the device.
func (n *node) evict() {
	n.own()
	for i := range n.lost {
		if at := i * pageSize; at < int64(len(n.data)) {
			copy(n.data[at:], page(n.syncedData, i, int64(len(n.data))))
		}
	}
	n.lost = nil
}

// syncFile writes a file's dirty pages and returns the error that the descriptor has not reported
// yet. The caller holds d.mu.
func (f *file) syncFile() error {
	if !f.d.track {
		return nil
	}
	if f.d.refuses(f.name, f.n) {
		f.d.loseDirty(f.n)
	}
	f.n.sync()
	if err := f.n.errs.check(&f.errsSeen); err != nil {
		return failed("sync", f.name, err)
	}
	return nil
}

// Uncache implements disk.File.
func (f *file) Uncache() {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.n.evict()
}
