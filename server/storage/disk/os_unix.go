//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"packhouse/trust"
)

// Modes of new files and directories: owned by the server's user, readable by its group.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// osDisk is the operating system's file system, confined to one directory: on Linux by openat2(2),
// which resolves a path in one call, elsewhere by os.Root, which opens each element separately.
type osDisk struct {
	root  *os.Root
	dir   *os.File // the root: base of relative names, and target of syncfs
	fd    int
	gives bool // new files belong to the owner of their directory: this process is root
	t     Traits

	beneath bool // openat2 is available
	counts  bool // the links of a directory count the directories in it

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
	d.gives = os.Geteuid() == 0
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
	d.inherit(f, name)
	return &osFile{f}, nil
}

// inherit gives a new file to the owner of its directory, if root made it: the server of another
// user, which may run next, must be able to write it.
func (d *osDisk) inherit(f *os.File, name string) {
	if !d.gives {
		return
	}
	if info, err := d.root.Stat(path.Dir(name)); err == nil {
		trust.Inherit(f, info)
	}
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

// Close implements Disk. The directory stays open until the last reader releases the disk: if its
// descriptor were closed and the number reused, a late reader would use the wrong file.
func (d *osDisk) Close() error {
	d.disown()
	return nil
}
