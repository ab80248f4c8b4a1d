package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// commonReferrer is the size in bytes up to which ReferrersAfter reads records in parallel. Larger
// ones it reads one by one, so that a page never holds more than it returns and a few of these.
const commonReferrer = 64 << 10

// writeReferrer writes the referrer entry of a manifest with a subject. The entry is written before
// the manifest's link and is ignored without it.
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

// Referrers implements storage.Listings. It returns all pages.
func (s *Store) Referrers(ctx context.Context, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error) {
	return storage.AllReferrers(ctx, s, repo, d)
}

// ReferrersAfter implements storage.ReferrerPages. It sends one listing and, for each entry of the
// page, a request for the link and, the first time, one for the record.
func (s *Store) ReferrersAfter(
	ctx context.Context, repo reference.Repository, d, last digest.Digest, n, size int,
) ([]storage.Referrer, digest.Digest, error) {
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
	for more && len(entries) == 0 { // skip pages that contain no valid entry
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
	page, from := []storage.Referrer{}, 0
	for some := range slices.Chunk(entries, wide) {
		all, err := s.someReferrers(ctx, name, prefix, some, size)
		if err != nil {
			return nil, "", err
		}
		for i, r := range all {
			if r == nil {
				continue
			}
			if r.Content == nil {
				if r, err = s.referrer(ctx, prefix+flat(some[i]), some[i], size); err != nil {
					return nil, "", err
				}
			}
			switch {
			case r == nil:
			case r.Content != nil && len(r.Content) <= size:
				size -= len(r.Content)
				page = append(page, *r)
			case from+i == 0:
				return nil, "", storage.ErrPageTooSmall
			default:
				return page, entries[from+i-1], nil
			}
		}
		from += len(some)
	}
	if !more {
		return page, "", nil
	}
	return page, entries[len(entries)-1], nil
}

// someReferrers reads entries in parallel. The result holds nil for an entry that does not count,
// and a Referrer without Content for a record that is larger than commonReferrer or size.
func (s *Store) someReferrers(
	ctx context.Context, repo, prefix string, entries []digest.Digest, size int,
) ([]*storage.Referrer, error) {
	all := make([]*storage.Referrer, len(entries))
	err := inParallel(ctx, len(entries), wide, func(ctx context.Context, i int) error {
		_, _, ok, err := s.linked(ctx, revisionLink(repo, entries[i]), entries[i])
		if err != nil || !ok {
			return err
		}
		all[i], err = s.referrer(ctx, prefix+flat(entries[i]), entries[i], min(size, commonReferrer))
		return err
	})
	return all, err
}

// referrer reads an entry. It returns nil if the entry cannot be read, and a Referrer without
// Content if the record has more than size bytes.
func (s *Store) referrer(ctx context.Context, key string, d digest.Digest, size int) (*storage.Referrer, error) {
	if c, ok := s.referrers.Get(string(d)); ok {
		return &c, nil
	}
	body, o, err := read(ctx, s.bucket, key, int64(max(0, size)))
	switch {
	case errors.Is(err, errMissing):
		return nil, nil //nolint:nilnil // deleted meanwhile: there is no referrer and no error
	case errors.Is(err, errTooLong) && o.size <= storage.MostReferrer:
		return &storage.Referrer{Digest: d}, nil
	case err == nil:
		found, perr := storage.ParseReferrer(d, body)
		if perr == nil {
			s.referrers.Put(string(d), found, int64(len(body))+overhead)
			return &found, nil
		}
		err = errTooLong
	}
	if errors.Is(err, errTooLong) {
		s.log.Warn("this record of a referrer cannot be read and is left out; reindex rebuilds it", "key", key)
		return nil, nil //nolint:nilnil // as above
	}
	return nil, fmt.Errorf("read entry of referrer: %w", err)
}

// forgetManifest drops a manifest from the caches.
func (s *Store) forgetManifest(d digest.Digest) {
	s.manifests.Remove(string(d))
	s.referrers.Remove(string(d))
	s.verified.Remove(string(d))
}
