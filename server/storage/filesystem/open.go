package filesystem

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

const (
	// heldBack is how much of a blob a first reader does not get before all of it was hashed.
	heldBack = 64 << 10
	// hashedFirst is the largest blob that is hashed when it is opened, so that damage is an answer and not a broken connection.
	hashedFirst = 1 << 20
	// rangedFirst is the largest blob that is hashed before a range of it is handed out.
	rangedFirst = 64 << 20
)

// blob is an open blob.
type blob struct {
	f       disk.File
	info    disk.Info
	content io.ReadSeeker
}

func (b *blob) Content() io.ReadSeeker { return b.content }
func (b *blob) Size() int64            { return b.info.Size }
func (b *blob) ModTime() time.Time     { return b.info.ModTime }
func (b *blob) Close() error           { return b.f.Close() }

// OpenBlob implements storage.Blobs.
func (s *Store) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	target, _, ok, err := s.linked(layerDir(repo.String(), d), d)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	f, err := s.disk.Open(blobPath(target))
	if absent(err) {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	b, err := s.openBlob(ctx, f, target)
	if err != nil {
		f.Close()
		return nil, err
	}
	return b, nil
}

func (s *Store) openBlob(ctx context.Context, f disk.File, d digest.Digest) (*blob, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat blob: %w", err)
	}
	b := &blob{f: f, info: info}
	if !info.Regular {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if !s.verified.has(d, info) {
		if info.Size > hashedFirst {
			b.content = &firstReader{s: s, ctx: ctx, f: f, info: info, d: d}
			return b, nil
		}
		if err := s.verify(ctx, f, info, d); err != nil {
			return nil, err
		}
	}
	b.content = f.Content()
	return b, nil
}

// verify hashes an open file and remembers it as good, or sets it aside. The position of f does not move.
func (s *Store) verify(ctx context.Context, f disk.File, info disk.Info, d digest.Digest) error {
	got, n, err := hashFile(ctx, f, info.Size, d.Algorithm())
	if err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	return s.judge(f, info, d, got, n)
}

// hashFile hashes the first size bytes of a file. Its position does not move.
func hashFile(ctx context.Context, f disk.File, size int64, alg digest.Algorithm) (digest.Digest, int64, error) {
	h := alg.Hash()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{h}, &contextReader{ctx, io.NewSectionReader(f, 0, size)}, *buf)
	return digest.NewDigest(alg, h), n, err
}

// judge compares the digest that n bytes of a file turned out to have with its own.
func (s *Store) judge(f disk.File, info disk.Info, d, got digest.Digest, n int64) error {
	if got == d {
		s.verified.add(d, info)
		return nil
	}
	now, err := f.Stat()
	if err == nil && !now.Same(info) {
		return fmt.Errorf("read blob %s: it changed meanwhile", d)
	}
	what := fmt.Sprintf("%d bytes with the digest %s", n, got)
	s.setAside(d, info, what)
	return &storage.DamagedError{Digest: string(d), What: what}
}

// setAside moves a damaged blob out of the way, so that it is missing and the next push of the good bytes heals it. A manifest stays where
// it is: without it, distribution's collection would take its layers for garbage.
func (s *Store) setAside(d digest.Digest, info disk.Info, what string) (to string) {
	s.log.Error("stored blob is damaged", "digest", d, "what", what)
	leave, err := s.enter()
	if err != nil {
		return ""
	}
	defer leave()
	return s.quarantine(d, info)
}

// quarantine is setAside for whoever has entered.
func (s *Store) quarantine(d digest.Digest, info disk.Info) (to string) {
	defer s.locks.exclusive(d)()
	name := blobPath(d)
	if now, err := s.disk.Stat(name); err != nil || !now.Same(info) {
		return "" // healed or gone meanwhile
	}
	if info.Size <= maxManifest && s.isManifest(d) {
		return ""
	}
	to = quarantineDir + "/" + flat(d) + "." + strings.TrimPrefix(s.temporary(), stageDir+"/")
	if err := s.disk.Rename(name, to); err != nil {
		s.log.Error("set damaged blob aside", "digest", d, "error", err)
		return ""
	}
	dir := parentOf(name)
	if s.disk.Remove(dir) == nil { // else there is something odd in it, which stays
		dir = parentOf(dir)
	}
	if err := s.barrier.wait(nil, []string{dir, quarantineDir}); err != nil {
		s.log.Error("set damaged blob aside", "digest", d, "error", err)
	}
	return to
}

// firstReader reads a blob nobody has checked since it changed. Read from the start, it hashes on the way and keeps the end back until the
// digest was found right; read from elsewhere or asked to Check, it checks first, or beside it where that would take long.
type firstReader struct {
	s    *Store
	ctx  context.Context
	f    disk.File
	info disk.Info
	d    digest.Digest

	pos     int64
	h       hash.Hash // nil until the first read from the start
	hashed  int64
	tail    []byte // the end, once checked
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

// stream hands out what comes before the end, hashing it.
func (r *firstReader) stream(p []byte) (int, error) {
	if r.h == nil {
		r.h = r.d.Algorithm().Hash()
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
		if r.failed = r.s.judge(r.f, r.info, r.d, digest.NewDigest(r.d.Algorithm(), r.h), r.info.Size); r.failed != nil {
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

// Check implements storage.Checker. A blob too large to be hashed now is judged by how it is read: from its start, it is hashed on the way.
func (r *firstReader) Check() error {
	if !r.checked && r.failed == nil && r.info.Size <= rangedFirst {
		r.failed = r.ranged()
	}
	return r.failed
}

// ranged prepares for reading from the middle.
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

// verifyLater checks a large blob in the background, one at a time; those that come meanwhile are checked when they are asked for again.
func (s *Store) verifyLater(d digest.Digest) {
	if !s.verifying.CompareAndSwap(false, true) {
		return
	}
	s.start(func(ctx context.Context) {
		defer s.verifying.Store(false)
		f, err := s.disk.Open(blobPath(d))
		if err != nil {
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || s.verified.has(d, info) {
			return
		}
		if err := s.verify(ctx, f, info, d); err != nil {
			s.log.Warn("check blob in the background", "digest", d, "error", err)
		}
	})
}

// contextReader stops reading when ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// onlyWriter hides other methods, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }
