package s3

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Presign returns a URL at the S3 endpoint from which a blob of a repository can be read without
// credentials until it expires. It returns "" for a blob of less than the given number of bytes, and
// if this process has not verified the blob yet; reading it once through the registry verifies it.
//
// Anyone who has the URL can use it, so return it only to clients that may read the blob.
func (s *Store) Presign(
	ctx context.Context, repo reference.Repository, d digest.Digest, life time.Duration, below int64,
) (string, error) {
	o, target, err := s.find(ctx, repo.String(), d, s.bucket.head)
	if err != nil {
		return "", err
	}
	if !s.plausible(target, o) {
		return "", blobUnknown(d)
	}
	if o.size < below || !s.good(target, o) {
		return "", nil
	}
	return s.bucket.presign(ctx, blobKey(target), life)
}
