// Package disk is what the file system engine needs of a file system, and nothing else.
//
// There are two disks: the operating system's (OpenOS), confined to one directory, and one in memory (package inmemory) that knows which
// writes would survive a power cut. The engine is written against Disk alone, so every order of writing can be tested for what a crash leaves.
//
// Names are relative to the root, separated by slashes, and built from parsed values only. Errors match fs.ErrNotExist and fs.ErrExist.
package disk

import (
	"context"
	"io"
	"time"

	"packhouse/server/storage"
)

// Disk is a file system below one root. All methods may be called at once from many goroutines.
type Disk interface {
	// Open opens a file for reading; a symbolic link as its last part is refused.
	Open(name string) (File, error)
	// Create makes a file that must not exist, for reading and writing.
	Create(name string) (File, error)
	// Reopen opens an existing file for reading and writing.
	Reopen(name string) (File, error)
	// Stat describes what name is, without following a symbolic link.
	Stat(name string) (Info, error)
	// List calls visit for every entry of a directory, in no order, until it returns an error, which List returns.
	List(name string, visit func(Entry) error) error
	// Mkdir makes one directory.
	Mkdir(name string) error
	// Rename moves a file over whatever file is at to, or a directory to where nothing is.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SetTime sets the modification time.
	SetTime(name string, t time.Time) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// SyncAll makes everything written before the call durable.
	SyncAll() error
	// Traits tells what may be relied on.
	Traits() Traits
	// Space tells what is left.
	Space() (Space, error)
	// Own acquires the root for this process until Close. The file at name describes the owner. It returns
	// a *storage.OwnedError if another process owns the root.
	Own(ctx context.Context, name string, c Claim) error
	// Awaited blocks until another process waits for the root that this one owns, and returns nil then. It
	// returns the error of ctx if that ends first.
	Awaited(ctx context.Context) error
	// Close gives up ownership.
	Close() error
}

// Claim describes how a process acquires a root.
type Claim struct {
	ReadOnly bool   // share the root with other readers
	Work     string // what an owner does that gives the root up to a waiting server: "store gc"; empty: a server

	// Wait bounds how long to wait for an owner with Work; 0: not at all. Other owners are never waited for.
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
	// SyncData makes the contents durable of a file that was synced at its size before: fdatasync(2).
	SyncData() error
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
	// WriteBack starts writing a range to the device without waiting, so that few dirty pages are left for Sync. An error means
	// that the device refused some of it; nil means nothing, only Sync does.
	WriteBack(offset, n int64) error
	// Uncache asks the system to drop the file's clean pages, so that the next reads return what the device holds.
	Uncache()
	// Content is what the kernel may send by itself: the *os.File, where there is one.
	Content() io.ReadSeeker
}

// Info describes a file or directory.
type Info struct {
	Size    int64
	ModTime time.Time
	Changed int64 // change time of the inode, in nanoseconds; 0 where there is none
	Inode   uint64
	Device  uint64 // files are only renamed within one
	Dir     bool
	Regular bool
}

// Same tells whether two Infos are of the same unchanged file.
func (i Info) Same(o Info) bool {
	return i.Inode == o.Inode && i.Size == o.Size && i.Changed == o.Changed && i.ModTime.Equal(o.ModTime)
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Dir  bool
	Link bool // a symbolic link
}

// Space is what a file system has left. TotalBytes 0 and FreeInodes -1 mean that it is not known.
type Space struct {
	FreeBytes  int64
	TotalBytes int64
	FreeInodes int64
}

// Traits are what kind of file system it is.
type Traits struct {
	Kind       string // "ext4", "xfs", "nfs", … or the magic number
	SyncAll    bool   // SyncAll reports the errors of every write before it
	Journaling bool   // a rename happens whole or not at all, and before what follows; Sync of a new file makes its first name durable, too
	Network    bool   // locks may not reach other hosts
	Boot       string // changes when what was not synced may be lost; "" where it is not known
	Mount      string // changes when the file system is mounted anew; "" where it is not known
	Volume     string // identifies the file system, also after a reboot; "" where it is not known
	Volatile   bool   // nothing outlives the process
}
