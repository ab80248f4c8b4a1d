package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// The push side of the protocol. Before acknowledging anything that refers to a digest, a push
//
//	W1  writes or refreshes the reference
//	W2  then reads the digest's marker
//	W3  then checks the data, and the link of a manifest again
//	W4  and acknowledges only if there was no marker or it replaced the marker, and the data exists.
//
// If W1 came before the collector's second listing, that listing finds the reference. If it came
// after, the marker already existed, so W2 or W3 detects the deletion. W2 needs a request only
// while a collection is announced.

// held is one reference that a change depends on.
type held struct {
	repo     string
	digest   digest.Digest
	manifest bool  // referenced by a revision link, else by a layer link
	size     int64 // required size of the data; -1: any
}

func (h held) link() string {
	if h.manifest {
		return revisionLink(h.repo, h.digest)
	}
	return layerLink(h.repo, h.digest)
}

// holding is the result of hold.
type holding struct {
	ok     bool
	target digest.Digest // digest of the data
	data   object
}

// hold makes sure that a reference exists and stays for a window: W1 to W3. The result is not ok if
// the link or data is missing or has another size.
func (s *Store) hold(ctx context.Context, w watch, h held, older age) (holding, error) {
	link, target, ok, err := s.linked(ctx, h.link(), h.digest)
	if err != nil || !ok {
		return holding{}, err
	}
	if s.aged(link, older) {
		if _, err := s.bucket.put(ctx, link.key, []byte(target), condition{}); err != nil {
			if !older.lenient {
				return holding{}, fmt.Errorf("touch link: %w", err)
			}
			s.log.Debug("refresh link for a read", "key", link.key, "error", err)
		}
		// The link may have been deleted in between and recreated by this write. The checks below
		// detect whether the data still exists.
	}
	if w.active {
		if err := s.free(ctx, target); err != nil {
			return holding{}, err
		}
		if err := s.stillLinked(ctx, h); err != nil {
			return holding{}, err
		}
	}
	if s.without.data {
		return holding{ok: true, target: target}, nil
	}
	data, ok, err := s.data(ctx, target)
	if err != nil || !ok || h.size >= 0 && data.size != h.size {
		return holding{}, err
	}
	return holding{ok: true, target: target, data: data}, nil
}

// stillLinked returns storage.ErrBusy if the link of a manifest has been deleted since it was
// checked. GC may remove only the link of an untagged manifest, so checking the data does not
// detect that.
func (s *Store) stillLinked(ctx context.Context, h held) error {
	if !h.manifest || s.without.data {
		return nil
	}
	_, _, ok, err := s.linked(ctx, h.link(), h.digest)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", storage.ErrBusy, h.digest)
	}
	return err
}

// aged reports whether a link is so old that it must be refreshed, or dated in the future.
func (s *Store) aged(link object, older age) bool {
	is := s.now().Sub(link.modTime)
	return is > s.opt.Window*time.Duration(older.quarters)/4 || is < -s.opt.Window/4
}

// age is how old, in quarters of the window, a link may be before it is refreshed.
type age struct {
	quarters int
	lenient  bool // ignore a failed refresh: the following push repeats it
}

var (
	whenRead   = age{1, true}  // by a HEAD or GET of a user who may push
	whenAsked  = age{1, false} // by a push of the digest itself
	whenNeeded = age{2, false} // by a manifest
)

// holdManifest is hold for an existing manifest. While a collection runs, what the manifest refers
// to must be held, too, because its own marker may have been written after that of a layer.
func (s *Store) holdManifest(ctx context.Context, w watch, repo string, d digest.Digest, older age, depth int) (holding, error) {
	found, err := s.hold(ctx, w, held{repo: repo, digest: d, manifest: true, size: -1}, older)
	if err != nil || !found.ok || !w.active || s.without.references {
		return found, err
	}
	stored, err := s.load(ctx, found.target)
	if err != nil {
		if errors.Is(err, storage.ErrManifestUnknown) {
			return holding{}, nil
		}
		return holding{}, err
	}
	m, err := manifest.Parse(stored.Content)
	if err != nil {
		return holding{}, nil //nolint:nilerr // what cannot be read cannot be kept; it is damaged or of another kind
	}
	missing, err := s.holdReferences(ctx, w, repo, m.References(), depth+1)
	if err != nil || len(missing) > 0 {
		return holding{}, err
	}
	return found, nil
}

// mostDepth is how deep nested indexes are followed.
const mostDepth = 4

// holdReferences holds everything that a manifest needs and returns what is missing. Children of an
// index may be missing: an index may be pushed to a mirror without all of its platforms
// (distribution-spec, "Pushing manifests"). At depth 0, for the pushed manifest itself, it returns
// a *storage.ReferenceSizeError if intact content has another size than stated.
func (s *Store) holdReferences(ctx context.Context, w watch, repo string, references []manifest.Reference, depth int) ([]manifest.Reference, error) {
	ok := make([]bool, len(references))
	err := inParallel(ctx, len(references), wide, func(ctx context.Context, i int) (err error) {
		ok[i], err = s.holdReference(ctx, w, repo, references[i], depth)
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []manifest.Reference
	for i, r := range references {
		if !ok[i] && !r.Foreign {
			missing = append(missing, r)
		}
	}
	return missing, nil
}

func (s *Store) holdReference(ctx context.Context, w watch, repo string, r manifest.Reference, depth int) (ok bool, err error) {
	if r.Kind == manifest.Child {
		if depth > mostDepth {
			return true, nil
		}
		found, err := s.holdManifest(ctx, w, repo, r.Digest, whenNeeded, depth)
		if err == nil && found.ok && depth == 0 && !s.without.data && found.data.size != r.Size {
			err = s.manifestSize(ctx, found.target, r.Size)
		}
		return true, err
	}
	found, err := s.hold(ctx, w, held{repo: repo, digest: r.Digest, size: -1}, whenNeeded)
	if err != nil || !found.ok {
		return false, err
	}
	if r.Foreign || s.without.data || found.data.size == r.Size { // foreign content need not be here, so it is not compared
		return true, nil
	}
	ok, err = s.sound(ctx, found.target, found.data)
	if ok && err == nil && depth == 0 {
		err = &storage.ReferenceSizeError{Digest: r.Digest, Stated: r.Size, Stored: found.data.size}
	}
	return ok, err
}

// manifestSize returns a *storage.ReferenceSizeError if an intact manifest has another size than
// the referring manifest states. A damaged one counts as missing.
func (s *Store) manifestSize(ctx context.Context, d digest.Digest, stated int64) error {
	stored, err := s.load(ctx, d)
	switch {
	case errors.Is(err, storage.ErrManifestUnknown):
		return nil
	case err == nil && int64(len(stored.Content)) != stated:
		return &storage.ReferenceSizeError{Digest: d, Stated: stated, Stored: int64(len(stored.Content))}
	}
	return err
}

// subjectSize compares the stated size of a subject, which may be missing, with the manifest in the
// repository. It sends no request if the manifest is cached with that size.
func (s *Store) subjectSize(ctx context.Context, repo string, subject *manifest.Descriptor) error {
	if c, ok := s.manifests.Get(string(subject.Digest)); ok && int64(len(c.stored.Content)) == subject.Size {
		return nil
	}
	_, target, ok, err := s.linked(ctx, revisionLink(repo, subject.Digest), subject.Digest)
	if err != nil || !ok {
		return err
	}
	data, ok, err := s.data(ctx, target)
	if err != nil || !ok || data.size == subject.Size {
		return err
	}
	return s.manifestSize(ctx, target, subject.Size)
}

// sound reports whether data whose size differs from the stated one matches its digest, which means
// that the manifest is wrong.
func (s *Store) sound(ctx context.Context, d digest.Digest, o object) (bool, error) {
	if s.good(d, o) {
		return true, nil
	}
	err := s.verify(ctx, d, o)
	if errors.Is(err, storage.ErrBlobDamaged) {
		return false, nil
	}
	return err == nil, err
}

// guarded runs a change that depends on references. It reruns the change if it took so long that a
// collection may have started unnoticed.
func (s *Store) guarded(ctx context.Context, change func(w watch) error) error {
	w, err := s.look(ctx)
	if err != nil {
		return err
	}
	return s.guardedSince(w, change)
}

// mostAgain is how often a change that takes too long is run.
const mostAgain = 3

// guardedSince is guarded for a change whose first part was done after w was taken: a collection
// that started and ended since could have deleted data written in that part.
//
// A change that took more than a quarter of the window is rerun as well: GC may have removed what
// it held at its beginning but refers to only since its end.
func (s *Store) guardedSince(w watch, change func(w watch) error) error {
	for range mostAgain {
		if s.stale(w) {
			w = watch{at: s.moment(), active: true}
		}
		began := s.moment()
		if err := change(w); err != nil {
			return err
		}
		if s.stale(w) {
			continue
		}
		if s.since(began) <= s.opt.Window/4 {
			return nil
		}
		w = watch{at: s.moment(), active: true}
	}
	return fmt.Errorf("%w: the storage takes too long", storage.ErrBusy)
}
