package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
)

// MostReferrer is the largest record of a referrer in bytes: a descriptor with its annotations, of
// which each byte may take six as JSON.
const MostReferrer = 6*manifest.MaxSize + 64<<10

// ErrPageTooSmall is the error of ReferrerPages if the next record is larger than the page may be.
var ErrPageTooSmall = errors.New("the next referrer is larger than the page")

// Referrer is one entry of a listing of referrers.
type Referrer struct {
	Digest       digest.Digest
	ArtifactType string
	Content      []byte // the descriptor as JSON
}

// ReferrerPages is implemented by a Store that reads each referrer from a record. ReferrersAfter
// returns the referrers after last, in the order of their digests: at most n, with records of at
// most size bytes in total. It may return fewer. If next is not empty, the following page starts
// after it. ReferrersAfter returns ErrPageTooSmall, without reading the record, if the first one
// alone exceeds size.
type ReferrerPages interface {
	ReferrersAfter(
		ctx context.Context, repo reference.Repository, d, last digest.Digest, n, size int,
	) (page []Referrer, next digest.Digest, err error)
}

// AllReferrers implements Listings.Referrers for a driver that implements ReferrerPages, by reading
// all pages.
func AllReferrers(ctx context.Context, pages ReferrerPages, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error) {
	all := []manifest.Descriptor{}
	for last := digest.Digest(""); ; {
		page, next, err := pages.ReferrersAfter(ctx, repo, d, last, math.MaxInt, MostReferrer)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			var described manifest.Descriptor
			if err := json.Unmarshal(r.Content, &described); err != nil {
				return nil, fmt.Errorf("read record of referrer %s: %w", r.Digest, err)
			}
			all = append(all, described)
		}
		if next == "" {
			return all, nil
		}
		last = next
	}
}

// ParseReferrer reads the record of referrer d. It does not decode the annotations.
func ParseReferrer(d digest.Digest, body []byte) (Referrer, error) {
	var named struct {
		Digest       digest.Digest `json:"digest"`
		ArtifactType string        `json:"artifactType"`
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return Referrer{}, fmt.Errorf("read record of referrer %s: %w", d, err)
	}
	if named.Digest != d {
		return Referrer{}, fmt.Errorf("read record of referrer %s: it names %q", d, named.Digest)
	}
	return Referrer{Digest: d, ArtifactType: named.ArtifactType, Content: body}, nil
}

// DescribeReferrer returns the record of a manifest of size bytes: its descriptor, as the listing
// shows it (distribution-spec, "Listing Referrers").
func DescribeReferrer(d digest.Digest, size int64, m *manifest.Manifest) ([]byte, error) {
	var body bytes.Buffer
	to := json.NewEncoder(&body)
	to.SetEscapeHTML(false) // an escape takes six bytes
	err := to.Encode(manifest.Descriptor{
		MediaType: m.MediaType, Digest: d, Size: size, Annotations: m.Annotations, ArtifactType: m.ArtifactType,
	})
	if err != nil {
		return nil, fmt.Errorf("describe referrer: %w", err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}
