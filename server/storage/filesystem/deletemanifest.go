package filesystem

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// DeleteTag implements storage.Manifests.
func (s *Store) DeleteTag(_ context.Context, repo reference.Repository, tag reference.Tag) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer s.locks.tag(repo.String(), tag.String())()
	d, ok, err := s.resolve(repo.String(), tag.String())
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", storage.ErrTagUnknown, tag)
	}
	if err == nil {
		err = s.losesTag(repo.String(), d)
	}
	if err != nil {
		return err
	}
	return s.removeTag(repo.String(), tag.String())
}

// removeTag removes a tag durably. The caller holds its lock.
func (s *Store) removeTag(repo, tag string) error {
	var remove func()
	if err := s.unjournal(tagDir(repo, tag)); err != nil {
		return err
	}
	err := s.tagLists.around(repo, "", func() (err error) {
		remove, err = s.discard(tagDir(repo, tag))
		return err
	})
	if err != nil {
		return fmt.Errorf("delete tag: %w", mapped(err))
	}
	defer remove()
	s.tagLists.gone(repo, tag)
	s.tagIndex.removed(repo, tag)
	s.pointers.Remove(pointerKey{repo, tag})
	return mapped(s.barrier.wait(nil, []string{tagsDir(repo)}))
}

// DeleteManifest implements storage.Manifests. It deletes the tags first, so that pushing the
// manifest again does not restore them.
func (s *Store) DeleteManifest(
	ctx context.Context, repo reference.Repository, d digest.Digest, force bool,
) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	dir := revisionDir(repo.String(), d)
	unlock, err := s.lockForDeletion(ctx, repo.String(), dir, d, force)
	if err != nil {
		return err
	}
	defer unlock()
	_, _, ok, err := s.linked(dir, d)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", storage.ErrManifestUnknown, d)
	}
	if err != nil {
		return err
	}
	return s.removeManifest(ctx, repo.String(), d)
}

// removeManifest removes a manifest from a repository, durably. The caller holds the exclusive lock
// of its digest.
func (s *Store) removeManifest(ctx context.Context, repo string, d digest.Digest) error {
	tags, err := s.tagsOf(ctx, repo, d)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := s.removeTagOf(repo, t, d); err != nil {
			return err
		}
	}
	dir := revisionDir(repo, d)
	if err := s.unjournal(dir); err != nil {
		return err
	}
	var remove func()
	err = s.referrers.around(repo, d.Algorithm(), func() (err error) {
		remove, err = s.discard(dir)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete manifest: %w", mapped(err))
	}
	defer remove()
	if err := s.barrier.wait(nil, []string{parentOf(dir)}); err != nil {
		return mapped(err)
	}
	s.tagIndex.removed(repo, string(d))
	s.referrers.forget(repo, d)
	return nil
}

func (s *Store) removeTagOf(repo, tag string, d digest.Digest) error {
	defer s.locks.tag(repo, tag)()
	now, ok, err := s.pointsTo(repo, tag)
	if err != nil || !ok || now != d {
		return err
	}
	return s.removeTag(repo, tag)
}
