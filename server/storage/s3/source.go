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

// source reads an object of the bucket from anywhere. A connection that breaks is taken up again where it broke.
type source struct {
	s   *Store
	ctx context.Context
	key string
	o   object
	pos int64

	digest   digest.Digest // of a blob: its object may be replaced by the same bytes while it is read; empty: it must not change
	hashed   bool          // whoever reads it hashes what comes
	replaced bool          // it was: what came before and what comes now are of different objects

	held []byte // all of it, where it is small

	until int64 // nobody means to read what is behind; 0: not known

	body    io.ReadCloser
	reached int64 // where body stands
	end     int64 // where body ends
	fail    int   // times in a row that reading broke
}

// hold reads a small object whole.
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

// mostBroken is how often in a row reading may break without a byte having come.
const mostBroken = 5

// at makes the body stand at a position.
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
		// Somebody has pushed the blob again meanwhile, which is no reason to break a download off.
		if err := r.adopt(); err != nil {
			return err
		}
	}
	r.reached, r.end = pos, end
	return err
}

// adopt goes on with the object that has taken the place of the one that was read. It has to be good as well.
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

// judge compares what a reader of the whole has hashed with the digest.
func (r *source) judge(got digest.Digest) error {
	switch {
	case !r.replaced:
		return r.s.judge(r.ctx, r.digest, r.o, got)
	case got == r.digest:
		return nil
	}
	r.s.verifyLater(r.digest, r.o) // which of the two is damaged?
	return &storage.DamagedError{Digest: string(r.digest), What: "the bytes of two objects under its name do not make it"}
}

// drop ends the answer that is being read.
func (r *source) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}
