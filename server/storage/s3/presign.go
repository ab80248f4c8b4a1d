package s3

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Presign returns an address at the engine from which a blob of a repository can be read for a while, without credentials. It is empty where
// the blob has to come from here: because this process has not seen yet that its bytes are good, which reading it once changes.
//
// Whoever hears of the address may use it until it expires, so it is for those who may read the blob anyway.
func (s *Store) Presign(ctx context.Context, repo reference.Repository, d digest.Digest, life time.Duration) (string, error) {
	o, target, err := s.find(ctx, repo.String(), d, s.bucket.head)
	if err != nil {
		return "", err
	}
	if !s.plausible(target, o) {
		return "", blobUnknown(d)
	}
	if !s.good(target, o) {
		return "", nil
	}
	return s.bucket.presign(ctx, blobKey(target), life)
}
