package inmemory

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"packhouse/server/storage/disk"
)

// Disk is a file system in memory. With Durability it also tracks what was synced, so that PowerCut
// can compute what would survive.
type Disk struct {
	mu       sync.RWMutex
	root     *node
	inodes   uint64
	used     int64
	capacity int64 // bytes; 0: no limit
	track    bool
	journal  []op // directory changes since the last sync, on a journaling disk; see durable.go
	ordered  bool
	now      func() time.Time
	boot     string
	volume   string
	calls    Calls
	blocks   blocks

	errs     writeErrors // of the whole disk; see writeback.go
	errsSeen int         // reported by SyncAll
	broken   func(name string) bool
}

// Calls counts syncs by kind.
type Calls struct{ Files, Data, Dirs, All int }

// DiskOptions configures a disk. The zero value is unlimited and does not track durability.
type DiskOptions struct {
	Capacity   int64            // bytes; 0: unlimited
	Durability bool             // track what was synced
	Journaling bool             // as ext4: directory changes survive in order, and a sync of a file commits all of them
	Now        func() time.Time // nil: time.Now
	Boot       string           // boot ID in Traits
}

// NewDisk creates an empty disk.
func NewDisk(o DiskOptions) *Disk {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Disk{capacity: o.Capacity, track: o.Durability, ordered: o.Durability && o.Journaling, now: o.Now, boot: o.Boot, volume: newVolume()}
	d.root = d.newNode(true)
	return d
}

// node is a file or a directory.
type node struct {
	inode   uint64
	dir     bool
	entries map[string]*node
	data    []byte
	mod     time.Time
	changed int64
	block   int // on the device

	// State of the device; nil until the first sync.
	synced     map[string]*node
	syncedData []byte
	syncedOnce bool
	dirty      span // outside of it, and as far as both reach, data and syncedData are equal
	shared     bool // data may be the same memory as syncedData, so it is copied before it is overwritten

	// The kernel's write-back state of a file; see writeback.go.
	lost map[int64]struct{} // pages that failed to reach the device and are clean
	errs writeErrors
	open int // number of open descriptors
}

func (d *Disk) newNode(dir bool) *node {
	d.inodes++
	t := d.now()
	n := &node{inode: d.inodes, dir: dir, mod: t, changed: t.UnixNano()}
	if dir {
		n.entries = map[string]*node{}
		n.synced = map[string]*node{}
		return n
	}
	n.block = d.blocks.allocate()
	return n
}

func (n *node) info() disk.Info {
	i := disk.Info{Size: int64(len(n.data)), ModTime: n.mod, Changed: n.changed, Inode: n.inode, Dir: n.dir, Regular: !n.dir}
	for _, e := range n.entries {
		if e.dir {
			i.Below = true
			break
		}
	}
	return i
}

// touch marks a change of the node itself. Change times are made unique, as they mostly are on
// Linux.
func (d *Disk) touch(n *node, contents bool) {
	t := d.now()
	if contents {
		n.mod = t
	}
	n.changed = max(n.changed+1, t.UnixNano())
}

func failed(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// find resolves name. The caller holds d.mu.
func (d *Disk) find(name string) (*node, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.dir {
			return nil, syscall.ENOTDIR
		}
		next, ok := n.entries[part]
		if !ok {
			return nil, fs.ErrNotExist
		}
		n = next
	}
	return n, nil
}

func (d *Disk) parent(name string) (*node, string, error) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if dir == "" {
		dir = "."
	}
	if base == "" || base == "." || base == ".." || len(base) > 255 {
		return nil, "", fs.ErrInvalid
	}
	n, err := d.find(dir)
	if err != nil {
		return nil, "", err
	}
	if !n.dir {
		return nil, "", syscall.ENOTDIR
	}
	return n, base, nil
}

// Open implements disk.Disk.
func (d *Disk) Open(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(name)
	if err != nil {
		return nil, failed("open", name, err)
	}
	return d.descriptor(n, name, false), nil
}

// descriptor opens a node. The caller holds d.mu.
func (d *Disk) descriptor(n *node, name string, writable bool) *file {
	n.open++
	return &file{d: d, n: n, name: name, writable: writable, errsSeen: n.errs.sample()}
}

// Reopen implements disk.Disk.
func (d *Disk) Reopen(name string) (disk.File, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	if f.(*file).n.dir {
		_ = f.Close()
		return nil, failed("open", name, syscall.EISDIR)
	}
	f.(*file).writable = true
	return f, nil
}

// Create implements disk.Disk.
func (d *Disk) Create(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(name)
	if err != nil {
		return nil, failed("create", name, err)
	}
	if _, ok := dir.entries[base]; ok {
		return nil, failed("create", name, fs.ErrExist)
	}
	n := d.newNode(false)
	dir.entries[base] = n
	d.did(edit{dir, base, n})
	d.touch(dir, true)
	return d.descriptor(n, name, true), nil
}

// Stat implements disk.Disk.
func (d *Disk) Stat(name string) (disk.Info, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, err := d.find(name)
	if err != nil {
		return disk.Info{}, failed("stat", name, err)
	}
	return n.info(), nil
}

// List implements disk.Disk.
func (d *Disk) List(name string, visit func(disk.Entry) error) error {
	d.mu.RLock()
	n, err := d.find(name)
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		d.mu.RUnlock()
		return failed("list", name, err)
	}
	all := make([]disk.Entry, 0, len(n.entries))
	for name, e := range n.entries {
		all = append(all, disk.Entry{Name: name, Dir: e.dir})
	}
	d.mu.RUnlock()
	for _, e := range all {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// Mkdir implements disk.Disk.
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(name)
	if err != nil {
		return failed("mkdir", name, err)
	}
	if _, ok := dir.entries[base]; ok {
		return failed("mkdir", name, fs.ErrExist)
	}
	n := d.newNode(true)
	dir.entries[base] = n
	d.did(edit{dir, base, n})
	d.touch(dir, true)
	return nil
}

// Rename implements disk.Disk.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	src, sbase, err := d.parent(from)
	if err != nil {
		return failed("rename", from, err)
	}
	dst, dbase, err := d.parent(to)
	if err != nil {
		return failed("rename", to, err)
	}
	n, ok := src.entries[sbase]
	if !ok {
		return failed("rename", from, fs.ErrNotExist)
	}
	if old, ok := dst.entries[dbase]; ok {
		if n.dir && (!old.dir || len(old.entries) > 0) || !n.dir && old.dir {
			return failed("rename", to, fs.ErrExist)
		}
		d.used -= int64(len(old.data))
		d.release(old)
	}
	delete(src.entries, sbase)
	dst.entries[dbase] = n
	d.did(edit{src, sbase, nil}, edit{dst, dbase, n})
	d.touch(src, true)
	d.touch(dst, true)
	d.touch(n, false)
	return nil
}

// Remove implements disk.Disk.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(name)
	if err != nil {
		return failed("remove", name, err)
	}
	n, ok := dir.entries[base]
	if !ok {
		return failed("remove", name, fs.ErrNotExist)
	}
	if len(n.entries) > 0 {
		return failed("remove", name, syscall.ENOTEMPTY)
	}
	delete(dir.entries, base)
	d.did(edit{dir, base, nil})
	d.used -= int64(len(n.data))
	d.release(n)
	d.touch(dir, true)
	return nil
}

// SetTime implements disk.Disk.
func (d *Disk) SetTime(name string, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(name)
	if err != nil {
		return failed("set time", name, err)
	}
	n.mod = t
	d.touch(n, false)
	return nil
}

// Traits implements disk.Disk.
func (d *Disk) Traits() disk.Traits {
	return disk.Traits{
		Kind: "memory", Boot: d.boot, Mount: d.boot, Volume: d.volume,
		Volatile: !d.track, SyncAll: d.track, Journaling: d.ordered,
	}
}

// Space implements disk.Disk.
func (d *Disk) Space() (disk.Space, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := disk.Space{FreeInodes: -1}
	if d.capacity > 0 {
		s.TotalBytes, s.FreeBytes = d.capacity, max(0, d.capacity-d.used)
	}
	return s, nil
}

// Own implements disk.Disk. Memory belongs to one process.
func (d *Disk) Own(context.Context, string, disk.Claim) error { return nil }

// Awaited implements disk.Disk. No other process can wait for memory.
func (d *Disk) Awaited(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Close implements disk.Disk. The contents stay until the Disk is garbage collected.
func (d *Disk) Close() error { return nil }
