package filesystem

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// verify hashes an open file and records it as intact, or quarantines it. The position of f does
// not move.
func (s *Store) verify(ctx context.Context, f disk.File, info disk.Info, d digest.Digest) error {
	epoch := s.verified.epoch()
	got, n, err := hashFile(ctx, f, info.Size, d.Algorithm())
	if err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	return s.checkDigest(f, info, d, got, n, epoch)
}

// hashFile hashes the first size bytes of a file. Its position does not move.
func hashFile(ctx context.Context, f disk.File, size int64, alg digest.Algorithm) (digest.Digest, int64, error) {
	h := alg.Hash()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{h}, &contextReader{ctx, io.NewSectionReader(f, 0, size)}, *buf)
	return digest.NewDigest(alg, h), n, err
}

// checkDigest compares got, the digest of n bytes of a file read since epoch, with the expected digest d.
func (s *Store) checkDigest(f disk.File, info disk.Info, d, got digest.Digest, n int64, epoch uint64) error {
	if got == d {
		s.verified.add(d, info, epoch)
		return nil
	}
	now, err := f.Stat()
	if err == nil && !now.Same(info) {
		return fmt.Errorf("read blob %s: it changed meanwhile", d)
	}
	what := fmt.Sprintf("%d bytes with the digest %s", n, got)
	s.verified.forget(d)
	s.setAside(d, info, what)
	return &storage.DamagedError{Digest: string(d), What: what}
}

// verifyLater verifies a large blob in the background. If another verification is running, it does
// nothing; the blob is verified when it is next requested.
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
