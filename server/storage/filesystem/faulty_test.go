package filesystem_test

import (
	"io"
	"sync"
	"syscall"
	"time"

	"packhouse/server/storage/disk"
)

// faulty is a disk whose n-th call fails: that one, or it and all that follow, as when the machine is gone.
type faulty struct {
	disk.Disk
	mu    sync.Mutex
	calls int
	at    int // 0: never
	err   error
	stays bool
	mask  uint64 // with stays: which of the 64 calls from at on fail, from the lowest bit; 0: all and those after them
	only  string // kind of call, or all
}

func (f *faulty) call(kind string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.only != "" && f.only != kind {
		return nil
	}
	f.calls++
	if f.mask != 0 && f.at > 0 {
		if i := f.calls - f.at; i >= 0 && i < 64 && f.mask>>i&1 == 1 {
			return f.err
		}
		return nil
	}
	if f.at > 0 && (f.calls == f.at || f.stays && f.calls > f.at) {
		return f.err
	}
	return nil
}

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *faulty) file(kind string, open func() (disk.File, error)) (disk.File, error) {
	if err := f.call(kind); err != nil {
		return nil, err
	}
	o, err := open()
	if err != nil {
		return nil, err
	}
	return &faultyFile{o, f}, nil
}

func (f *faulty) Open(name string) (disk.File, error) {
	return f.file("open", func() (disk.File, error) { return f.Disk.Open(name) })
}

func (f *faulty) Create(name string) (disk.File, error) {
	return f.file("create", func() (disk.File, error) { return f.Disk.Create(name) })
}

func (f *faulty) Reopen(name string) (disk.File, error) {
	return f.file("reopen", func() (disk.File, error) { return f.Disk.Reopen(name) })
}

func (f *faulty) Stat(name string) (disk.Info, error) {
	if err := f.call("stat"); err != nil {
		return disk.Info{}, err
	}
	return f.Disk.Stat(name)
}

func (f *faulty) List(name string, visit func(disk.Entry) error) error {
	if err := f.call("list"); err != nil {
		return err
	}
	return f.Disk.List(name, visit)
}

func (f *faulty) Mkdir(name string) error {
	if err := f.call("mkdir"); err != nil {
		return err
	}
	return f.Disk.Mkdir(name)
}

func (f *faulty) Rename(from, to string) error {
	if err := f.call("rename"); err != nil {
		return err
	}
	return f.Disk.Rename(from, to)
}

func (f *faulty) Remove(name string) error {
	if err := f.call("remove"); err != nil {
		return err
	}
	return f.Disk.Remove(name)
}

func (f *faulty) SetTime(name string, t time.Time) error {
	if err := f.call("set time"); err != nil {
		return err
	}
	return f.Disk.SetTime(name, t)
}

func (f *faulty) SyncDir(name string) error {
	if err := f.call("sync"); err != nil {
		return err
	}
	return f.Disk.SyncDir(name)
}

func (f *faulty) SyncAll() error {
	if err := f.call("sync"); err != nil {
		return err
	}
	return f.Disk.SyncAll()
}

// faultyFile is a file of it. A failing write takes half of what it was given.
type faultyFile struct {
	disk.File
	f *faulty
}

func (f *faultyFile) Read(p []byte) (int, error) {
	if err := f.f.call("read"); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.f.call("read"); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.f.call("write"); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultyFile) Stat() (disk.Info, error) {
	if err := f.f.call("stat"); err != nil {
		return disk.Info{}, err
	}
	return f.File.Stat()
}

func (f *faultyFile) Sync() error {
	if err := f.f.call("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) SyncData() error {
	if err := f.f.call("sync"); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.f.call("truncate"); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Content() io.ReadSeeker { return struct{ io.ReadSeeker }{f.File.Content()} }

var errDevice = syscall.EIO

// gated is a disk on which what looks through the store waits for the gate.
type gated struct {
	disk.Disk
	open chan struct{}
}

func (g *gated) List(name string, visit func(disk.Entry) error) error {
	if name != "." && name != "packhouse/v1/stage" {
		<-g.open
	}
	return g.Disk.List(name, visit)
}

func (g *gated) Open(name string) (disk.File, error) {
	if name == "packhouse/v1/index/repositories" {
		<-g.open
	}
	return g.Disk.Open(name)
}

func (g *gated) SyncAll() error {
	<-g.open
	return g.Disk.SyncAll()
}
