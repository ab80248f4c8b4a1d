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

// mostLink is more than any link holds, in bytes.
const mostLink = 256

// linked looks at the link that is named by d and returns the digest whose data it means; false where there is none. Distribution may name a
// link by one algorithm and fill it with the digest of another, so what it holds counts: its size tells.
func (s *Store) linked(ctx context.Context, key string, d digest.Digest) (link object, target digest.Digest, ok bool, err error) {
	link, err = s.bucket.head(ctx, key)
	switch {
	case errors.Is(err, errMissing):
		return link, "", false, nil
	case err != nil:
		return link, "", false, fmt.Errorf("look at link: %w", err)
	case link.size == int64(len(d)):
		return link, d, true, nil // it holds what it is named
	}
	target, ok, err = s.readLink(ctx, key)
	return link, target, ok, err
}

// readLink returns the digest a link holds; false where it is missing, empty or odd.
func (s *Store) readLink(ctx context.Context, key string) (digest.Digest, bool, error) {
	d, _, ok, err := s.readLinkObject(ctx, key)
	return d, ok, err
}

// readLinkObject is readLink with the object that it is.
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

// data describes the data of a digest; false where there is none, or what is there is known to be damaged. An empty object is what other
// software leaves of a write that failed.
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

// StatBlob implements storage.Blobs. For a reader link and data are asked for at once.
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

// find asks for the link of a blob and for its data at the same time.
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
func (s *Store) DeleteBlob(ctx context.Context, repo reference.Repository, d digest.Digest) error {
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

// MountBlob implements storage.Blobs. The new link is a reference like any other: it is written first and then the data looked for.
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

// link makes a blob one of a repository's own, and makes sure that it stays (W1 to W4).
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
		// A deletion that ran meanwhile may have taken either.
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
