package s3

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// copyPiece is how much of an object is copied by one request, in bytes, so that each is answered in good time. It grows where there would be
// more parts than S3 takes.
const copyPiece = 256 << 20

// setAside moves a damaged blob out of the way, so that it is missing for whoever reads the bucket and the next push of the good bytes heals
// it. Manifests stay where they are: without one, distribution's collection would take its layers for garbage.
func (s *Store) setAside(ctx context.Context, d digest.Digest, o object, what string) (to string) {
	s.log.Error("stored blob is damaged", "digest", d, "what", what)
	s.verified.drop(string(d))
	s.damaged.put(string(d), foundIn(o), 1)
	leave, err := s.enter()
	if err != nil {
		return ""
	}
	defer leave()
	// Without conditional deletions the good bytes of somebody who pushes it right now could be lost.
	if !s.traits.ConditionalDrop {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout+time.Duration(o.size/slowestCopy)*time.Second)
	defer cancel()
	if o.size <= manifest.MaxSize && s.isManifest(ctx, d) {
		return ""
	}
	to = quarantineDir + flat(d) + "." + nonce()
	if err := s.copyObject(ctx, blobKey(d), o, to); err != nil {
		if !errors.Is(err, errCondition) && !errors.Is(err, errMissing) {
			s.log.Error("set damaged blob aside", "digest", d, "error", err)
		}
		return "" // else healed or gone meanwhile
	}
	// The good bytes have the ETag of the damaged ones where the engine keeps it beside them.
	if now, err := s.bucket.head(ctx, blobKey(d)); err != nil || foundIn(now) != foundIn(o) {
		_ = s.bucket.delete(ctx, to)
		return ""
	}
	if err := s.bucket.deleteIf(ctx, blobKey(d), o.etag); err != nil {
		_ = s.bucket.delete(ctx, to)
		if !errors.Is(err, errCondition) {
			s.log.Error("set damaged blob aside", "digest", d, "error", err)
		}
		return ""
	}
	return to
}

// copyObject copies an object, which must still be that one.
func (s *Store) copyObject(ctx context.Context, from string, o object, to string) error {
	if o.size == 0 {
		_, err := s.bucket.put(ctx, to, nil, condition{})
		return err
	}
	size := max(copyPiece, (o.size+mostParts-1)/mostParts)
	pieces := int((o.size + size - 1) / size)
	_, err := s.assembleMultipart(ctx, to, o.size, pieces, func(ctx context.Context, id string, i int) (part, error) {
		offset := int64(i) * size
		return s.bucket.copyPart(ctx, to, id, int32(i+1), from, o.etag, offset, min(size, o.size-offset)) //nolint:gosec // at most 10,000
	})
	return err
}

// isManifest tells whether any repository has d as a manifest. It asks every one and is for damage only.
func (s *Store) isManifest(ctx context.Context, d digest.Digest) bool {
	found := false
	err := s.eachRepository(ctx, func(repo string) error {
		_, _, ok, err := s.linked(ctx, revisionLink(repo, d), d)
		if ok {
			found = true
			return errStop
		}
		return err
	})
	return found || err != nil && !errors.Is(err, errStop)
}

var errStop = errors.New("enough")

// damagedManifest says so, in the log too. The object stays where it is.
func (s *Store) damagedManifest(d digest.Digest, what string) error {
	s.log.Error("stored manifest is damaged", "digest", d, "what", what)
	return &storage.DamagedError{Digest: string(d), What: what, Manifest: true}
}
