package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		err := inParallel(ctx, len(some), markersAtOnce, func(ctx context.Context, i int) error {
			return c.condemnOne(ctx, some[i])
		})
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

const (
	// sweptTogether is how many digests are deleted with the same requests.
	sweptTogether = 128
	// sweepWide is how many such groups are deleted in parallel.
	sweepWide = 4
	// markersAtOnce is how many markers are written in parallel. Each digest needs two, which S3
	// answers in 20 to 30 ms each, so this bounds how many digests are deleted per second.
	markersAtOnce = 64
)

// doomed is a candidate that is being deleted.
type doomed struct {
	*candidate
	links []string
	data  bool
	etag  string // of the marker "deleting"
	err   error
}

// sweep finishes the candidates (G3 to G6). A failure affects only that candidate and is reported
// as a problem.
func (c *collection) sweep(ctx context.Context) error {
	var mu sync.Mutex
	groups := slices.Collect(slices.Chunk(c.candidates, sweptTogether))
	return inParallel(ctx, len(groups), sweepWide, func(ctx context.Context, i int) error {
		swept := c.sweepTogether(ctx, groups[i])
		mu.Lock()
		defer mu.Unlock()
		for _, d := range swept {
			c.swept(d)
		}
		return ctx.Err()
	})
}

// swept reports the result of one deletion.
func (c *collection) swept(d *doomed) {
	for _, l := range d.links {
		if k, ok := parseRepoKey(l); ok {
			c.removedLinks[k.repo]++
		}
	}
	if d.err != nil {
		c.problem("%s: %v", d.digest, d.err)
		d.why = "deleting it failed"
		return
	}
	if d.why == "" {
		c.removed(d.candidate, d.data, d.links)
	}
}

// sweepTogether deletes several digests, and returns those that it tried to delete.
func (c *collection) sweepTogether(ctx context.Context, some []*candidate) (all []*doomed) {
	s := c.s
	for _, d := range some {
		if d.why == "" {
			links, data := c.decide(d)
			all = append(all, &doomed{candidate: d, links: links, data: data})
		}
	}
	_ = inParallel(ctx, len(all), markersAtOnce/sweepWide, func(ctx context.Context, i int) error {
		if d := all[i]; d.why != "" {
			err := s.dropMarker(c.told.mutate(ctx), markerKey(d.digest), d.candidate.etag)
			if err != nil && !errors.Is(err, errCondition) {
				d.err = err
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	// From here on, the digests cannot be saved, and pushes that need them wait. All requests are
	// sent before a deadline, so that none can arrive after the marker expires. Canceling the
	// collection does not interrupt the deletion: an abandoned request could still be carried out at
	// any time.
	ctx, stop := cleanup(sendBefore(c.told.mutate(ctx), time.Now().Add(sendWithin)))
	defer stop()
	going := func() (left []*doomed) {
		for _, d := range all {
			if d.why == "" && d.err == nil {
				left = append(left, d)
			}
		}
		return left
	}
	marked := going()
	for _, d := range marked {
		d.err = errNotReached
	}
	_ = inParallel(ctx, len(marked), markersAtOnce/sweepWide, func(ctx context.Context, i int) error {
		c.doom(ctx, marked[i])
		return nil
	})
	if marked = going(); !c.erase(ctx, marked) {
		// An abandoned and retried attempt may be carried out after a digest was pushed again. To
		// block such pushes until the attempt would be rejected as too late, keep the markers, and
		// the announcement that makes pushes check them.
		c.told.unsure.Store(true)
		return all
	}
	c.absolve(ctx, going())
	return all
}

// erase deletes links and then data (G5). It reports whether every request was answered.
func (c *collection) erase(ctx context.Context, marked []*doomed) bool {
	s := c.s
	deleted, unsure := unanswered(ctx)
	var keys []string
	for _, d := range marked {
		keys = append(keys, d.links...)
	}
	failed := s.bucket.deleteMany(deleted, keys) // G5
	keys = nil
	for _, d := range marked {
		for _, l := range d.links {
			d.err = errors.Join(d.err, failed[l])
		}
		if d.err == nil && d.data {
			keys = append(keys, blobKey(d.digest))
		}
	}
	failed = s.bucket.deleteMany(deleted, keys)
	for _, d := range marked {
		if d.err == nil && d.data {
			d.err = failed[blobKey(d.digest)]
		}
		s.forgetManifest(d.digest)
		if d.err != nil && !errors.Is(d.err, errLate) {
			c.told.unsure.Store(true)
		}
	}
	return unsure.Load() == 0
}

// doom replaces the marker of a candidate by "deleting" (G4).
func (c *collection) doom(ctx context.Context, d *doomed) {
	s := c.s
	d.err = nil
	body := marker{deleting, c.told.id}.body()
	etag, err := s.bucket.put(ctx, markerKey(d.digest), body, ifMatch(d.candidate.etag))
	switch {
	case errors.Is(err, errCondition) && s.without.swap:
	case errors.Is(err, errCondition):
		m, o, ok, merr := s.marker(ctx, d.digest)
		if merr != nil {
			d.err = merr
			return
		}
		if !ok || m != (marker{deleting, c.told.id}) {
			d.why = "it is in use again"
			return
		}
		etag = o.etag // an attempt whose response was lost wrote it
	case err != nil:
		d.err = err
	}
	d.etag = etag
}

// absolve removes the markers of deleted digests (G6).
func (c *collection) absolve(ctx context.Context, all []*doomed) {
	s := c.s
	var keys []string
	var rest []*doomed
	for _, d := range all {
		// No other process replaces this marker while it is young, and without data the digest is
		// not condemned again for a window. Then an abandoned request is too late.
		if d.data && (!s.traits.ConditionalDrop || s.opt.Window > abandoned) {
			keys = append(keys, markerKey(d.digest))
		} else {
			rest = append(rest, d)
		}
	}
	failed := s.bucket.deleteMany(ctx, keys)
	_ = inParallel(ctx, len(rest), markersAtOnce/sweepWide, func(ctx context.Context, i int) error {
		err := s.dropMarker(ctx, markerKey(rest[i].digest), rest[i].etag)
		if err != nil && !errors.Is(err, errCondition) {
			rest[i].err = err
		}
		return nil
	})
	for _, d := range all {
		d.err = errors.Join(d.err, failed[markerKey(d.digest)])
	}
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
