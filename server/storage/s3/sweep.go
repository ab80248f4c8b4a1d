package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// tidyMarkers removes the markers that earlier collections left, except those of current
// candidates.
func (c *collection) tidyMarkers(ctx context.Context) error {
	s := c.s
	return walk(ctx, s.bucket, markersDir, func(o object) error {
		d, ok := unflat(strings.TrimPrefix(o.key, markersDir))
		if !ok || c.by[d] != nil {
			return nil
		}
		m, now, ok, err := s.marker(ctx, d)
		if err != nil || !ok || m.State == deleting && s.now().Sub(now.modTime) <= abandoned {
			return err
		}
		if m.State == released && !s.traits.ConditionalDrop {
			// A released marker has no effect. If it has not changed for long, no process uses it.
			if s.now().Sub(now.modTime) <= abandoned {
				return nil
			}
			return s.bucket.delete(sendBefore(c.told.mutate(ctx), time.Now().Add(sendWithin)), now.key)
		}
		if err := s.dropMarker(c.told.mutate(ctx), now.key, now.etag); !errors.Is(err, errCondition) {
			return err
		}
		return nil
	})
}

// dropMarker removes a marker if its ETag matches. If the service does not support conditional
// deletion, it replaces the marker by a released one.
func (s *Store) dropMarker(ctx context.Context, key, etag string) error {
	if s.traits.ConditionalDrop {
		return s.bucket.deleteIf(ctx, key, etag)
	}
	_, err := s.bucket.put(ctx, key, marker{released, nonce()}.body(), ifMatch(etag))
	return err
}

// condemn writes the markers (G2), those of all manifests before the first of a blob.
func (c *collection) condemn(ctx context.Context) error {
	manifests := 0
	for manifests < len(c.candidates) && c.candidates[manifests].manifest {
		manifests++
	}
	for _, some := range [][]*candidate{c.candidates[:manifests], c.candidates[manifests:]} {
		err := inParallel(ctx, len(some), wide, func(ctx context.Context, i int) error { return c.condemnOne(ctx, some[i]) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) condemnOne(ctx context.Context, d *candidate) error {
	s, body := c.s, marker{condemned, c.told.id}.body()
	etag, err := s.bucket.put(c.told.mutate(ctx), markerKey(d.digest), body, ifAbsent)
	if errors.Is(err, errCondition) {
		var m marker
		var o object
		var ok bool
		if m, o, ok, err = s.marker(ctx, d.digest); err != nil {
			return err
		}
		switch {
		case ok && m == (marker{condemned, c.told.id}):
			d.etag = o.etag // an attempt whose response was lost wrote it
			return nil
		case !ok, m.State == deleting && s.now().Sub(o.modTime) <= abandoned:
			d.why = "another collection is at it"
			return nil
		}
		etag, err = s.bucket.put(c.told.mutate(ctx), markerKey(d.digest), body, ifMatch(o.etag))
		if errors.Is(err, errCondition) {
			d.why = "it is in use again"
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("put marker: %w", err)
	}
	d.etag = etag
	return nil
}

// sweepWide is how many digests are deleted in parallel.
const sweepWide = 8

// sweep finishes each candidate (G3 to G6). A failure affects only that candidate and is reported
// as a problem.
func (c *collection) sweep(ctx context.Context) error {
	var mu sync.Mutex
	return inParallel(ctx, len(c.candidates), sweepWide, func(ctx context.Context, i int) error {
		d := c.candidates[i]
		if d.why != "" {
			return nil
		}
		links, data, err := c.sweepOne(ctx, d)
		mu.Lock()
		defer mu.Unlock()
		for _, l := range links {
			if k, ok := parseRepoKey(l); ok {
				c.removedLinks[k.repo]++
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.problem("%s: %v", d.digest, err)
			d.why = "deleting it failed"
			return nil
		}
		if d.why == "" {
			c.removed(d, data, links)
		}
		return nil
	})
}

func (c *collection) sweepOne(ctx context.Context, d *candidate) (links []string, data bool, err error) {
	s := c.s
	links, data = c.decide(d)
	if d.why != "" {
		if err := s.dropMarker(c.told.mutate(ctx), markerKey(d.digest), d.etag); err != nil && !errors.Is(err, errCondition) {
			return nil, false, err
		}
		return nil, false, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	// From here on, the digest cannot be saved, and pushes that need it wait. All requests are sent
	// before a deadline, so that none can arrive after the marker expires. Canceling the collection
	// does not interrupt the deletion: an abandoned request could still be carried out at any time.
	ctx, stop := cleanup(sendBefore(c.told.mutate(ctx), time.Now().Add(sendWithin)))
	defer stop()
	body := marker{deleting, c.told.id}.body()
	etag, err := s.bucket.put(ctx, markerKey(d.digest), body, ifMatch(d.etag)) // G4
	switch {
	case errors.Is(err, errCondition) && s.without.swap:
	case errors.Is(err, errCondition):
		m, o, ok, merr := s.marker(ctx, d.digest)
		if merr != nil {
			return nil, false, merr
		}
		if !ok || m != (marker{deleting, c.told.id}) {
			d.why = "it is in use again"
			return nil, false, nil
		}
		etag = o.etag // an attempt whose response was lost wrote it
	case err != nil:
		return nil, false, err
	}
	deleted, unsure := unanswered(ctx)
	err = s.deleteAll(deleted, links) // G5
	if err == nil && data {
		err = s.bucket.delete(deleted, blobKey(d.digest))
	}
	s.forgetManifest(d.digest)
	if unsure.Load() > 0 || err != nil && !errors.Is(err, errLate) {
		// An abandoned and retried attempt may be carried out after this digest was pushed again.
		// To block such pushes until the attempt would be rejected as too late, keep the marker,
		// and the announcement that makes pushes check it.
		c.told.unsure.Store(true)
		return links, data && err == nil, err
	}
	if err != nil {
		return nil, false, err
	}
	if data && !s.traits.ConditionalDrop {
		// No other process replaces this marker while it is young, and without data the digest is
		// not condemned again.
		return links, data, s.bucket.delete(ctx, markerKey(d.digest)) // G6
	}
	if err := s.dropMarker(ctx, markerKey(d.digest), etag); err != nil && !errors.Is(err, errCondition) { // G6
		return links, data, err
	}
	return links, data, nil
}

// decide compares a candidate with the second survey (G3) and returns what to delete, or sets why
// it is kept.
func (c *collection) decide(d *candidate) (links []string, data bool) {
	switch {
	case d.now == nil:
		d.why = "it is gone already"
		return nil, false
	case d.gone:
		return d.now.links, d.data()
	case !d.untagged:
		d.why = "it is in use again"
		return nil, false
	}
	// Other repositories may still contain the manifest.
	for _, u := range c.untagged[d.digest] {
		links = append(links, u.link.key)
	}
	if len(links) == 0 {
		d.why = "it is in use again"
	}
	return links, false
}
