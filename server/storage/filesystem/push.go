package filesystem

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/quota"
)

const (
	bufferSize = 128 << 10
	// writeBackEvery is how many bytes may be dirty before write-back starts.
	writeBackEvery = 8 << 20
	// bodyMemory is what a body that arrives needs: a buffer, and those of its connection.
	bodyMemory = 2 * bufferSize
)

var buffers = sync.Pool{New: func() any {
	b := make([]byte, bufferSize)
	return &b
}}

// receiver writes a body to a staged file and hashes it in one pass, with one buffer.
type receiver struct {
	s      *Store
	f      disk.File
	h      hash.Hash
	offset int64 // position of the next byte; everything before it is hashed
	begun  int64 // write-back was started up to here
	set    *reservation
	body   *quota.Body
}

// receive reads size bytes from r, or until EOF if size is -1, and returns how many were written.
// Bytes written before an error count.
func (w *receiver) receive(ctx context.Context, r io.Reader, size int64) (n int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for size < 0 || n < size {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		p := *buf
		if size >= 0 {
			p = p[:min(int64(len(p)), size-n)]
		}
		k, rerr := fill(r, p)
		if k > 0 {
			if err := w.store(p[:k]); err != nil {
				return n, fmt.Errorf("write upload: %w", mapped(err))
			}
			n += int64(k)
			w.offset += int64(k)
			w.set.spend(int64(k))
			w.body.Add(int64(k))
			if err := w.writeBack(size); err != nil {
				return n, err
			}
		}
		switch {
		case errors.Is(rerr, io.EOF) && (size < 0 || n == size):
			return n, nil
		case errors.Is(rerr, io.EOF):
			return n, &storage.SizeError{Want: size, Got: n}
		case rerr != nil:
			return n, fmt.Errorf("receive: %w", rerr)
		}
	}
	return n, w.atEnd(r, size)
}

// store writes and hashes p.
func (w *receiver) store(p []byte) error {
	w.s.work.Begin()
	defer w.s.work.End()
	if _, err := w.f.Write(p); err != nil {
		return err
	}
	w.h.Write(p)
	return nil
}

// fill reads until p is full or r fails, so that short reads from a slow sender do not cause small
// writes.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// atEnd returns an error if more follows than announced.
func (w *receiver) atEnd(r io.Reader, size int64) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		if n > 0 {
			return &storage.SizeError{Want: size, Got: size + 1}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
	}
}

// writeBack limits the number of dirty pages, and checks the free space if the size is unknown.
func (w *receiver) writeBack(size int64) error {
	if w.offset-w.begun < writeBackEvery {
		return nil
	}
	if err := w.f.WriteBack(w.begun, w.offset-w.begun); err != nil {
		return fmt.Errorf("write upload: %w", mapped(err))
	}
	w.begun = w.offset
	if size < 0 {
		return w.s.fits(0)
	}
	return nil
}

// PutBlob implements storage.Uploads.
func (s *Store) PutBlob(ctx context.Context, o storage.Owner, d digest.Digest, r io.Reader, size int64) (err error) {
	defer mapping(&err)
	body, err := s.quota.Put(ctx, o.User, bodyMemory)
	if err != nil {
		return err
	}
	defer body.Done()
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	set, err := s.reserve(size)
	if err != nil {
		return err
	}
	defer set.release()
	tmp := s.temporary()
	f, err := s.create(tmp)
	if err != nil {
		return fmt.Errorf("stage blob: %w", mapped(err))
	}
	named := false
	defer func() {
		if !named {
			s.removeTree(tmp)
		}
	}()
	w := &receiver{s: s, f: f, h: d.Algorithm().Hash(), set: set, body: body}
	_, err = w.receive(ctx, r, size)
	if err == nil {
		if got := digest.NewDigest(d.Algorithm(), w.h); got != d {
			err = &storage.DigestError{Want: d, Got: got}
		}
	}
	if err != nil {
		f.Close()
		return err
	}
	named, err = s.commit(o.Repository.String(), d, f, tmp, w.offset)
	return err
}

// commit makes a staged blob whose hash was d durable and links it. It syncs and closes f, the
// descriptor that wrote the bytes. It reports whether from was renamed to its place; otherwise the
// file was not needed or must not be used.
func (s *Store) commit(repo string, d digest.Digest, f disk.File, from string, size int64) (named bool, err error) {
	if ok, err := s.linkAgain(repo, d, size); err != nil || ok {
		f.Close()
		return false, mapped(err)
	}
	epoch := s.verified.epoch()
	c := s.begin()
	defer c.end()
	data := item{kind: itemMoved, name: blobPath(d), from: from, size: size}
	// Intact data that already exists need not be written. This is checked again under the lock.
	here := s.sound(d, size)
	if here {
		defer f.Close()
	} else if data, err = c.adopt(f, from, d, size); err != nil {
		return false, mapped(err)
	}
	if err := c.repository(repo); err != nil {
		return false, mapped(err)
	}
	if err := c.write(layerDir(repo, d)+"/link", []byte(d)); err != nil {
		return false, mapped(err)
	}
	if err := c.contents(); err != nil {
		return false, mapped(err)
	}
	defer s.locks.exclusive(d)()
	defer s.gc.note(d)
	still := s.sound(d, size)
	if here && !still { // collected or damaged in the meantime
		if err := f.Sync(); err != nil {
			return false, fmt.Errorf("sync contents: %w", mapped(err))
		}
	}
	if !still {
		c.give(data, from)
	}
	if err := c.names(); err != nil {
		return false, mapped(err)
	}
	if !still {
		if info, ok, err := s.data(d); err == nil && ok {
			s.verified.add(d, info, epoch)
		}
	}
	return !still, nil
}
