package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// PutManifest implements storage.Manifests. It works in this order, with parallel requests in each
// step: hold what the manifest refers to; write the manifest, the referrer entry and the index
// entries; write the revision link and the tag histories; write the tags.
func (s *Store) PutManifest(ctx context.Context, p storage.Put) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	tags := p.TagNames()
	for _, t := range tags {
		defer s.locks.lock("tag " + p.Repository.String() + ":" + t)()
	}
	return s.guarded(ctx, func(w watch) error { return s.putManifest(ctx, w, p, tags) })
}

func (s *Store) putManifest(ctx context.Context, w watch, p storage.Put, tags []string) error {
	repo, d := p.Repository.String(), p.Digest
	var missing []manifest.Reference
	var moves []*tagMove
	err := together(ctx, func(ctx context.Context) (err error) {
		missing, err = s.holdReferences(ctx, w, repo, p.Manifest.References(), 0)
		return err
	}, func(ctx context.Context) error {
		if subject := p.Manifest.Subject; subject != nil {
			return s.subjectSize(ctx, repo, subject)
		}
		return nil
	}, func(ctx context.Context) (err error) {
		moves, err = s.planMoves(ctx, p, tags)
		return err
	})
	if err != nil {
		return err
	}
	if len(missing) > 0 && !p.Sparse {
		return &storage.MissingError{References: missing}
	}
	settle, err := s.writeManifest(ctx, w, p, moves)
	if err != nil {
		return err
	}
	s.health.good(s.opt.Now())
	if err := inParallel(ctx, len(moves), wide, func(ctx context.Context, i int) error { return s.move(ctx, p, moves[i]) }); err != nil {
		return err
	}
	s.rememberManifest(storage.Stored{Digest: d, MediaType: p.Manifest.MediaType, Content: slices.Clone(p.Content), CreatedAt: s.now()})
	// A concurrent deletion of the tag may have removed its index entry. Every writer that creates
	// a tag checks the entry afterwards; if a tag was only moved, its creator has done so.
	if err := inParallel(ctx, len(moves), wide, func(ctx context.Context, i int) error {
		if moves[i].moved {
			return nil
		}
		return s.ensure(ctx, tagEntry(repo, moves[i].tag))
	}); err != nil {
		return err
	}
	return settle(ctx)
}

// writeManifest writes everything but the tags.
func (s *Store) writeManifest(ctx context.Context, w watch, p storage.Put, moves []*tagMove) (settle func(context.Context) error, err error) {
	repo, d := p.Repository.String(), p.Digest
	write := func(ctx context.Context) error {
		etag, err := s.bucket.put(withDigest(ctx, d), blobKey(d), p.Content, condition{})
		if err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
		s.remember(d, etag, int64(len(p.Content)))
		return nil
	}
	first := []func(context.Context) error{write, func(ctx context.Context) error {
		settle, err = s.enterRepository(ctx, w, repo)
		return err
	}}
	if p.Manifest.Subject != nil {
		first = append(first, func(ctx context.Context) error {
			return s.writeReferrer(ctx, repo, d, int64(len(p.Content)), p.Manifest)
		})
	}
	second := []func(context.Context) error{func(ctx context.Context) error {
		return s.putLink(ctx, revisionLink(repo, d), d)
	}}
	for _, m := range moves {
		if m.before == nil {
			first = append(first, func(ctx context.Context) error { return s.putEntry(ctx, tagEntry(repo, m.tag)) })
		}
		second = append(second, func(ctx context.Context) error { return s.putLink(ctx, tagHistoryLink(repo, m.tag, d), d) })
		if m.old != "" {
			first = append(first, func(ctx context.Context) error { return s.losesTag(ctx, m.link, m.target) })
		}
	}
	if err := together(ctx, first...); err != nil {
		return nil, err
	}
	if err := together(ctx, second...); err != nil {
		return nil, err
	}
	if !w.active {
		return settle, nil
	}
	// The revision link just written is the manifest's own reference. A collection may have decided
	// before to delete the content.
	for range 3 {
		if err := s.free(ctx, d); err != nil {
			return nil, err
		}
		found, err := s.hold(ctx, w, held{repo: repo, digest: d, manifest: true, size: int64(len(p.Content))}, whenNeeded)
		if err != nil || found.ok || s.without.data {
			return settle, err
		}
		if err := errors.Join(write(ctx), s.putLink(ctx, revisionLink(repo, d), d)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s", storage.ErrBusy, d)
}

func (s *Store) putLink(ctx context.Context, key string, d digest.Digest) error {
	if _, err := s.bucket.put(ctx, key, []byte(d), condition{}); err != nil {
		return fmt.Errorf("write link: %w", err)
	}
	return nil
}

// tagMove is a tag that does not point to the manifest yet.
type tagMove struct {
	tag    string
	before *object       // the current link; nil: none
	old    digest.Digest // the manifest that it points to; empty: none
	link   object        // revision link of that manifest
	target digest.Digest // digest in that revision link
	there  bool          // already points to the manifest
	moved  bool          // existed, and has not changed since it was read
}

// planMoves returns the tags to move, after checking that each may be moved.
func (s *Store) planMoves(ctx context.Context, p storage.Put, tags []string) ([]*tagMove, error) {
	moves := make([]*tagMove, len(tags))
	err := inParallel(ctx, len(tags), wide, func(ctx context.Context, i int) (err error) {
		moves[i] = &tagMove{tag: tags[i]}
		return s.plan(ctx, p, moves[i])
	})
	if err != nil {
		return nil, err
	}
	// Check one at a time, before anything is written: a Put is rejected as a whole.
	for _, m := range moves {
		if err := m.allowed(p); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(moves, func(m *tagMove) bool { return m.there }), nil
}

// plan reads where a tag points now.
func (s *Store) plan(ctx context.Context, p storage.Put, m *tagMove) error {
	key := tagLink(p.Repository.String(), m.tag)
	m.before, m.old, m.there, m.moved = nil, "", false, false
	body, o, err := read(ctx, s.bucket, key, mostLink)
	switch {
	case errors.Is(err, errMissing):
		return nil
	case err != nil && !errors.Is(err, errTooLong):
		return fmt.Errorf("read tag: %w", err)
	}
	m.before = &o
	old, perr := parseLink(body)
	if perr != nil || err != nil {
		return nil //nolint:nilerr // a link that holds nothing points nowhere
	}
	if old == p.Digest {
		m.there = true
		return nil
	}
	// A tag exists only if its manifest does.
	link, target, ok, err := s.linked(ctx, revisionLink(p.Repository.String(), old), old)
	if ok {
		m.old, m.link, m.target = old, link, target
	}
	return err
}

func (m *tagMove) allowed(p storage.Put) error {
	if m.there {
		return p.Allows(m.tag, p.Digest)
	}
	return p.Allows(m.tag, m.old)
}

// move points a tag to the manifest. It replaces the link only if it has not changed since it was
// read: MayOverwrite was asked about that link, and a delayed request that its client has already
// retried must not undo later acknowledged writes.
func (s *Store) move(ctx context.Context, p storage.Put, m *tagMove) error {
	key := tagLink(p.Repository.String(), m.tag)
	for {
		c := condition{}
		if s.traits.Conditional() {
			c = ifAbsent
			if m.before != nil {
				c = ifMatch(m.before.etag)
			}
		}
		_, err := s.bucket.put(ctx, key, []byte(p.Digest), c)
		if err == nil {
			m.moved = c.etag != ""
			return nil
		}
		if !errors.Is(err, errCondition) {
			return fmt.Errorf("write tag: %w", err)
		}
		if err := s.plan(ctx, p, m); err != nil {
			return err
		}
		if err := m.allowed(p); err != nil || m.there {
			return err
		}
	}
}
