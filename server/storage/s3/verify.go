package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// seen is data that was hashed and found intact. It counts as intact while both ETag and size
// match: a service backed by a file system may keep the ETag of an object whose file was truncated.
type seen struct {
	etag string
	size int64
}

// found is data that was hashed and found damaged. Intact bytes may get the same ETag as the
// damaged ones, so the modification time distinguishes them.
type found struct {
	seen
	at int64 // in whole seconds, the resolution of some responses
}

func foundIn(o object) found { return found{seen{o.etag, o.size}, o.modTime.Unix()} }

// bad reports whether this process has found an object to be damaged.
func (s *Store) bad(d digest.Digest, o object) bool {
	was, ok := s.damaged.Get(string(d))
	return ok && was == foundIn(o)
}

// good reports whether this process has verified an object as intact.
func (s *Store) good(d digest.Digest, o object) bool {
	was, ok := s.verified.Get(string(d))
	return ok && was == seen{o.etag, o.size}
}

// remember records that the data of a digest with that ETag and size is intact.
func (s *Store) remember(d digest.Digest, etag string, size int64) {
	s.verified.Put(string(d), seen{etag, size}, 1)
	s.damaged.Remove(string(d))
}

// check verifies a blob before a part of it is served: immediately if that is fast, else in the
// background. Of concurrent callers, such as clients that fetch ranges in parallel, only one reads
// the blob.
func (s *Store) check(ctx context.Context, d digest.Digest, o object) error {
	if s.good(d, o) {
		return nil
	}
	if o.size > s.rangedFirst {
		s.verifyLater(d, o)
		return nil
	}
	defer s.locks.lock("verify " + string(d))()
	for attempt := 0; ; attempt++ {
		if s.good(d, o) {
			return nil
		}
		err := s.verify(ctx, d, o)
		if !errors.Is(err, errCondition) || attempt == mostBroken {
			return err
		}
		// It was pushed again in the meantime.
		size := o.size
		if o, err = s.bucket.head(ctx, blobKey(d)); err == nil && o.size != size {
			err = fmt.Errorf("check blob: it was replaced by %d bytes: %w", o.size, errCondition)
		}
		if err != nil {
			return err
		}
	}
}

// verify hashes a whole object and records it as intact, or quarantines it.
func (s *Store) verify(ctx context.Context, d digest.Digest, o object) error {
	src := &source{s: s, ctx: ctx, key: blobKey(d), o: o}
	defer src.drop()
	h := d.Algorithm().Hash()
	if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{src}, make([]byte, 128<<10)); err != nil {
		return err
	}
	return s.checkDigest(ctx, d, o, digest.NewDigest(d.Algorithm(), h))
}

// checkDigest compares the computed digest of an object with the expected one.
func (s *Store) checkDigest(ctx context.Context, d digest.Digest, o object, got digest.Digest) error {
	if got == d {
		s.remember(d, o.etag, o.size)
		return nil
	}
	what := fmt.Sprintf("%d bytes with the digest %s", o.size, got)
	s.setAside(ctx, d, o, what)
	return &storage.DamagedError{Digest: string(d), What: what}
}

// verifyLater verifies a large blob in the background. If another verification is running, it does
// nothing; the blob is verified when it is next requested.
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

// onlyWriter and onlyReader hide other methods, so that io.CopyBuffer uses its buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
