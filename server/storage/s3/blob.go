package s3

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

const (
	// firstBytes is how much of a blob is asked for when it is opened: all of a small one, which is hashed right then when nobody has yet, so
	// that damage is an answer and not a broken connection.
	firstBytes = 1 << 20
	// heldBack is how much of a blob a first reader does not get before all of it was hashed.
	heldBack = 64 << 10
	// rangedFirst is the largest blob that is hashed before a range of it is handed out.
	rangedFirst = 64 << 20
)

// blob is an open blob.
type blob struct {
	o       object
	content io.ReadSeeker
	source  *source
}

func (b *blob) Content() io.ReadSeeker { return b.content }
func (b *blob) Size() int64            { return b.o.size }
func (b *blob) ModTime() time.Time     { return b.o.modTime }

func (b *blob) Close() error {
	b.source.drop()
	return nil
}

// OpenBlob implements storage.Blobs. The link and the first bytes are asked for at the same time.
func (s *Store) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	var first io.ReadCloser
	o, target, err := s.find(ctx, repo.String(), d, func(_ context.Context, key string) (object, error) {
		if first != nil {
			first.Close()
		}
		var o object
		var err error
		first, o, err = s.bucket.get(ctx, key, "", 0, firstBytes)
		return o, err
	})
	if err == nil && !s.plausible(target, o) {
		err = blobUnknown(d)
		if _, bad := s.damaged.get(string(target)); bad {
			err = &storage.DamagedError{Digest: string(target), What: "its bytes have another digest"}
		}
	}
	if err != nil {
		if first != nil {
			first.Close()
		}
		return nil, err
	}
	src := &source{s: s, ctx: ctx, key: blobKey(target), o: o, body: first, end: min(firstBytes, o.size)}
	b := &blob{o: o, source: src, content: src}
	if etag, ok := s.verified.get(string(target)); ok && etag == o.etag {
		return b, nil
	}
	if o.size > firstBytes {
		b.content = &firstReader{s: s, src: src, d: target, h: target.Algorithm().Hash()}
		return b, nil
	}
	if err := src.hold(); err != nil {
		src.drop()
		return nil, fmt.Errorf("read blob: %w", err)
	}
	if err := s.judge(ctx, target, o, target.Algorithm().FromBytes(src.held)); err != nil {
		return nil, err
	}
	return b, nil
}

// source reads an object of the bucket from anywhere. A connection that breaks is taken up again where it broke.
type source struct {
	s    *Store
	ctx  context.Context
	key  string
	o    object
	pos  int64
	held []byte // all of it, where it is small

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
	r.body, _, err = r.s.bucket.get(r.ctx, r.key, r.o.etag, pos, -1)
	r.reached, r.end = pos, r.o.size
	return err
}

// drop ends the answer that is being read.
func (r *source) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// verify hashes an object whole and remembers it as good, or sets it aside.
func (s *Store) verify(ctx context.Context, d digest.Digest, o object) error {
	src := &source{s: s, ctx: ctx, key: blobKey(d), o: o}
	defer src.drop()
	h := d.Algorithm().Hash()
	if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{src}, make([]byte, 128<<10)); err != nil {
		return err
	}
	return s.judge(ctx, d, o, digest.NewDigest(d.Algorithm(), h))
}

// judge compares the digest that an object turned out to have with its own.
func (s *Store) judge(ctx context.Context, d digest.Digest, o object, got digest.Digest) error {
	if got == d {
		s.remember(d, o.etag)
		return nil
	}
	what := fmt.Sprintf("%d bytes with the digest %s", o.size, got)
	s.setAside(ctx, d, o, what)
	return &storage.DamagedError{Digest: string(d), What: what}
}

// remember notes that the data of a digest is good as long as it has that ETag.
func (s *Store) remember(d digest.Digest, etag string) {
	s.verified.put(string(d), etag, 1)
	s.damaged.drop(string(d))
}

// verifyLater checks a large blob in the background, one at a time; those that come meanwhile are checked when they are asked for again.
func (s *Store) verifyLater(d digest.Digest, o object) {
	if !s.verifying.CompareAndSwap(false, true) {
		return
	}
	s.start(func(ctx context.Context) {
		defer s.verifying.Store(false)
		if err := s.verify(ctx, d, o); err != nil && ctx.Err() == nil {
			s.log.Warn("check blob in the background", "digest", d, "error", err)
		}
	})
}

// firstReader reads a large blob that nobody has checked. Read from the start, it hashes on the way and keeps the end back until the digest
// was found right; read from elsewhere, it checks first, or beside it where that would take long.
type firstReader struct {
	s       *Store
	src     *source
	d       digest.Digest
	h       hash.Hash
	pos     int64
	hashed  int64
	tail    []byte
	checked bool
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
		// Only after the digest was found right is the tail here.
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

// end reads what was held back and judges the whole.
func (r *firstReader) end() error {
	tail := make([]byte, r.src.o.size-r.pos)
	r.src.pos = r.pos
	if _, err := io.ReadFull(r.src, tail); err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	r.h.Write(tail)
	if err := r.s.judge(r.src.ctx, r.d, r.src.o, digest.NewDigest(r.d.Algorithm(), r.h)); err != nil {
		return err
	}
	r.tail = tail
	return nil
}

// ranged prepares for reading from the middle.
func (r *firstReader) ranged() error {
	r.checked = true
	if etag, ok := r.s.verified.get(string(r.d)); ok && etag == r.src.o.etag {
		return nil
	}
	if r.src.o.size <= rangedFirst {
		return r.s.verify(r.src.ctx, r.d, r.src.o)
	}
	r.s.verifyLater(r.d, r.src.o)
	return nil
}

// onlyWriter and onlyReader hide other methods, so that io.CopyBuffer uses its buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
