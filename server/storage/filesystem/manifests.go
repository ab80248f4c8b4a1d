package filesystem

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// maxManifest is the largest manifest read, in bytes.
const maxManifest = manifest.MaxSize

// GetManifest implements storage.Manifests.
func (s *Store) GetManifest(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (storage.Stored, error) {
	if touch = touch && !s.opt.ReadOnly; touch {
		var leave func()
		if leave, touch = s.enterRead(ctx); touch {
			defer leave()
			defer s.locks.shared(d)()
			defer s.gc.note(d)
		}
	}
	dir := revisionDir(repo.String(), d)
	target, link, ok, err := s.linked(dir, d)
	if err != nil {
		return storage.Stored{}, err
	}
	if !ok || touch && s.doubt.has(dir+"/link") {
		return storage.Stored{}, fmt.Errorf("%w: %s", storage.ErrManifestUnknown, d)
	}
	if touch {
		_ = s.tryTouch(dir, link)
	}
	stored, err := s.load(target)
	stored.Digest = d
	return stored, err
}

// load returns a verified manifest from the cache or disk.
func (s *Store) load(d digest.Digest) (storage.Stored, error) {
	info, ok, err := s.data(d)
	if err != nil {
		return storage.Stored{}, err
	}
	if !ok {
		return storage.Stored{}, fmt.Errorf("%w: %s has no data", storage.ErrManifestUnknown, d)
	}
	if c, hit := s.manifests.Get(d); hit && c.info.Same(info) {
		return c.stored, nil
	}
	return s.loadFromDisk(d)
}

func (s *Store) loadFromDisk(d digest.Digest) (storage.Stored, error) {
	f, err := s.disk.Open(blobPath(d))
	if err != nil {
		if absent(err) {
			err = storage.ErrManifestUnknown
		}
		return storage.Stored{}, fmt.Errorf("open manifest %s: %w", d, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return storage.Stored{}, fmt.Errorf("stat manifest %s: %w", d, err)
	}
	if info.Size > maxManifest {
		return storage.Stored{}, s.damagedManifest(d, fmt.Sprintf("it has %d bytes, manifests have up to %d", info.Size, int64(maxManifest)))
	}
	body, epoch := make([]byte, info.Size), s.verified.epoch()
	if n, err := f.ReadAt(body, 0); int64(n) < info.Size {
		s.verified.forget(d)
		return storage.Stored{}, fmt.Errorf("read manifest %s: %w", d, err)
	}
	if got := d.Algorithm().FromBytes(body); got != d {
		return storage.Stored{}, s.damagedManifest(d, fmt.Sprintf("its %d bytes have the digest %s", info.Size, got))
	}
	m, err := manifest.Parse(body)
	if err != nil {
		return storage.Stored{}, s.damagedManifest(d, "it is not a manifest of a type served here: "+err.Error())
	}
	s.verified.add(d, info, epoch)
	return s.remember(d, m.MediaType, body, info), nil
}

// damagedManifest logs the damage and returns it as an error. The file stays until the manifest is
// pushed again.
func (s *Store) damagedManifest(d digest.Digest, what string) error {
	s.verified.forget(d)
	s.log.Error("stored manifest is damaged", "digest", d, "what", what)
	return &storage.DamagedError{Digest: string(d), What: what, Manifest: true}
}

func (s *Store) remember(d digest.Digest, mediaType string, body []byte, info disk.Info) storage.Stored {
	stored := storage.Stored{Digest: d, MediaType: mediaType, Content: body, CreatedAt: info.ModTime}
	s.manifests.Put(d, cachedManifest{stored, info}, int64(len(body))+overhead)
	return stored
}

// ResolveTag implements storage.Manifests.
func (s *Store) ResolveTag(_ context.Context, repo reference.Repository, tag reference.Tag) (digest.Digest, error) {
	d, ok, err := s.resolve(repo.String(), tag.String())
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("%w: %s", storage.ErrTagUnknown, tag)
	}
	return d, nil
}

// resolve returns what a tag points to. A tag exists if its link is readable and the manifest is in
// the repository.
func (s *Store) resolve(repo, tag string) (digest.Digest, bool, error) {
	d, ok, err := s.pointsTo(repo, tag)
	if err != nil || !ok {
		return "", false, err
	}
	_, _, ok, err = s.linked(revisionDir(repo, d), d)
	return d, ok, err
}

// linkSettled is the minimum age of a link to be cached: within one tick of the disk's clock a tag
// can move twice, and the second link can get the inode of the first, so that they look the same.
const linkSettled = 100 * time.Millisecond

// pointsTo reads a tag's link, whether or not the manifest exists.
func (s *Store) pointsTo(repo, tag string) (digest.Digest, bool, error) {
	link := tagLink(repo, tag)
	asked := time.Now() // not s.now: compared with the change time on disk
	info, err := s.disk.Stat(link)
	if absent(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("stat tag: %w", err)
	}
	key := pointerKey{repo, tag}
	if p, hit := s.pointers.Get(key); hit && p.info.Same(info) {
		return p.digest, true, nil
	}
	if !info.Regular {
		s.log.Warn("this should be a link file and is left alone", "name", link)
		return "", false, nil
	}
	d, ok, err := s.readLink(link)
	if ok && asked.UnixNano()-info.Changed > int64(linkSettled) {
		s.pointers.Put(key, pointer{d, info}, 1)
	}
	return d, ok, err
}

// isManifest reports whether any repository has d as a manifest. It checks every repository, so it
// is only used for damaged content.
func (s *Store) isManifest(d digest.Digest) bool {
	for _, repo := range s.catalogue.all(s.ctx) {
		if _, _, ok, err := s.linked(revisionDir(repo, d), d); err != nil || ok {
			return true
		}
	}
	return false
}
