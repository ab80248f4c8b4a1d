package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// seen is data that was hashed and found good. It stays good as long as ETag and size are these: an engine on a file system may keep the ETag
// of an object whose file somebody has cut.
type seen struct {
	etag string
	size int64
}

// found is data that was hashed and found bad. The good bytes may come to have the ETag that the engine still tells of the damaged ones: the time
// at which they were written tells them apart.
type found struct {
	seen
	at int64 // in whole seconds, as some answers have it
}

func foundIn(o object) found { return found{seen{o.etag, o.size}, o.modTime.Unix()} }

// bad tells whether this process has seen that an object does not hold the bytes of a digest.
func (s *Store) bad(d digest.Digest, o object) bool {
	was, ok := s.damaged.get(string(d))
	return ok && was == foundIn(o)
}

// good tells whether this process has seen that an object holds the bytes of a digest.
func (s *Store) good(d digest.Digest, o object) bool {
	was, ok := s.verified.get(string(d))
	return ok && was == seen{o.etag, o.size}
}

// remember notes that the data of a digest is good as long as it has that ETag and size.
func (s *Store) remember(d digest.Digest, etag string, size int64) {
	s.verified.put(string(d), seen{etag, size}, 1)
	s.damaged.drop(string(d))
}

// check finds out whether a blob is good before a part of it is handed out: at once where that does not take long, else in the background. Of
// many who ask at the same time, as clients that fetch the ranges of a blob side by side do, one reads it.
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
		// Somebody has pushed it again meanwhile.
		size := o.size
		if o, err = s.bucket.head(ctx, blobKey(d)); err == nil && o.size != size {
			err = fmt.Errorf("check blob: it was replaced by %d bytes: %w", o.size, errCondition)
		}
		if err != nil {
			return err
		}
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
		s.remember(d, o.etag, o.size)
		return nil
	}
	what := fmt.Sprintf("%d bytes with the digest %s", o.size, got)
	s.setAside(ctx, d, o, what)
	return &storage.DamagedError{Digest: string(d), What: what}
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

// onlyWriter and onlyReader hide other methods, so that io.CopyBuffer uses its buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
