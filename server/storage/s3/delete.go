package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// DeleteTag implements storage.Manifests.
func (s *Store) DeleteTag(ctx context.Context, repo reference.Repository, tag reference.Tag) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer s.locks.lock("tag " + repo.String() + ":" + tag.String())()
	d, link, ok, err := s.readLinkObject(ctx, tagLink(repo.String(), tag.String()))
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", storage.ErrTagUnknown, tag)
	}
	if err != nil {
		return err
	}
	revision, target, ok, err := s.linked(ctx, revisionLink(repo.String(), d), d)
	if err == nil && ok {
		err = s.losesTag(ctx, revision, target)
	}
	if err != nil {
		return err
	}
	return s.removeTag(ctx, repo.String(), tag.String(), link)
}

// losesTag refreshes the link of a manifest before it loses a tag: the time after which GC may
// remove it as untagged starts now. A link deleted in the meantime is not recreated.
func (s *Store) losesTag(ctx context.Context, link object, target digest.Digest) error {
	if !s.aged(link, whenAsked) {
		return nil
	}
	c := condition{}
	if s.traits.Conditional() {
		c = ifMatch(link.etag)
	}
	if _, err := s.bucket.put(ctx, link.key, []byte(target), c); err != nil && !errors.Is(err, errCondition) {
		return fmt.Errorf("touch link: %w", err)
	}
	return nil
}

// removeTag removes a tag: its current link first, so that the tag no longer exists, then its
// history, then its index entry. If the tag is recreated concurrently, either the writer finds the
// entry missing afterwards or this finds the new tag. A tag that no longer has the given link was
// moved and acknowledged in the meantime, so it stays.
func (s *Store) removeTag(ctx context.Context, repo, tag string, link object) error {
	remove := func() error { return s.bucket.delete(ctx, link.key) }
	if s.traits.ConditionalDrop {
		remove = func() error { return s.bucket.deleteIf(ctx, link.key, link.etag) }
	}
	switch err := remove(); {
	case errors.Is(err, errCondition):
		return nil
	case err != nil:
		return fmt.Errorf("delete tag: %w", err)
	}
	var history []string
	err := walk(ctx, s.bucket, tagPrefix(repo, tag)+"index/", func(o object) error {
		history = append(history, o.key)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list history of tag: %w", err)
	}
	if err := s.deleteAll(ctx, history); err != nil {
		return fmt.Errorf("delete history of tag: %w", err)
	}
	return s.removeTagEntry(ctx, repo, tag)
}

// removeTagEntry removes the index entry of a deleted tag, and restores it if the tag exists again.
func (s *Store) removeTagEntry(ctx context.Context, repo, tag string) error {
	if err := s.bucket.delete(ctx, tagEntry(repo, tag)); err != nil {
		return fmt.Errorf("delete entry of tag: %w", err)
	}
	_, err := s.bucket.head(ctx, tagLink(repo, tag))
	if err == nil {
		return s.putEntry(ctx, tagEntry(repo, tag))
	}
	if !errors.Is(err, errMissing) {
		return fmt.Errorf("look at tag: %w", err)
	}
	return nil
}

func (s *Store) deleteAll(ctx context.Context, keys []string) error {
	for _, err := range s.bucket.deleteMany(ctx, keys) {
		return err
	}
	return nil
}

// DeleteManifest implements storage.Manifests. It deletes the tags first, so that pushing the
// manifest again does not restore them.
func (s *Store) DeleteManifest(ctx context.Context, repo reference.Repository, d digest.Digest, force bool) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if _, _, ok, err := s.linked(ctx, revisionLink(repo.String(), d), d); err != nil || !ok {
		if err == nil {
			err = manifestUnknown(d)
		}
		return err
	}
	p, err := s.planDeletion(ctx, repo.String(), d, true, force)
	if err == nil {
		err = s.needed(ctx, repo.String(), d, p)
	}
	if err != nil {
		return err
	}
	for _, t := range p.tags {
		if err := s.removeTagOf(ctx, repo.String(), t, d); err != nil {
			return err
		}
	}
	return s.removeRevision(ctx, repo.String(), d)
}

// removeRevision removes the link of a manifest and its referrer entry.
func (s *Store) removeRevision(ctx context.Context, repo string, d digest.Digest) error {
	if err := s.bucket.delete(ctx, revisionLink(repo, d)); err != nil {
		return fmt.Errorf("delete manifest: %w", err)
	}
	stored, err := s.load(ctx, d)
	if err != nil {
		return nil //nolint:nilerr // an entry that is left counts for nothing without the link
	}
	if m, err := manifest.Parse(stored.Content); err == nil && m.Subject != nil {
		if err := s.bucket.delete(ctx, referrerKey(repo, m.Subject.Digest, d)); err != nil {
			s.log.Warn("delete the entry of a referrer", "repository", repo, "digest", d, "error", err)
		}
	}
	return nil
}

func (s *Store) removeTagOf(ctx context.Context, repo, tag string, d digest.Digest) error {
	defer s.locks.lock("tag " + repo + ":" + tag)()
	now, link, ok, err := s.readLinkObject(ctx, tagLink(repo, tag))
	if err != nil || !ok || now != d {
		return err
	}
	return s.removeTag(ctx, repo, tag, link)
}
