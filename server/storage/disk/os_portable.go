//go:build unix && !linux

package disk

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// openAt opens name below the root. It does not block on a named pipe that the owner of the store
// may have put there.
func (d *osDisk) openAt(name string, flags int) (*os.File, error) {
	return d.root.OpenFile(name, flags|syscall.O_NONBLOCK, fileMode)
}

func (d *osDisk) hasBeneath() bool { return false }

// Mkdir implements Disk.
func (d *osDisk) Mkdir(name string) error { return d.root.Mkdir(name, dirMode) }

// Rename implements Disk.
func (d *osDisk) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements Disk.
func (d *osDisk) Remove(name string) error { return d.root.Remove(name) }

// Stat implements Disk.
func (d *osDisk) Stat(name string) (Info, error) {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func infoOf(fi os.FileInfo) Info {
	return Info{Size: fi.Size(), ModTime: fi.ModTime(), Dir: fi.IsDir(), Regular: fi.Mode().IsRegular()}
}

// Stat implements File.
func (f *osFile) Stat() (Info, error) {
	fi, err := f.File.Stat()
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

// WriteBack implements File. This system has no such hint.
func (f *osFile) WriteBack(int64, int64) error { return nil }

// Uncache implements File. This system has no such hint.
func (f *osFile) Uncache() {}

// SyncData implements File.
func (f *osFile) SyncData() error { return f.Sync() }

// SetTime implements Disk.
func (d *osDisk) SetTime(name string, t time.Time) error { return d.root.Chtimes(name, time.Time{}, t) }

// SyncDir implements Disk.
func (d *osDisk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// SyncAll implements Disk.
func (d *osDisk) SyncAll() error { return errors.ErrUnsupported }

// Space implements Disk.
func (d *osDisk) Space() (Space, error) { return Space{FreeInodes: -1}, nil }

func (d *osDisk) traits() (Traits, error) { return Traits{Kind: "unknown"}, nil }
