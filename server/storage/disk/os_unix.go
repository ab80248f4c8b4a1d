//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"packhouse/trust"
)

// Modes of what is created: the store belongs to the user the server runs as, and its group may read it.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// osDisk is the operating system's file system below one directory, which nothing leaves: on Linux by openat2(2), which lets the kernel hold
// to it in one call, elsewhere by os.Root, which opens every part of a deep name one by one.
type osDisk struct {
	root *os.Root
	dir  *os.File // the root itself: base of relative names, and what syncfs is called on
	fd   int
	t    Traits

	beneath bool // openat2 is to be had

	mu      sync.Mutex
	lock    *os.File
	waiting *os.File // waiting servers hold a shared lock on it; nil: the owner has no Work
	beat    func()
}

// OpenOS opens the directory at path, creating it unless readOnly.
func OpenOS(path string, readOnly bool) (Disk, error) {
	if err := trust.CheckLinks(path); err != nil {
		return nil, fmt.Errorf("open storage directory: %w", err)
	}
	if !readOnly {
		if err := os.MkdirAll(path, dirMode); err != nil {
			return nil, fmt.Errorf("create storage directory: %w", err)
		}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open storage directory: %w", err)
	}
	dir, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open storage directory: %w", err)
	}
	d := &osDisk{root: root, dir: dir, fd: int(dir.Fd())}
	d.beneath = d.hasBeneath()
	if d.t, err = d.traits(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// osFile is an open file of an osDisk.
type osFile struct{ *os.File }

// Content implements File.
func (f *osFile) Content() io.ReadSeeker { return f.File }

// Traits implements Disk.
func (d *osDisk) Traits() Traits { return d.t }

// Open implements Disk.
func (d *osDisk) Open(name string) (File, error) {
	f, err := d.openAt(name, syscall.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

// Create implements Disk.
func (d *osDisk) Create(name string) (File, error) {
	f, err := d.openAt(name, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

// Reopen implements Disk.
func (d *osDisk) Reopen(name string) (File, error) {
	f, err := d.openAt(name, syscall.O_RDWR)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

// List implements Disk.
func (d *osDisk) List(name string, visit func(Entry) error) error {
	f, err := d.openAt(name, syscall.O_RDONLY|syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		names, err := f.ReadDir(512)
		for _, e := range names {
			if err := visit(Entry{Name: e.Name(), Dir: e.IsDir(), Link: e.Type()&fs.ModeSymlink != 0}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Close implements Disk. The directory stays open until the last reader lets go of the disk: were its descriptor closed and its number given to
// something else, a late reader would look there.
func (d *osDisk) Close() error {
	d.disown()
	return nil
}
