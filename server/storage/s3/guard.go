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

// The side of a push. Whoever acknowledges something that refers to a digest has
//
//	W1  written or refreshed the reference
//	W2  then read the digest's marker
//	W3  then seen the data, and the link of a manifest again
//	W4  and acknowledges only if there was no marker, or the marker could be replaced, and the data is present.
//
// If W1 came before the collector's second listing, that listing finds it. If it came after, the marker stood already, and W2 or W3 tells the
// truth. Only while a collection is announced is W2 a request.

// held is one reference that a change rests on.
type held struct {
	repo     string
	digest   digest.Digest
	manifest bool  // held by a revision link; else by a layer link
	size     int64 // that the data must have; -1: any
}

func (h held) link() string {
	if h.manifest {
		return revisionLink(h.repo, h.digest)
	}
	return layerLink(h.repo, h.digest)
}

// holding tells what became of a reference.
type holding struct {
	ok     bool
	target digest.Digest // whose data it is
	data   object
}

// hold makes sure that a reference is there and stays for a window: W1 to W3. Not ok where link or data is missing or the size is another.
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
		// The link may have been deleted in between and been made again just now: what follows finds out whether the data is still there.
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

// stillLinked returns storage.ErrBusy if the link of a manifest, which was there, is gone. A collection may remove
// only the link of an untagged manifest, so that the data is there afterwards and does not show it.
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

// aged tells whether a link is so old that it has to be refreshed, or of a time that is yet to come.
func (s *Store) aged(link object, older age) bool {
	is := s.now().Sub(link.modTime)
	return is > s.opt.Window*time.Duration(older.quarters)/4 || is < -s.opt.Window/4
}

// age is how old, in quarters of the window, a link may be before it is refreshed.
type age struct {
	quarters int
	lenient  bool // a refresh that fails is ignored: the push that follows repeats it
}

var (
	whenRead   = age{1, true}  // by a HEAD or GET of a user who may push
	whenAsked  = age{1, false} // by a push that ends with it
	whenNeeded = age{2, false} // by a manifest
)

// holdManifest is hold for a manifest that was there before: while a collection runs, what it refers to must be safe as well, because its own
// marker may have come after that of a layer.
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

// mostDepth is how deep indexes of indexes are followed.
const mostDepth = 4

// holdReferences holds everything that a manifest needs and returns what is missing. Children of an index
// may be missing: an index may be pushed to a mirror without all of its platforms (distribution-spec,
// "Pushing manifests"). At depth 0, for the manifest that is pushed, content that is intact and has another
// size than stated is a *storage.ReferenceSizeError.
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

// manifestSize returns a *storage.ReferenceSizeError if an intact manifest has another size than another
// manifest states. A damaged one counts as missing.
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
	if c, ok := s.manifests.get(string(subject.Digest)); ok && int64(len(c.stored.Content)) == subject.Size {
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

// sound reports whether data of another size than stated is what its digest says, so that the manifest is wrong.
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

// guarded runs a change that rests on references. It is run again if it took so long that a collection may have begun unnoticed.
func (s *Store) guarded(ctx context.Context, change func(w watch) error) error {
	w, err := s.look(ctx)
	if err != nil {
		return err
	}
	return s.guardedSince(w, change)
}

// mostAgain is how often a change is run again that takes too long.
const mostAgain = 3

// guardedSince is guarded for a change whose first part was done after looking: data that was written before could have been deleted by a
// collection that came and went since.
//
// A change that took a good part of the window is run again as well: what it held at its beginning, and refers to since its end only, may have
// been old enough in between for a collection to take it.
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
