// Package disk is the part of a file system that the filesystem driver uses.
//
// There are two disks: the operating system's (OpenOS), confined to one directory, and one in
// memory (package inmemory) that tracks which writes would survive a power cut. The driver uses
// only Disk, so that tests can check for every order of writes what a crash leaves.
//
// Names are relative to the root, separated by slashes, and built from parsed values only. Errors
// match fs.ErrNotExist and fs.ErrExist.
package disk

import (
	"context"
	"io"
	"time"

	"packhouse/server/storage"
)

// Disk is a file system below one root. All methods are safe for concurrent use.
type Disk interface {
	// Open opens a file for reading. It fails if the last element is a symbolic link.
	Open(name string) (File, error)
	// Create creates a file that must not exist, for reading and writing.
	Create(name string) (File, error)
	// Reopen opens an existing file for reading and writing.
	Reopen(name string) (File, error)
	// Stat describes name without following a symbolic link.
	Stat(name string) (Info, error)
	// List calls visit for every entry of a directory, unordered, until visit returns an error,
	// which List returns.
	List(name string, visit func(Entry) error) error
	// Mkdir creates one directory.
	Mkdir(name string) error
	// Rename moves a file, replacing any file at to, or a directory to a name that does not exist.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SetTime sets the modification time.
	SetTime(name string, t time.Time) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// SyncAll makes everything written before the call durable.
	SyncAll() error
	// Traits returns the properties of the file system.
	Traits() Traits
	// Space returns the free space.
	Space() (Space, error)
	// Own acquires the root for this process until Close. The file at name describes the owner. It
	// returns a *storage.OwnedError if another process owns the root.
	Own(ctx context.Context, name string, c Claim) error
	// Awaited returns nil once another process waits for the root that this one owns, or the error
	// of ctx if that ends first.
	Awaited(ctx context.Context) error
	// Close releases ownership.
	Close() error
}

// Claim describes how a process acquires a root.
type Claim struct {
	ReadOnly bool   // share the root with other readers
	Work     string // the offline command of an owner that yields to a waiting server, such as "store gc"; empty: a server

	// Wait bounds how long to wait for an owner with Work; 0: do not wait. Other owners are never
	// waited for.
	Wait time.Duration
	// Waiting, which may be nil, is called once before the wait begins.
	Waiting func(*storage.OwnedError)
}

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Seeker
	io.Closer
	// Stat describes the file.
	Stat() (Info, error)
	// Sync makes the contents durable, but not the name.
	Sync() error
	// SyncData makes the contents of a file durable that was synced at its current size before:
	// fdatasync(2).
	SyncData() error
	// Truncate shortens the file to size bytes.
	Truncate(size int64) error
	// WriteBack starts writing a range to the device without waiting, so that few dirty pages are
	// left for Sync. An error means that the device failed; nil guarantees nothing, only Sync does.
	WriteBack(offset, n int64) error
	// Uncache asks the system to drop the file's clean pages, so that the next reads come from the
	// device.
	Uncache()
	// Content returns a reader that the kernel can send directly: the *os.File, if there is one.
	Content() io.ReadSeeker
}

// Info describes a file or directory.
type Info struct {
	Size    int64
	ModTime time.Time
	Changed int64 // change time of the inode in nanoseconds; 0 if not supported
	Inode   uint64
	Device  uint64 // files can only be renamed within one device
	Dir     bool
	Regular bool

	// Below is set for a directory that is known to contain another; false says nothing.
	Below bool
}

// Same reports whether two Infos describe the same unchanged file.
func (i Info) Same(o Info) bool {
	return i.Inode == o.Inode && i.Size == o.Size && i.Changed == o.Changed && i.ModTime.Equal(o.ModTime)
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Dir  bool
	Link bool // a symbolic link
}

// Space is the free space of a file system. TotalBytes 0 and FreeInodes -1 mean unknown.
type Space struct {
	FreeBytes  int64
	TotalBytes int64
	FreeInodes int64
}

// Traits are the properties of a file system.
type Traits struct {
	Kind       string // "ext4", "xfs", "nfs", … or the magic number
	SyncAll    bool   // SyncAll reports the errors of every write before it
	Journaling bool   // renames are atomic and ordered; Sync of a new file also makes its first name durable
	Network    bool   // locks may not be visible to other hosts
	Boot       string // changes when unsynced data may be lost; "" if unknown
	Mount      string // changes when the file system is mounted again; "" if unknown
	Volume     string // identifies the file system across reboots; "" if unknown
	Volatile   bool   // nothing outlives the process
}
