package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

const (
	// mostSwept is how many digests are deleted between two surveys. It bounds the memory for
	// candidates.
	mostSwept = 32 << 10
	// mostRounds is how many such rounds one collection runs. The next collection removes the rest.
	mostRounds = 64
)

// Collect implements storage.Upkeep. One process collects for all; others may push meanwhile.
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
		c := &collection{s: s, o: o, report: report, result: &result}
		return result, c.pretend(ctx)
	}
	leave, err := s.enter()
	if err != nil {
		return result, err
	}
	defer leave()
	if !s.traits.Collectable() {
		result.Skipped = "this S3 service lacks what garbage collection beside pushes needs: " +
			strings.Join(s.traits.Weaknesses(), "; ")
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

// collection is one garbage collection: the counterpart of guard.go.
//
//	G1  list everything: candidates
//	G2  put a marker for each, manifests first
//	G3  list everything again; drop the markers of what is live now
//	G4  replace the marker: deleting
//	G5  delete links, then data
//	G6  delete the marker
type collection struct {
	s      *Store
	o      storage.CollectOptions
	report func(storage.Verdict)
	result *storage.CollectReport
	told   *announcement

	round        int
	candidates   []*candidate
	by           map[digest.Digest]*candidate
	more         int                                  // candidates left for the next round
	untagged     map[digest.Digest][]untaggedManifest // of the candidates
	stayed       map[digest.Digest]bool               // candidates of earlier rounds
	contents     map[string]int                       // links of each repository
	removedLinks map[string]int                       // by repository
}

func (c *collection) run(ctx context.Context) (err error) {
	s := c.s
	if err := s.forgetLeftovers(ctx); err != nil {
		return err
	}
	if c.told, err = s.announce(ctx); err != nil {
		return err
	}
	defer c.told.end()
	ctx = c.told.ctx
	if err := pause(ctx, s.opt.Settle); err != nil {
		return c.told.cause(err)
	}
	for c.round = range mostRounds {
		removed := c.result.BlobsRemoved + c.result.LinksRemoved
		if err := c.sweepSome(ctx); err != nil {
			return c.told.cause(err)
		}
		if c.more == 0 || c.result.BlobsRemoved+c.result.LinksRemoved == removed {
			break
		}
	}
	if c.more > 0 {
		c.problem("%d more may go than one collection takes: the next one takes them", c.more)
	}
	if err := c.tidyIndex(ctx); err != nil {
		return c.told.cause(err)
	}
	_, err = s.reindex(ctx, false)
	return c.told.cause(err)
}

// sweepSome runs G1 to G6 for one round of candidates.
func (c *collection) sweepSome(ctx context.Context) error {
	s := c.s
	first, err := s.survey(ctx, &survey{o: c.o}) // G1
	if err != nil {
		return err
	}
	defer first.close(ctx)
	if err := c.pick(ctx, first); err != nil {
		return err
	}
	first.close(ctx)
	if err := c.tidyMarkers(ctx); err != nil {
		return err
	}
	if err := c.condemn(ctx); err != nil { // G2
		return err
	}
	second, err := s.survey(ctx, &survey{o: c.o, earlier: first, wanted: c.by}) // G3
	if err != nil {
		return err
	}
	defer second.close(ctx)
	if err := c.lookAgain(ctx, second); err != nil {
		return err
	}
	second.close(ctx)
	if err := c.sweep(ctx); err != nil { // G4 to G6
		return err
	}
	c.stay()
	return nil
}

func (c *collection) problem(format string, a ...any) {
	c.result.Problems = append(c.result.Problems, fmt.Sprintf(format, a...))
}

// tidyIndex removes empty repositories from the index. The collection is announced, so a concurrent
// push checks the entry again afterwards.
func (c *collection) tidyIndex(ctx context.Context) error {
	s := c.s
	return s.eachRepository(ctx, func(repo string) error {
		if c.contents[repo]-c.removedLinks[repo] > 0 {
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
