package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

func manifestUnknown(d digest.Digest) error {
	return fmt.Errorf("%w: %s", storage.ErrManifestUnknown, d)
}

// GetManifest implements storage.Manifests. It sends one HEAD for the link and returns the content
// from the cache if possible.
func (s *Store) GetManifest(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (stored storage.Stored, err error) {
	if !touch || s.opt.ReadOnly {
		_, target, ok, err := s.linked(ctx, revisionLink(repo.String(), d), d)
		if err != nil {
			return storage.Stored{}, err
		}
		if !ok {
			return storage.Stored{}, manifestUnknown(d)
		}
		stored, err = s.load(ctx, target)
		stored.Digest = d
		return stored, err
	}
	leave, err := s.enter()
	if err != nil {
		return storage.Stored{}, err
	}
	defer leave()
	err = s.guarded(ctx, func(w watch) error {
		found, err := s.holdManifest(ctx, w, repo.String(), d, whenRead, 0)
		if err != nil {
			return err
		}
		if !found.ok {
			return manifestUnknown(d)
		}
		stored, err = s.load(ctx, found.target)
		stored.Digest = d
		return err
	})
	return stored, err
}

// load returns a verified manifest from the cache or the bucket.
func (s *Store) load(ctx context.Context, d digest.Digest) (storage.Stored, error) {
	if c, ok := s.manifests.Get(string(d)); ok {
		return c.stored, nil
	}
	return s.loadFromBucket(ctx, d)
}

func (s *Store) loadFromBucket(ctx context.Context, d digest.Digest) (storage.Stored, error) {
	body, o, err := s.bucket.get(ctx, blobKey(d), "", 0, -1)
	if errors.Is(err, errMissing) {
		return storage.Stored{}, fmt.Errorf("%w: %s has no data", storage.ErrManifestUnknown, d)
	}
	if err != nil {
		return storage.Stored{}, fmt.Errorf("read manifest: %w", err)
	}
	defer body.Close()
	if o.size > manifest.MaxSize {
		return storage.Stored{}, s.damagedManifest(d, fmt.Sprintf("it has %d bytes, manifests have up to %d", o.size, int64(manifest.MaxSize)))
	}
	// source resumes after a broken connection.
	src := &source{s: s, ctx: ctx, key: blobKey(d), o: o, body: body, end: o.size}
	defer src.drop()
	content := make([]byte, o.size)
	if _, err := io.ReadFull(src, content); err != nil && o.size > 0 {
		return storage.Stored{}, fmt.Errorf("read manifest %s: %w", d, err)
	}
	if got := d.Algorithm().FromBytes(content); got != d {
		return storage.Stored{}, s.damagedManifest(d, fmt.Sprintf("its %d bytes have the digest %s", o.size, got))
	}
	m, err := manifest.Parse(content)
	if err != nil {
		return storage.Stored{}, s.damagedManifest(d, "it is not a manifest of a type served here: "+err.Error())
	}
	s.remember(d, o.etag, o.size)
	return s.rememberManifest(storage.Stored{Digest: d, MediaType: m.MediaType, Content: content, CreatedAt: o.modTime}), nil
}

func (s *Store) rememberManifest(stored storage.Stored) storage.Stored {
	s.manifests.Put(string(stored.Digest), cachedManifest{stored}, int64(len(stored.Content))+overhead)
	return stored
}

// ResolveTag implements storage.Manifests with one GET. It does not check that the manifest exists:
// the caller reads it next, and deleting a manifest deletes its tags first.
func (s *Store) ResolveTag(ctx context.Context, repo reference.Repository, tag reference.Tag) (digest.Digest, error) {
	d, ok, err := s.readLink(ctx, tagLink(repo.String(), tag.String()))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("%w: %s", storage.ErrTagUnknown, tag)
	}
	return d, nil
}
