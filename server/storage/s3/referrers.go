package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// mostReferrer bounds a descriptor with its annotations, in bytes: each byte of those may take six as JSON.
const mostReferrer = 6*manifest.MaxSize + 64<<10

// cachedReferrer is what an entry holds, which follows from the digest of the referrer.
type cachedReferrer struct{ descriptor manifest.Descriptor }

// writeReferrer writes the entry of a manifest with a subject. It comes before the manifest's link, and counts only with it.
func (s *Store) writeReferrer(ctx context.Context, repo string, d digest.Digest, size int64, m *manifest.Manifest) error {
	body, err := storage.DescribeReferrer(d, size, m)
	if err != nil {
		return err
	}
	if _, err := s.bucket.put(ctx, referrerKey(repo, m.Subject.Digest, d), body, condition{}); err != nil {
		return fmt.Errorf("write entry of referrer: %w", err)
	}
	return nil
}

// Referrers implements storage.Listings: all pages of them.
func (s *Store) Referrers(ctx context.Context, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error) {
	return storage.AllReferrers(ctx, s, repo, d)
}

// ReferrersAfter implements storage.ReferrerPages: one listing, and for each entry of it a look at the link and, the first time, at the entry.
func (s *Store) ReferrersAfter(ctx context.Context, repo reference.Repository, d, last digest.Digest, n int) ([]manifest.Descriptor, digest.Digest, error) {
	if err := s.awaitIndex(ctx); err != nil {
		return nil, "", err
	}
	name := repo.String()
	prefix := referrersPrefix(name, d)
	after := prefix
	if last != "" {
		after += flat(last)
	}
	var entries []digest.Digest
	more := true
	for more && len(entries) == 0 { // what is no entry of ours is passed over
		p, err := s.bucket.list(ctx, prefix, after, max(1, min(n, mostListed)), false)
		if err != nil {
			return nil, "", fmt.Errorf("list referrers: %w", err)
		}
		for _, o := range p.objects {
			if r, ok := unflat(strings.TrimPrefix(o.key, prefix)); ok {
				entries = append(entries, r)
			}
		}
		more, after = p.more, p.last
	}
	all := make([]*manifest.Descriptor, len(entries))
	err := inParallel(ctx, len(entries), wide, func(ctx context.Context, i int) error {
		_, _, ok, err := s.linked(ctx, revisionLink(name, entries[i]), entries[i])
		if err != nil || !ok {
			return err
		}
		all[i], err = s.referrer(ctx, prefix+flat(entries[i]), entries[i])
		return err
	})
	if err != nil {
		return nil, "", err
	}
	page := []manifest.Descriptor{}
	for _, r := range all {
		if r != nil {
			page = append(page, *r)
		}
	}
	if !more {
		return page, "", nil
	}
	return page, entries[len(entries)-1], nil
}

// referrer reads an entry; nil where it cannot be read.
func (s *Store) referrer(ctx context.Context, key string, d digest.Digest) (*manifest.Descriptor, error) {
	if c, ok := s.referrers.get(string(d)); ok {
		return &c.descriptor, nil
	}
	body, _, err := read(ctx, s.bucket, key, mostReferrer)
	if errors.Is(err, errMissing) {
		return nil, nil //nolint:nilnil // deleted meanwhile: there is no referrer and no error
	}
	var desc manifest.Descriptor
	if err == nil {
		if jerr := json.Unmarshal(body, &desc); jerr == nil && desc.Digest == d {
			s.referrers.put(string(d), cachedReferrer{desc}, int64(len(body))+overhead)
			return &desc, nil
		}
		err = errTooLong
	}
	if errors.Is(err, errTooLong) {
		s.log.Warn("this record of a referrer cannot be read and is left out; reindex rebuilds it", "key", key)
		return nil, nil //nolint:nilnil // as above
	}
	return nil, fmt.Errorf("read entry of referrer: %w", err)
}

// forgetManifest drops what is remembered of a manifest.
func (s *Store) forgetManifest(d digest.Digest) {
	s.manifests.drop(string(d))
	s.referrers.drop(string(d))
	s.verified.drop(string(d))
}
