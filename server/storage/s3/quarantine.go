package s3

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// copyPiece is how many bytes one request copies, so that each responds in time. It grows if there
// would be more parts than S3 accepts.
const copyPiece = 256 << 20

// setAside moves a damaged blob to quarantine, so that readers find it missing and the next push of
// the intact bytes restores it. Manifests are not moved: without one, distribution's garbage
// collection would remove its layers.
func (s *Store) setAside(ctx context.Context, d digest.Digest, o object, what string) (to string) {
	s.log.Error("stored blob is damaged", "digest", d, "what", what)
	s.verified.Remove(string(d))
	s.damaged.Put(string(d), foundIn(o), 1)
	leave, err := s.enter()
	if err != nil {
		return ""
	}
	defer leave()
	// Without conditional deletion, this could delete intact bytes that are being pushed
	// concurrently.
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
		return "" // otherwise restored or deleted in the meantime
	}
	// Intact bytes can have the ETag of the damaged ones if the service stores the ETag separately.
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

// copyObject copies an object, whose ETag must still match.
func (s *Store) copyObject(ctx context.Context, from string, o object, to string) error {
	if o.size == 0 {
		_, err := s.bucket.put(ctx, to, nil, condition{})
		return err
	}
	size := max(s.copyPiece, (o.size+mostParts-1)/mostParts)
	pieces := int((o.size + size - 1) / size)
	_, err := s.assembleMultipart(ctx, to, o.size, pieces, func(ctx context.Context, id string, i int) (part, error) {
		offset := int64(i) * size
		return s.bucket.copyPart(ctx, to, id, int32(i+1), from, o.etag, offset, min(size, o.size-offset)) //nolint:gosec // at most 10,000
	})
	return err
}

// isManifest reports whether any repository has d as a manifest. It checks every repository, so it
// is only used for damaged content.
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

// damagedManifest logs a damaged manifest and returns the error. The object is not moved.
func (s *Store) damagedManifest(d digest.Digest, what string) error {
	s.log.Error("stored manifest is damaged", "digest", d, "what", what)
	return &storage.DamagedError{Digest: string(d), What: what, Manifest: true}
}
