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
//	gc/runs/<run>         somebody collects: whoever writes a reference must look at the markers
//	gc/markers/<digest>   what is about to become of one digest
const (
	// condemned: it will be deleted unless somebody needs it. Whoever does replaces the marker.
	condemned = "condemned"
	// deleting: it is being deleted, nothing can save it. Wait, and write it anew.
	deleting = "deleting"
	// released: as if there were no marker.
	released = "released"

	// deleteWait is how long a push waits for a deletion that is under way.
	deleteWait = 30 * time.Second
	// abandoned is the age, by the engine's clock, at which a deletion or an announcement is that of a process that is no more. Requests
	// carry the time at which they were signed, by the engine's clock, and S3 refuses them fifteen minutes later: nothing such a process sent can
	// still arrive.
	abandoned = 20 * time.Minute
	// sendWithin is how long after having made sure a collector may send what follows from it.
	sendWithin = 30 * time.Second
)

// marker is the body of a marker. Run makes each one different, so that its ETag tells it from every other.
type marker struct {
	State string `json:"state"`
	Run   string `json:"run"`
}

func (m marker) body() []byte {
	body, _ := json.Marshal(m) // two strings
	return body
}

// marker reads the marker of a digest; false where there is none.
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

// free makes sure that a digest whose reference was written is not going to be deleted on the strength of what was read before (W2): it
// releases a condemned one and waits for a deletion to end. Afterwards the data has to be looked for.
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
			continue // it changed: look again
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s", storage.ErrBusy, d)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// patience is how long a push waits for a deletion.
func (s *Store) patience() time.Duration {
	return min(deleteWait, max(s.opt.Settle/2, 10*time.Millisecond))
}

// watch is what a change knows about collections: whether one was announced when it looked.
type watch struct {
	at     moment // before looking
	active bool
}

// moment is a time by two clocks: the monotonic one stands still while the machine sleeps, the other one may be set.
type moment struct{ monotonic, wall time.Time }

func (s *Store) moment() moment { return moment{time.Now(), s.opt.Now().Round(0)} }

// since is how long ago a moment was, by whichever clock says more.
func (s *Store) since(m moment) time.Duration {
	return max(time.Since(m.monotonic), s.opt.Now().Round(0).Sub(m.wall))
}

// runState is the last look at the announcements, shared by all changes.
type runState struct {
	turn turn // of whoever looks
	last watch
}

// look tells whether a collection is announced. What was seen up to a twelfth of Settle ago is good enough: a collector that announces
// itself right afterwards waits for all of Settle.
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

// stale tells whether a change has taken so long that a collection may have begun meanwhile.
func (s *Store) stale(w watch) bool { return !w.active && s.since(w.at) > s.opt.Settle/2 }

// removed names halves of the protocol that a test takes out, to see that they are needed.
type removed struct {
	markers    bool // pushes do not look at markers (W2)
	data       bool // pushes do not look for the data afterwards (W3)
	references bool // pushes that keep a manifest do not keep what it refers to
	secondList bool // the collector trusts its first look (G3)
	swap       bool // the collector does not replace its marker before deleting (G4)
}
