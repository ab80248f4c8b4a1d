package filesystem

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
)

// firstReader reads a blob that is not verified since it last changed. Read from the start, it
// hashes along the way and withholds the end until the digest matches. Read from elsewhere, or when
// Check is called, it verifies first, or in the background if that would take long.
type firstReader struct {
	s    *Store
	ctx  context.Context
	f    disk.File
	info disk.Info
	d    digest.Digest

	pos     int64
	h       hash.Hash // nil until the first read from the start
	epoch   uint64    // at that read
	hashed  int64
	tail    []byte // the end, once verified
	checked bool
	failed  error
}

// Seek implements io.Seeker.
func (r *firstReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.info.Size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a blob")
	}
	r.pos = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *firstReader) Read(p []byte) (int, error) {
	if r.failed != nil {
		return 0, r.failed
	}
	if r.pos >= r.info.Size {
		return 0, io.EOF
	}
	if !r.checked && r.pos != r.hashed {
		if r.failed = r.ranged(); r.failed != nil {
			return 0, r.failed
		}
	}
	if !r.checked {
		return r.stream(p)
	}
	return r.fill(p)
}

func (r *firstReader) fill(p []byte) (int, error) {
	n, err := r.f.ReadAt(p[:min(int64(len(p)), r.info.Size-r.pos)], r.pos)
	r.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// stream returns what comes before the withheld end, and hashes it.
func (r *firstReader) stream(p []byte) (int, error) {
	if r.h == nil {
		r.h, r.epoch = r.d.Algorithm().Hash(), r.s.verified.epoch()
	}
	free := r.info.Size - heldBack
	if r.pos < free {
		n, err := r.fill(p[:min(int64(len(p)), free-r.pos)])
		r.h.Write(p[:n])
		r.hashed += int64(n)
		if err != nil {
			r.failed = fmt.Errorf("read blob: %w", err)
		}
		return n, r.failed
	}
	if r.tail == nil {
		r.tail = make([]byte, r.info.Size-r.pos)
		if _, err := r.f.ReadAt(r.tail, r.pos); err != nil && !errors.Is(err, io.EOF) {
			r.failed = fmt.Errorf("read blob: %w", err)
			return 0, r.failed
		}
		r.h.Write(r.tail)
		if r.failed = r.s.checkDigest(r.f, r.info, r.d, digest.NewDigest(r.d.Algorithm(), r.h), r.info.Size, r.epoch); r.failed != nil {
			return 0, r.failed
		}
	}
	n := copy(p, r.tail)
	r.tail = r.tail[n:]
	r.pos += int64(n)
	if len(r.tail) == 0 {
		r.checked = true
	} else {
		r.hashed = r.pos
	}
	return n, nil
}

// Check implements storage.Checker. It skips blobs too large to verify now: they are hashed while
// read from the start.
func (r *firstReader) Check() error {
	if !r.checked && r.failed == nil && r.info.Size <= rangedFirst {
		r.failed = r.ranged()
	}
	return r.failed
}

// ranged verifies the blob before it is read from the middle, or in the background if it is large.
func (r *firstReader) ranged() error {
	r.checked = true
	if r.s.verified.has(r.d, r.info) {
		return nil
	}
	if r.info.Size <= rangedFirst {
		return r.s.verify(r.ctx, r.f, r.info, r.d)
	}
	r.s.verifyLater(r.d)
	return nil
}
