package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
)

// ReferrerPages is what a Store may be, too, where each referrer that is read costs something: it lists those after one, in the order of their
// digests, of up to n that are on record; how many it reads at once at the most is its own affair. Next is where the following page starts;
// empty: there is none.
type ReferrerPages interface {
	ReferrersAfter(ctx context.Context, repo reference.Repository, d, last digest.Digest, n int) (page []manifest.Descriptor, next digest.Digest, err error)
}

// AllReferrers is Listings.Referrers for an engine that has pages of them: one after the other, in pages as large as the engine gives.
func AllReferrers(ctx context.Context, pages ReferrerPages, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error) {
	all := []manifest.Descriptor{}
	for last := digest.Digest(""); ; {
		page, next, err := pages.ReferrersAfter(ctx, repo, d, last, math.MaxInt)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		last = next
	}
}

// DescribeReferrer is what a referrers index keeps of a manifest of size bytes: its descriptor, as the listing shows it (distribution-spec,
// "Listing Referrers").
func DescribeReferrer(d digest.Digest, size int64, m *manifest.Manifest) ([]byte, error) {
	body, err := json.Marshal(manifest.Descriptor{
		MediaType: m.MediaType, Digest: d, Size: size, Annotations: m.Annotations, ArtifactType: m.ArtifactType,
	})
	if err != nil {
		return nil, fmt.Errorf("describe referrer: %w", err)
	}
	return body, nil
}
