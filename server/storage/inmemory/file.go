package inmemory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"packhouse/server/storage/disk"
)

// file is an open file. As with os.File, its position must be used by one goroutine at a time.
type file struct {
	d        *Disk
	n        *node
	name     string
	pos      int64
	writable bool
	errsSeen int // failed write-backs that this descriptor has reported
	closed   bool
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.RLock()
	defer f.d.mu.RUnlock()
	if f.n.dir {
		return 0, failed("read", f.name, syscall.EISDIR)
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	if !f.writable {
		return 0, failed("write", f.name, syscall.EBADF)
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n := f.n
	end := f.pos + int64(len(p))
	if grow := end - int64(len(n.data)); grow > 0 {
		if f.d.capacity > 0 && f.d.used+grow > f.d.capacity {
			return 0, failed("write", f.name, syscall.ENOSPC)
		}
		f.d.used += grow
		if f.pos > int64(len(n.data)) {
			n.dirty.add(int64(len(n.data)), f.pos)
			n.data = append(n.data, make([]byte, f.pos-int64(len(n.data)))...)
		}
	}
	n.own()
	n.written(f.pos, int64(len(p)))
	k := copy(n.data[f.pos:], p)
	n.data = append(n.data, p[k:]...)
	f.pos = end
	f.d.touch(n, true)
	return len(p), nil
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		f.d.mu.RLock()
		offset += int64(len(f.n.data))
		f.d.mu.RUnlock()
	}
	if offset < 0 {
		return 0, failed("seek", f.name, fs.ErrInvalid)
	}
	f.pos = offset
	return offset, nil
}

func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if size > int64(len(f.n.data)) {
		return failed("truncate", f.name, fmt.Errorf("%w: files are only cut", fs.ErrInvalid))
	}
	f.d.used -= int64(len(f.n.data)) - size
	f.n.dirty.add(size, int64(len(f.n.data)))
	f.n.data = f.n.data[:size:size]
	f.d.touch(f.n, true)
	return nil
}

func (f *file) Stat() (disk.Info, error) {
	f.d.mu.RLock()
	defer f.d.mu.RUnlock()
	return f.n.info(), nil
}

// WriteBack implements disk.File. Pages are written only by a sync.
func (f *file) WriteBack(int64, int64) error { return nil }

// Content implements disk.File.
func (f *file) Content() io.ReadSeeker { return f }

// Close implements disk.File.
func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return failed("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	f.n.open--
	return nil
}
