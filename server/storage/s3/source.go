package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// source reads an object of the bucket with random access. It reconnects and resumes after a broken
// connection.
type source struct {
	s   *Store
	ctx context.Context
	key string
	o   object
	pos int64

	digest   digest.Digest // of a blob: its object may be replaced by one with the same bytes; empty: must not change
	hashed   bool          // the reader hashes the content itself
	replaced bool          // the object was replaced: earlier and later bytes come from different objects

	held []byte // whole content, if small

	until int64 // position up to which the caller reads; 0: unknown

	body    io.ReadCloser
	reached int64 // position of body
	end     int64 // end of body
	fail    int   // consecutive read failures
}

// hold reads a small object into memory.
func (r *source) hold() error {
	held := make([]byte, r.o.size)
	_, err := io.ReadFull(r, held)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.drop()
	r.held, r.pos = held, 0
	return nil
}

// Seek implements io.Seeker.
func (r *source) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.o.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a blob")
	}
	r.pos = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.o.size {
		return 0, io.EOF
	}
	if r.held != nil {
		n := copy(p, r.held[r.pos:])
		r.pos += int64(n)
		return n, nil
	}
	for {
		if err := r.at(r.pos); err != nil {
			return 0, fmt.Errorf("read blob: %w", err)
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.o.size-r.pos)])
		r.pos += int64(n)
		r.reached += int64(n)
		if err != nil {
			r.drop()
		}
		if n > 0 {
			r.fail = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if cerr := r.ctx.Err(); cerr != nil {
			return 0, cerr
		}
		if !errors.Is(err, io.EOF) || r.reached < r.end {
			if r.fail++; r.fail > mostBroken {
				return 0, fmt.Errorf("read blob: %w", err)
			}
			if err := pause(r.ctx, time.Duration(r.fail)*100*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
}

// mostBroken is how many consecutive reads may fail without returning a byte.
const mostBroken = 5

// at positions body at pos.
func (r *source) at(pos int64) (err error) {
	if r.body != nil && r.reached == pos {
		return nil
	}
	r.drop()
	length, end := int64(-1), r.o.size
	if pos < r.until {
		length, end = r.until-pos, r.until
	}
	for range mostBroken {
		r.body, _, err = r.s.bucket.get(r.ctx, r.key, r.o.etag, pos, length)
		if r.digest == "" || !errors.Is(err, errCondition) {
			break
		}
		// The blob was pushed again in the meantime. Continue the download with the new object.
		if err := r.adopt(); err != nil {
			return err
		}
	}
	r.reached, r.end = pos, end
	return err
}

// adopt continues with the object that replaced the one being read. It must be intact, too.
func (r *source) adopt() error {
	o, err := r.s.bucket.head(r.ctx, r.key)
	if err != nil {
		return err
	}
	if o.size != r.o.size {
		return fmt.Errorf("it was replaced by %d bytes: %w", o.size, errCondition)
	}
	r.o, r.replaced = o, true
	if r.hashed {
		return nil
	}
	return r.s.check(r.ctx, r.digest, o)
}

// checkDigest compares the digest hashed by a reader of the whole blob with the expected one.
func (r *source) checkDigest(got digest.Digest) error {
	switch {
	case !r.replaced:
		return r.s.checkDigest(r.ctx, r.digest, r.o, got)
	case got == r.digest:
		return nil
	}
	r.s.verifyLater(r.digest, r.o) // find out which of the two is damaged
	return &storage.DamagedError{Digest: string(r.digest), What: "the bytes of two objects under its name do not make it"}
}

// drop closes the current response.
func (r *source) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}
