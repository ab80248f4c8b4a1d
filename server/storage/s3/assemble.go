package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// assemble turns an upload whose hash matches into a blob. S3 copies the parts server-side, so they
// are not transferred again. The multipart upload is open only while that takes, usually seconds.
func (s *Store) assemble(ctx context.Context, t *taken, d digest.Digest) error {
	u, key := t.u, blobKey(d)
	if len(u.Parts) == 0 {
		// The tail may have been stored in the bucket in between, so hash it again.
		if got := d.Algorithm().FromBytes(t.tail); got != d {
			return &storage.DigestError{Want: d, Got: got}
		}
		return s.putSmall(ctx, t.o, d, t.tail)
	}
	size := t.before.Offset + t.in.n
	pieces := len(u.Parts)
	if len(t.tail) > 0 {
		pieces++
	}
	var changed atomic.Bool // a copied part has another ETag: its bytes may differ, or the ETag is not their hash
	write := func(ctx context.Context) (string, error) {
		etag, err := s.assembleMultipart(ctx, key, size, pieces, func(ctx context.Context, id string, i int) (part, error) {
			number := int32(i + 1) //nolint:gosec // at most 10,000
			if i == len(u.Parts) {
				return s.bucket.putPart(ctx, key, id, number, t.tail)
			}
			p := u.Parts[i]
			copied, err := s.bucket.copyPart(ctx, key, id, number, u.dir+p.Name, p.ETag, 0, p.Size)
			if strings.Trim(copied.etag, `"`) != strings.Trim(p.ETag, `"`) {
				changed.Store(true)
			}
			return copied, s.lostPart(ctx, u, p, err)
		})
		if err != nil {
			return "", fmt.Errorf("put blob together: %w", err)
		}
		return etag, nil
	}
	w, err := s.look(ctx)
	if err != nil {
		return err
	}
	if o, ok, err := s.data(ctx, d); err == nil && ok && o.size == size {
		if s.good(d, o) {
			return s.commit(ctx, w, t.o.Repository.String(), d, written{o.etag, o.size, true}, write)
		}
	}
	etag, err := write(ctx)
	if err != nil {
		return err
	}
	return s.commit(ctx, w, t.o.Repository.String(), d, written{etag, size, !changed.Load()}, write)
}

// lostPart returns errLostBytes if copying a part failed because the part is missing or was
// replaced. Otherwise it returns err.
func (s *Store) lostPart(ctx context.Context, u *session, p piece, err error) error {
	if !errors.Is(err, errMissing) && !errors.Is(err, errCondition) {
		return err
	}
	o, herr := s.bucket.head(ctx, u.dir+p.Name)
	if errors.Is(herr, errMissing) || herr == nil && o.etag != p.ETag {
		return fmt.Errorf("%w: part %s: %w", errLostBytes, p.Name, err)
	}
	return err
}

// assembleMultipart creates an object from n parts, which do produces in parallel.
func (s *Store) assembleMultipart(ctx context.Context, key string, size int64, n int, do func(ctx context.Context, id string, i int) (part, error)) (string, error) {
	if n > mostParts {
		return "", fmt.Errorf("%d parts are too many", n)
	}
	id, note, err := s.openMultipart(ctx, key)
	if err != nil {
		return "", err
	}
	parts := make([]part, n)
	err = inParallel(ctx, n, wide, func(ctx context.Context, i int) (err error) {
		parts[i], err = do(ctx, id, i)
		return err
	})
	etag := ""
	if err == nil {
		etag, err = s.closeMultipart(ctx, key, id, note, parts, size)
	}
	if err != nil {
		s.abort(ctx, key, id, note)
	}
	return etag, err
}
