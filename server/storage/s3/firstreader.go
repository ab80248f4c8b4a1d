package s3

import (
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// firstReader reads a large blob that is not verified yet. Read from the start, it hashes along the
// way and withholds the end until the digest matches. Read from elsewhere, it verifies first, or in
// the background if that would take long.
type firstReader struct {
	s       *Store
	src     *source
	d       digest.Digest
	h       hash.Hash
	pos     int64
	hashed  int64
	tail    []byte
	checked bool // the rest need not be hashed
	asked   bool // a range was requested
	failed  error
}

// Seek implements io.Seeker.
func (r *firstReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.src.o.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a blob")
	}
	r.pos = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *firstReader) Read(p []byte) (int, error) {
	size := r.src.o.size
	switch {
	case r.failed != nil:
		return 0, r.failed
	case r.pos >= size:
		return 0, io.EOF
	case !r.checked && len(r.tail) > 0 && r.pos >= size-int64(len(r.tail)):
		// The tail is set only after the digest matched.
		n := copy(p, r.tail[r.pos-(size-int64(len(r.tail))):])
		r.pos += int64(n)
		return n, nil
	case !r.checked && r.pos != r.hashed:
		if r.failed = r.ranged(); r.failed != nil {
			return 0, r.failed
		}
	}
	if r.checked {
		r.src.pos = r.pos
		n, err := r.src.Read(p)
		r.pos = r.src.pos
		return n, err
	}
	free := size - heldBack
	if r.pos >= free {
		if r.failed = r.end(); r.failed != nil {
			return 0, r.failed
		}
		return r.Read(p)
	}
	r.src.pos = r.pos
	n, err := r.src.Read(p[:min(int64(len(p)), free-r.pos)])
	r.h.Write(p[:n])
	r.pos += int64(n)
	r.hashed = r.pos
	if err != nil {
		r.failed = err
	}
	return n, err
}

// end reads the withheld end and verifies the digest.
func (r *firstReader) end() error {
	tail := make([]byte, r.src.o.size-r.pos)
	r.src.pos = r.pos
	if _, err := io.ReadFull(r.src, tail); err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	r.h.Write(tail)
	if err := r.src.checkDigest(digest.NewDigest(r.d.Algorithm(), r.h)); err != nil {
		return err
	}
	r.tail = tail
	return nil
}

// Check implements storage.Checker. It skips blobs that take long to verify: they are hashed while
// read from the start, and verified in the background otherwise.
func (r *firstReader) Check() error {
	r.asked = true
	if !r.checked && r.failed == nil && r.src.o.size <= r.s.rangedFirst {
		r.failed = r.ranged()
	}
	return r.failed
}

// ranged verifies the blob before it is read from the middle, or in the background if it is large.
func (r *firstReader) ranged() error {
	r.checked, r.src.hashed = true, false
	return r.s.check(r.src.ctx, r.d, r.src.o)
}

// close starts verification of a large blob of which only the beginning was requested.
func (r *firstReader) close() {
	if r.asked && !r.checked && r.failed == nil && r.tail == nil {
		r.s.verifyLater(r.d, r.src.o)
	}
}

var _ storage.Checker = (*firstReader)(nil)
