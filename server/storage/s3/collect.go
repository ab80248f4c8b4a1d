package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// mostSwept is how many digests one collection deletes at most; what is left goes with the next one.
const mostSwept = 250_000

// Collect implements storage.Upkeep. One process collects for all; the others may push meanwhile.
func (s *Store) Collect(ctx context.Context, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	result := storage.CollectReport{DryRun: o.DryRun}
	if report == nil {
		report = func(storage.Verdict) {}
	}
	if o.Window == 0 {
		o.Window = s.opt.Window
	}
	if o.Window < s.opt.Window {
		return result, fmt.Errorf("collect: a window of %s is below %s, within which this store relies on a touch", o.Window, s.opt.Window)
	}
	ctx, stop := s.running(ctx)
	defer stop()
	if o.DryRun {
		v, err := s.survey(ctx, o, nil, nil)
		if err != nil {
			return result, err
		}
		c := &collection{s: s, o: o, first: v, second: v, report: report, result: &result}
		c.pick()
		c.pretend()
		return result, nil
	}
	leave, err := s.enter()
	if err != nil {
		return result, err
	}
	defer leave()
	if !s.traits.Collectable() {
		result.Skipped = "this S3 engine does not hold what collecting beside pushes rests on: " + strings.Join(s.traits.Weaknesses(), "; ")
		return result, nil
	}
	done, err := s.collecting.take(ctx)
	if err != nil {
		return result, err
	}
	defer done()
	held, release, ok, err := s.Lease(ctx, "collect")
	if err != nil {
		return result, err
	}
	if !ok {
		result.Skipped = "another process that shares the bucket is collecting"
		return result, nil
	}
	defer release()
	c := &collection{s: s, o: o, report: report, result: &result}
	err = c.run(held)
	if cause := context.Cause(held); err != nil && errors.Is(cause, errLeaseLost) {
		err = cause
	}
	if err != nil {
		err = fmt.Errorf("collect: %w", err)
	}
	return result, err
}

// collection is one run: the other side of guard.go.
//
//	G1  list everything: candidates
//	G2  put a marker for each, those of manifests first
//	G3  list everything again; what is live now loses its marker
//	G4  replace the marker: deleting
//	G5  delete links, then data
//	G6  delete the marker
type collection struct {
	s      *Store
	o      storage.CollectOptions
	report func(storage.Verdict)
	result *storage.CollectReport
	told   *announcement

	first, second *survey
	candidates    []*candidate
	by            map[digest.Digest]*candidate
	removedLinks  map[string]int // by repository
}

// candidate is a digest that may go.
type candidate struct {
	digest   digest.Digest
	manifest bool
	size     int64
	untagged bool   // it is a manifest that only loses links of its repositories
	etag     string // of the marker
	why      string // why it stays, once known
	after    time.Time
}

func (c *collection) run(ctx context.Context) (err error) {
	s := c.s
	if c.told, err = s.announce(ctx); err != nil {
		return err
	}
	defer c.told.end()
	ctx = c.told.ctx
	if err := pause(ctx, s.opt.Settle); err != nil {
		return c.told.cause(err)
	}
	if c.first, err = s.survey(ctx, c.o, nil, nil); err != nil { // G1
		return c.told.cause(err)
	}
	c.pick()
	if err := c.tidyMarkers(ctx); err != nil {
		return c.told.cause(err)
	}
	if err := c.condemn(ctx); err != nil { // G2
		return c.told.cause(err)
	}
	wanted := make(map[digest.Digest]bool, len(c.candidates))
	for _, d := range c.candidates {
		wanted[d.digest] = true
	}
	if c.second, err = s.survey(ctx, c.o, c.first, wanted); err != nil { // G3
		return c.told.cause(err)
	}
	if s.without.secondList {
		c.pretendSecond()
	}
	if err := c.sweep(ctx); err != nil { // G4 to G6
		return c.told.cause(err)
	}
	c.kept()
	if err := c.tidyIndex(ctx); err != nil {
		return c.told.cause(err)
	}
	_, err = s.reindex(ctx, false)
	return c.told.cause(err)
}

// pick chooses the candidates of the first survey, manifests first: what a manifest refers to is safe as long as its own marker has not come.
func (c *collection) pick() {
	c.by = map[digest.Digest]*candidate{}
	c.removedLinks = map[string]int{}
	for _, u := range c.first.untagged {
		if c.by[u.digest] == nil {
			d := &candidate{digest: u.digest, manifest: true, size: u.size, untagged: true}
			c.by[u.digest] = d
			c.candidates = append(c.candidates, d)
		}
	}
	for _, d := range slices.Sorted(maps.Keys(c.first.facts)) {
		f := c.first.facts[d]
		if gone, _ := c.first.doomed(f); !gone || c.by[d] != nil {
			continue
		}
		one := &candidate{digest: d, manifest: f.manifest, size: f.size}
		c.by[d] = one
		c.candidates = append(c.candidates, one)
	}
	slices.SortStableFunc(c.candidates, func(a, b *candidate) int {
		switch {
		case a.manifest == b.manifest:
			return 0
		case a.manifest:
			return -1
		}
		return 1
	})
	if len(c.candidates) > mostSwept {
		c.problem("%d more may go than one collection takes: the next one takes them", len(c.candidates)-mostSwept)
		for _, d := range c.candidates[mostSwept:] {
			delete(c.by, d.digest)
		}
		c.candidates = c.candidates[:mostSwept]
	}
	c.result.Problems = append(c.result.Problems, c.first.problems...)
}

func (c *collection) problem(format string, a ...any) {
	c.result.Problems = append(c.result.Problems, fmt.Sprintf(format, a...))
}

// pretend reports what a collection would do now.
func (c *collection) pretend() {
	for _, d := range c.candidates {
		c.removed(d, c.data(d), nil)
	}
	c.kept()
}

// data tells whether the bytes of a candidate go too.
func (c *collection) data(d *candidate) bool {
	f := c.second.facts[d.digest]
	if f == nil || f.data.IsZero() {
		return false
	}
	gone, _ := c.second.doomed(f)
	return gone
}

// removed reports what was deleted.
func (c *collection) removed(d *candidate, data bool, links []string) {
	kind, reason := "blob", "no manifest refers to it, and nobody touched it within the window"
	if d.manifest {
		kind = "manifest"
	}
	if d.untagged {
		reason = "it has no tag, and no index and no subject keeps it"
		for _, u := range c.second.untagged {
			if u.digest == d.digest {
				c.report(storage.Verdict{Digest: d.digest, Size: d.size, Kind: kind, Repository: u.repo, Removed: true, Reason: reason})
				c.result.ManifestsRemoved++
			}
		}
	} else if data || len(links) > 0 || c.o.DryRun {
		c.report(storage.Verdict{Digest: d.digest, Size: d.size, Kind: kind, Removed: true, Reason: reason})
	}
	c.result.LinksRemoved += len(links)
	if data {
		c.result.BlobsRemoved++
		c.result.BytesFreed += d.size
	}
}

// kept reports what stays.
func (c *collection) kept() {
	for _, d := range slices.Sorted(maps.Keys(c.second.facts)) {
		f := c.second.facts[d]
		kind := "blob"
		if f.manifest {
			kind = "manifest"
		}
		one := c.by[d]
		switch {
		case one != nil && one.why == "":
			continue // it went
		case f.data.IsZero():
			continue
		}
		v := storage.Verdict{Digest: d, Size: f.size, Kind: kind, Reason: "a manifest refers to it, or it is one that stays"}
		_, after := c.second.doomed(f)
		switch {
		case one != nil:
			v.Reason = one.why
		case !f.live:
			v.Reason, v.After = "no manifest refers to it, but it was touched within the window", after
		}
		c.result.BlobsKept++
		c.report(v)
	}
}

// tidyIndex removes repositories that hold nothing any more. The collection is announced, so who pushes now looks again afterwards.
func (c *collection) tidyIndex(ctx context.Context) error {
	s := c.s
	return s.eachRepository(ctx, func(repo string) error {
		if c.second.contents[repo]-c.removedLinks[repo] > 0 {
			return nil
		}
		holds := func() (bool, error) {
			for _, prefix := range []string{repoPrefix(repo) + "_layers/", revisionsPrefix(repo)} {
				p, err := s.bucket.list(ctx, prefix, "", 1, false)
				if err != nil || len(p.objects) > 0 {
					return true, err
				}
			}
			return false, nil
		}
		if full, err := holds(); err != nil || full {
			return err
		}
		if err := s.bucket.delete(c.told.mutate(ctx), repositoryEntry(repo)); err != nil {
			return err
		}
		full, err := holds()
		if err == nil && full {
			err = s.putEntry(ctx, repositoryEntry(repo))
		}
		return err
	})
}

// pretendSecond makes the first survey serve as the second, which a test does to see that it must not.
func (c *collection) pretendSecond() {
	links := c.second
	c.second = c.first
	for d, f := range links.facts {
		if g := c.second.facts[d]; g != nil {
			g.links = f.links
		}
	}
}
