package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// mostLink is an upper bound on the size of a link, in bytes.
const mostLink = 256

// linked reads the link named after d and returns the digest that it contains, or false if there is
// none. Distribution may name a link by one algorithm and store the digest of another in it. The
// size shows whether the content must be read.
func (s *Store) linked(ctx context.Context, key string, d digest.Digest) (link object, target digest.Digest, ok bool, err error) {
	link, err = s.bucket.head(ctx, key)
	switch {
	case errors.Is(err, errMissing):
		return link, "", false, nil
	case err != nil:
		return link, "", false, fmt.Errorf("look at link: %w", err)
	case link.size == int64(len(d)):
		return link, d, true, nil // the content equals the name
	}
	target, ok, err = s.readLink(ctx, key)
	return link, target, ok, err
}

// readLink returns the digest in a link, or false if the link is missing, empty or invalid.
func (s *Store) readLink(ctx context.Context, key string) (digest.Digest, bool, error) {
	d, _, ok, err := s.readLinkObject(ctx, key)
	return d, ok, err
}

// readLinkObject is readLink that also returns the object.
func (s *Store) readLinkObject(ctx context.Context, key string) (digest.Digest, object, bool, error) {
	body, o, err := read(ctx, s.bucket, key, mostLink)
	switch {
	case errors.Is(err, errMissing):
		return "", o, false, nil
	case errors.Is(err, errTooLong):
		s.log.Warn("this link is too long to hold a digest and is left alone", "key", key)
		return "", o, false, nil
	case err != nil:
		return "", o, false, fmt.Errorf("read link: %w", err)
	}
	d, err := parseLink(body)
	if err != nil {
		s.log.Warn("this link holds no digest and is left alone", "key", key, "bytes", len(body))
		return "", o, false, nil
	}
	return d, o, true, nil
}

func parseLink(body []byte) (digest.Digest, error) {
	return reference.ParseDigest(strings.TrimSpace(string(body)))
}

// data returns the object with the data of a digest, or false if it is missing or known to be
// damaged. Other software may leave an empty object behind after a failed write, so that counts as
// missing.
func (s *Store) data(ctx context.Context, d digest.Digest) (object, bool, error) {
	o, err := s.bucket.head(ctx, blobKey(d))
	if errors.Is(err, errMissing) {
		return o, false, nil
	}
	if err != nil {
		return o, false, fmt.Errorf("look at blob: %w", err)
	}
	return o, s.plausible(d, o), nil
}

func (s *Store) plausible(d digest.Digest, o object) bool {
	if s.bad(d, o) {
		return false
	}
	return o.size > 0 || d == d.Algorithm().FromBytes(nil)
}

func blobUnknown(d digest.Digest) error { return fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d) }

// StatBlob implements storage.Blobs. For a reader, it requests the link and the data in parallel.
func (s *Store) StatBlob(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (int64, error) {
	if touch && !s.opt.ReadOnly {
		return s.statTouched(ctx, repo.String(), d)
	}
	o, target, err := s.find(ctx, repo.String(), d, s.bucket.head)
	if err != nil {
		return 0, err
	}
	if !s.plausible(target, o) {
		return 0, blobUnknown(d)
	}
	return o.size, nil
}

func (s *Store) statTouched(ctx context.Context, repo string, d digest.Digest) (size int64, err error) {
	leave, err := s.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	err = s.guarded(ctx, func(w watch) error {
		found, err := s.hold(ctx, w, held{repo: repo, digest: d, size: -1}, whenRead)
		if err == nil && !found.ok {
			err = blobUnknown(d)
		}
		size = found.data.size
		return err
	})
	return size, err
}

// find requests the link and the data of a blob in parallel.
func (s *Store) find(ctx context.Context, repo string, d digest.Digest, ask func(context.Context, string) (object, error)) (o object, target digest.Digest, err error) {
	var linked bool
	var missing error
	err = together(ctx, func(ctx context.Context) (err error) {
		_, target, linked, err = s.linked(ctx, layerLink(repo, d), d)
		return err
	}, func(ctx context.Context) (err error) {
		o, err = ask(ctx, blobKey(d))
		if errors.Is(err, errMissing) {
			missing, err = err, nil
		}
		return err
	})
	if err == nil && linked && target != d {
		o, missing = object{}, nil
		if o, err = ask(ctx, blobKey(target)); errors.Is(err, errMissing) {
			missing, err = err, nil
		}
	}
	if err == nil && (!linked || missing != nil) {
		err = blobUnknown(d)
	}
	return o, target, err
}

// DeleteBlob implements storage.Blobs.
func (s *Store) DeleteBlob(ctx context.Context, repo reference.Repository, d digest.Digest, force bool) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	key := layerLink(repo.String(), d)
	if _, _, ok, err := s.linked(ctx, key, d); err != nil || !ok {
		if err == nil {
			err = blobUnknown(d)
		}
		return err
	}
	if !force {
		p, err := s.planDeletion(ctx, repo.String(), d, false, false)
		if err == nil {
			err = s.needed(ctx, repo.String(), d, p)
		}
		if err != nil {
			return err
		}
	}
	return s.bucket.delete(ctx, key)
}

// DiscardData implements storage.Blobs.
func (s *Store) DiscardData(ctx context.Context, d digest.Digest) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.forgetManifest(d)
	if err := s.bucket.delete(ctx, blobKey(d)); err != nil {
		return fmt.Errorf("discard data: %w", err)
	}
	return nil
}

// MountBlob implements storage.Blobs. The new link is a reference like any other: it is written
// before the data is checked.
func (s *Store) MountBlob(ctx context.Context, to reference.Repository, candidates []reference.Repository, d digest.Digest) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.guarded(ctx, func(w watch) error {
		if found, err := s.hold(ctx, w, held{repo: to.String(), digest: d, size: -1}, whenAsked); err != nil || found.ok {
			return err
		}
		for _, from := range candidates {
			if err := ctx.Err(); err != nil {
				return err
			}
			found, err := s.hold(ctx, w, held{repo: from.String(), digest: d, size: -1}, whenAsked)
			if err != nil {
				return err
			}
			if !found.ok {
				continue
			}
			return s.link(ctx, w, to.String(), d, found.target)
		}
		return blobUnknown(d)
	})
}

// link writes a layer link and makes sure that the link and the data stay (W1 to W4).
func (s *Store) link(ctx context.Context, w watch, repo string, d, target digest.Digest) error {
	settle, err := s.enterRepository(ctx, w, repo)
	if err != nil {
		return err
	}
	if _, err := s.bucket.put(ctx, layerLink(repo, d), []byte(target), condition{}); err != nil {
		return fmt.Errorf("write link: %w", err)
	}
	if w.active {
		if err := s.free(ctx, target); err != nil {
			return err
		}
	}
	if w.active && !s.without.data {
		// A concurrent deletion may have removed the link or the data.
		found, err := s.hold(ctx, watch{}, held{repo: repo, digest: d, size: -1}, whenAsked)
		if err != nil {
			return err
		}
		if !found.ok {
			return fmt.Errorf("%w: %s", storage.ErrBusy, d)
		}
	}
	return settle(ctx)
}
