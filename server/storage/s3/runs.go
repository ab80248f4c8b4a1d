package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// The shared state of collections:
//
//	gc/runs/<run>         a collection is running: writers of references must check the markers
//	gc/markers/<digest>   the pending deletion of one digest
const (
	// condemned: will be deleted unless a push replaces the marker.
	condemned = "condemned"
	// deleting: is being deleted and cannot be saved. Wait, then write it again.
	deleting = "deleting"
	// released: same as no marker.
	released = "released"

	// deleteWait is how long a push waits for a deletion in progress.
	deleteWait = 30 * time.Second
	// abandoned is the age, by the S3 service's clock, at which the process behind a deletion or an
	// announcement is considered dead. Requests carry their signing time, and S3 rejects them after
	// fifteen minutes, so no request of that process can still arrive.
	abandoned = 20 * time.Minute
	// sendWithin is how long after verifying a condition a collector may send requests that depend
	// on it.
	sendWithin = 30 * time.Second
)

// marker is the body of a marker. Run makes each one unique, so that ETags differ.
type marker struct {
	State string `json:"state"`
	Run   string `json:"run"`
}

func (m marker) body() []byte {
	body, _ := json.Marshal(m) // cannot fail
	return body
}

// marker reads the marker of a digest, or returns false if there is none.
func (s *Store) marker(ctx context.Context, d digest.Digest) (marker, object, bool, error) {
	body, o, err := read(ctx, s.bucket, markerKey(d), 4<<10)
	if errors.Is(err, errMissing) {
		return marker{}, o, false, nil
	}
	if err != nil {
		return marker{}, o, false, fmt.Errorf("read marker: %w", err)
	}
	var m marker
	if err := json.Unmarshal(body, &m); err != nil {
		return marker{}, o, false, fmt.Errorf("read marker of %s: %w", d, err)
	}
	return m, o, true, nil
}

// free makes sure that a digest whose reference was just written will not be deleted based on an
// earlier survey (W2): it releases a condemned digest and waits for a deletion in progress. The
// caller must check the data afterwards.
func (s *Store) free(ctx context.Context, d digest.Digest) error {
	if s.without.markers {
		return nil
	}
	patience := s.patience()
	deadline := time.Now().Add(patience)
	for wait := min(50*time.Millisecond, patience/4); ; wait = min(2*wait, time.Second) {
		m, o, ok, err := s.marker(ctx, d)
		if err != nil {
			return err
		}
		switch {
		case !ok || m.State == released:
			return nil
		case m.State == condemned || s.now().Sub(o.modTime) > abandoned:
			_, err := s.bucket.put(ctx, o.key, marker{released, nonce()}.body(), ifMatch(o.etag))
			if err == nil {
				return nil
			}
			if !errors.Is(err, errCondition) {
				return fmt.Errorf("release %s: %w", d, err)
			}
			continue // changed: read it again
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s", storage.ErrBusy, d)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// patience returns how long a push waits for a deletion.
func (s *Store) patience() time.Duration {
	return min(deleteWait, max(s.opt.Settle/2, 10*time.Millisecond))
}

// watch records whether a collection was announced when a change checked.
type watch struct {
	at     moment // before checking
	active bool
}

// moment is a time by two clocks: the monotonic one stops while the machine sleeps, and the wall
// clock can be set.
type moment struct{ monotonic, wall time.Time }

func (s *Store) moment() moment { return moment{time.Now(), s.opt.Now().Round(0)} }

// since returns the time since a moment, by whichever clock shows more.
func (s *Store) since(m moment) time.Duration {
	return max(time.Since(m.monotonic), s.opt.Now().Round(0).Sub(m.wall))
}

// runState is the last check for announcements, shared by all changes.
type runState struct {
	turn turn // held while checking
	last watch
}

// look checks whether a collection is announced. A result up to a twelfth of Settle old is recent
// enough: a collector that announces itself right afterwards waits for all of Settle.
func (s *Store) look(ctx context.Context) (watch, error) {
	if s.without.markers {
		return watch{at: s.moment()}, nil
	}
	r := &s.runs
	done, err := r.turn.take(ctx)
	if err != nil {
		return watch{}, err
	}
	defer done()
	if !r.last.at.wall.IsZero() && s.since(r.last.at) < s.opt.Settle/12 {
		return r.last, nil
	}
	w := watch{at: s.moment()}
	err = walk(ctx, s.bucket, runsDir, func(o object) error {
		w.active = w.active || s.now().Sub(o.modTime) <= abandoned
		return nil
	})
	if err != nil {
		return w, fmt.Errorf("look for collections: %w", err)
	}
	r.last = w
	return w, nil
}

// stale reports whether a change took so long that a collection may have started in the meantime.
func (s *Store) stale(w watch) bool { return !w.active && s.since(w.at) > s.opt.Settle/2 }

// removed disables parts of the protocol, so that tests can show that each is needed.
type removed struct {
	markers    bool // pushes do not check markers (W2)
	data       bool // pushes do not check the data afterwards (W3)
	references bool // pushes that hold a manifest do not hold what it refers to
	secondList bool // the collector relies on its first survey (G3)
	swap       bool // the collector does not replace its marker before deleting (G4)
}
