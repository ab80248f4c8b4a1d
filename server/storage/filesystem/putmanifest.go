package filesystem

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// PutManifest implements storage.Manifests.
//
// It holds the locks of the references from the check to the end, to exclude garbage collection.
func (s *Store) PutManifest(ctx context.Context, p storage.Put) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	set, err := s.reserve(int64(len(p.Content)))
	if err != nil {
		return err
	}
	defer set.release()
	if err := ctx.Err(); err != nil {
		return err
	}
	references := p.Manifest.References()
	needed := make([]digest.Digest, 0, len(references))
	for _, r := range references {
		needed = append(needed, r.Digest)
	}
	var damaged []suspect
	defer func() { // after the locks are released
		for _, x := range damaged {
			s.quarantine(x.digest, x.info)
		}
	}()
	defer s.locks.many(p.Digest, needed)()
	defer s.gc.note(append(needed, p.Digest)...)
	if damaged, err = s.checkReferences(ctx, p.Repository.String(), references, p.Sparse); err != nil {
		return err
	}
	if subject := p.Manifest.Subject; subject != nil { // the subject may be missing
		if _, err := s.holdsManifest(ctx, p.Repository.String(), subject.Digest, subject.Size, false); err != nil {
			return err
		}
	}
	tags := p.TagNames()
	defer s.locks.tag(p.Repository.String(), tags...)()
	return s.putManifest(p, tags)
}

// suspect is a blob found damaged while its lock was held. It is quarantined afterwards, so that
// clients find it missing and push the intact bytes.
type suspect struct {
	digest digest.Digest
	info   disk.Info
}

// checkReferences verifies that the repository holds everything a manifest needs, with the stated
// sizes, and touches it. Children of an index may be missing: an index may be pushed to a mirror
// without all of its platforms (distribution-spec, "Pushing manifests": a registry MAY refuse). With
// sparse, blobs may be missing, too.
func (s *Store) checkReferences(
	ctx context.Context, repo string, references []manifest.Reference, sparse bool,
) (damaged []suspect, err error) {
	var missing []manifest.Reference
	for _, r := range references {
		if err := ctx.Err(); err != nil {
			return damaged, err
		}
		ok, bad, err := s.holdsReference(ctx, repo, r)
		if err != nil {
			return damaged, err
		}
		if bad != nil {
			damaged = append(damaged, *bad)
		}
		if !ok && !r.Foreign && r.Kind != manifest.Child && !sparse {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		return damaged, &storage.MissingError{References: missing}
	}
	return damaged, nil
}

// holdsReference reports whether the repository has content that a manifest refers to. It returns a
// *storage.ReferenceSizeError if the content is intact and has another size. bad is a damaged blob.
func (s *Store) holdsReference(ctx context.Context, repo string, r manifest.Reference) (ok bool, bad *suspect, err error) {
	if r.Kind == manifest.Child {
		ok, err := s.holdsManifest(ctx, repo, r.Digest, r.Size, true)
		return ok, nil, err
	}
	target, info, ok, err := s.linkOf(repo, r.Digest, s.touch)
	if err != nil || !ok {
		return false, nil, err
	}
	if target != r.Digest {
		s.gc.note(target)
	}
	if r.Foreign { // foreign content need not be here, so it is not compared
		return true, nil, nil
	}
	intact, err := s.intact(ctx, target, info, r.Size)
	if err == nil && !intact {
		s.log.Error("stored blob is damaged", "digest", target, "size", info.Size, "stated", r.Size)
		return false, &suspect{target, info}, nil
	}
	return intact, nil, err
}

// holdsManifest reports whether the repository has a manifest, and compares its size with the one
// that another manifest states. A damaged manifest is left in place and counts as missing.
func (s *Store) holdsManifest(ctx context.Context, repo string, d digest.Digest, stated int64, touch bool) (bool, error) {
	dir := revisionDir(repo, d)
	target, link, ok, err := s.linked(dir, d)
	if err == nil && ok && touch {
		err = s.touch(dir, link)
	}
	if err != nil || !ok {
		return false, err
	}
	info, ok, err := s.data(target)
	if err != nil || !ok {
		return false, err
	}
	return s.intact(ctx, target, info, stated)
}

// intact reports whether the data of d can match its digest: it has the stated size, or it was
// verified. For intact data of another size, it returns a *storage.ReferenceSizeError.
func (s *Store) intact(ctx context.Context, d digest.Digest, info disk.Info, stated int64) (bool, error) {
	if info.Size == stated {
		return true, nil
	}
	wrong := &storage.ReferenceSizeError{Digest: d, Stated: stated, Stored: info.Size}
	if s.verified.has(d, info) {
		return false, wrong
	}
	// Either the manifest or the data is wrong.
	f, err := s.disk.Open(blobPath(d))
	if err != nil {
		return false, fmt.Errorf("open blob %s: %w", d, err)
	}
	defer f.Close()
	epoch := s.verified.epoch()
	got, _, err := hashFile(ctx, f, info.Size, d.Algorithm())
	if err != nil {
		return false, fmt.Errorf("verify blob %s: %w", d, err)
	}
	if got != d {
		return false, nil
	}
	s.verified.add(d, info, epoch)
	return false, wrong
}

// putManifest writes a manifest, its links and its tags. The caller holds the locks of all of them.
func (s *Store) putManifest(p storage.Put, tags []string) error {
	repo, d := p.Repository.String(), p.Digest
	moved, err := s.movedTags(p, tags)
	if err != nil {
		return err
	}
	epoch := s.verified.epoch()
	c := s.begin()
	defer c.end()
	if err := c.repository(repo); err != nil {
		return mapped(err)
	}
	sound := s.sound(d, int64(len(p.Content)))
	if !sound {
		if err := c.write(blobPath(d), p.Content); err != nil {
			return mapped(err)
		}
	}
	if err := c.referrer(p); err != nil {
		return mapped(err)
	}
	if err := c.revision(repo, d); err != nil {
		return mapped(err)
	}
	for _, t := range moved {
		if err := c.tag(repo, t, d); err != nil {
			return mapped(err)
		}
	}
	if err := c.contents(); err != nil {
		return mapped(err)
	}
	if err := s.tagIndex.pointing(repo, moved, d); err != nil {
		return mapped(err)
	}
	if err := c.names(); err != nil {
		return mapped(err)
	}
	if c.linked {
		s.tagIndex.linked(repo, d)
		s.needs.note(repo, d, p.Manifest)
	}
	for _, t := range moved {
		s.pointers.Remove(pointerKey{repo, t})
	}
	if info, ok, err := s.data(d); err == nil && ok && !sound {
		s.verified.add(d, info, epoch)
		s.remember(d, p.Manifest.MediaType, slices.Clone(p.Content), info)
	}
	return nil
}

// movedTags returns the tags that do not point to the manifest yet, after checking that each may be
// moved, and touches the manifests they point to.
func (s *Store) movedTags(p storage.Put, tags []string) ([]string, error) {
	repo := p.Repository.String()
	var moved []string
	for _, t := range tags {
		old, ok, err := s.resolve(repo, t)
		if err != nil {
			return nil, err
		}
		if !ok {
			old = ""
		}
		if err := p.Allows(t, old); err != nil {
			return nil, err
		}
		if ok && old == p.Digest && !s.doubt.has(tagLink(repo, t)) && !s.doubt.has(tagDir(repo, t)) {
			continue
		}
		if ok && old != p.Digest {
			if err := s.losesTag(repo, old); err != nil {
				return nil, err
			}
		}
		moved = append(moved, t)
	}
	return moved, nil
}

// losesTag refreshes the link of a manifest before it loses a tag: the time after which GC may
// remove it as untagged starts now.
func (s *Store) losesTag(repo string, d digest.Digest) error {
	dir := revisionDir(repo, d)
	_, info, ok, err := s.linked(dir, d)
	if err == nil && ok {
		err = s.touch(dir, info)
	}
	if absent(err) { // deleted in the meantime
		return nil
	}
	return err
}

// revision links a manifest in its repository, or touches the existing link.
func (c *change) revision(repo string, d digest.Digest) error {
	dir := revisionDir(repo, d)
	target, info, ok, err := c.s.linked(dir, d)
	if err != nil {
		return err
	}
	if ok && target == d && !c.s.doubt.has(dir+"/link") {
		return c.s.touch(dir, info)
	}
	if err := c.write(dir+"/link", []byte(d)); err != nil {
		return err
	}
	c.first[len(c.first)-1].around = func(rename func() error) error { return c.s.referrers.around(repo, d.Algorithm(), rename) }
	c.linked = true
	return nil
}

// tag points a tag to a manifest. A new tag is a directory that appears atomically; an existing one
// moves after everything else is durable.
func (c *change) tag(repo, tag string, d digest.Digest) error {
	dir, body := tagDir(repo, tag), []byte(d)
	_, err := c.s.disk.Stat(dir)
	if err == nil {
		o, err := c.s.originOf(repo, tag)
		if err != nil {
			return err
		}
		if err := c.write(tagIndexDir(repo, tag, d)+"/link", body); err != nil {
			return err
		}
		if err := c.writeLast(tagLink(repo, tag), body, o); err != nil {
			return err
		}
		// The directory may not have been a valid tag before.
		c.last[len(c.last)-1].around = func(rename func() error) error { return c.s.tagLists.around(repo, tag, rename) }
		return nil
	}
	if !absent(err) {
		return fmt.Errorf("stat tag: %w", err)
	}
	tmp := c.s.temporary()
	c.first = append(c.first, move{from: tmp, to: dir, around: func(rename func() error) error {
		return c.s.tagLists.around(repo, tag, rename)
	}})
	index := tmp + "/index"
	alg := index + "/" + string(d.Algorithm())
	for _, dir := range []string{tmp, tmp + "/current", index, alg, alg + "/" + d.Encoded()} {
		if err := c.s.inStage(func() error { return c.s.disk.Mkdir(dir) }); err != nil {
			return fmt.Errorf("stage tag: %w", err)
		}
		if c.j == nil {
			c.dirs = append(c.dirs, dir)
		}
	}
	return errors.Join(
		c.inside(alg+"/"+d.Encoded()+"/link", tagIndexDir(repo, tag, d)+"/link", body, nil),
		c.inside(tmp+"/current/link", tagLink(repo, tag), body, &origin{}),
	)
}

// originOf returns the origin of a tag's link before it moves. The caller holds the tag's lock.
func (s *Store) originOf(repo, tag string) (*origin, error) {
	info, err := s.disk.Stat(tagLink(repo, tag))
	if absent(err) || err == nil && !info.Regular {
		return &origin{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stat tag: %w", err)
	}
	held, _, err := s.pointsTo(repo, tag)
	return &origin{before: identityOf(info), held: string(held)}, err
}
