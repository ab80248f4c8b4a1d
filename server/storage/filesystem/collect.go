package filesystem

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// collection is one run of Collect: mark what is live, then, for each digest and under its lock,
// remove what is not live and was not touched within the window.
type collection struct {
	s      *Store
	opt    storage.CollectOptions
	now    time.Time
	until  time.Time // nothing is removed before this time
	why    string    // reason for until
	report func(storage.Verdict)
	sum    storage.CollectReport
	marks  *marks
}

// reason is why a blob is live.
type reason struct {
	why  byte
	repo int
}

// worded describes why a blob is live, as a clause about it.
func (c *collection) worded(why byte, repo string) string {
	switch why {
	case liveTagged:
		return fmt.Sprintf("it is a manifest of %s that has a tag", repo)
	case liveManifest:
		if c.marks.count && c.opt.Untagged == 0 {
			return fmt.Sprintf("it is a manifest of %s; those stay without a tag, too (storage.maintenance.gc.untagged)", repo)
		}
		return fmt.Sprintf("it is a manifest of %s", repo)
	case liveNeeded:
		return fmt.Sprintf("a manifest of %s refers to it", repo)
	case liveLinked:
		return fmt.Sprintf("a link of %s means it under another digest", repo)
	}
	return fmt.Sprintf("%s links to it, and has a manifest that cannot be read", repo)
}

// linkedBy is a link to a blob.
type linkedBy struct {
	repo int
	kind byte
}

// Collect implements storage.Upkeep.
func (s *Store) Collect(ctx context.Context, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	if o.Window == 0 {
		o.Window = s.opt.Window
	}
	if o.Window < s.opt.Window {
		return storage.CollectReport{}, fmt.Errorf("collect: a window of %s is below %s, within which this store relies on a touch", o.Window, s.opt.Window)
	}
	if s.opt.ReadOnly && !o.DryRun {
		return storage.CollectReport{}, storage.ErrReadOnly
	}
	if report == nil {
		report = func(storage.Verdict) {}
	}
	ctx, stop := s.running(ctx)
	defer stop()
	release, err := alone(ctx, s.gc.turn)
	if err != nil {
		return storage.CollectReport{}, err
	}
	defer release()
	if !s.opt.ReadOnly {
		leave, err := s.enter()
		if err != nil {
			return storage.CollectReport{}, err
		}
		defer leave()
	}
	c := &collection{s: s, opt: o, report: report, now: s.now(), marks: s.newMarks()}
	defer c.marks.close()
	c.sum.DryRun, c.marks.count = o.DryRun, o.DryRun // tags are read only if they are reported
	if crashed := s.state.Crashed; !crashed.IsZero() {
		c.until, c.why = c.past(crashed).Add(o.Window), "an earlier run did not end cleanly"
	}
	if at := s.steps.noticed(c.now, s.opt.Uptime(), s.opt.Window/4); !at.IsZero() && c.past(at).Add(o.Window).After(c.until) {
		c.until, c.why = c.past(at).Add(o.Window), "the clock was set forward"
	}
	if c.held() {
		c.sum.Skipped = c.heldWhy()
	}
	s.gc.begin()
	defer s.gc.end()
	err = c.run(ctx)
	c.sum.Problems = c.marks.problems
	return c.sum, err
}

func (c *collection) run(ctx context.Context) error {
	if c.opt.Untagged > 0 {
		c.marks.dead = c.untagged
	}
	if err := c.marks.walk(ctx); err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	for i := range 256 {
		if err := c.sweep(ctx, byte(i)); err != nil { //nolint:gosec // 0 to 255
			return fmt.Errorf("collect: %w", err)
		}
	}
	return nil
}

// held reports whether nothing may be removed yet. A crashed run may have lost touches.
func (c *collection) held() bool { return c.now.Before(c.until) }

func (c *collection) heldWhy() string {
	return fmt.Sprintf("%s, so nothing is removed before %s", c.why, c.until.UTC().Format(time.RFC3339))
}

// past returns t, or now if t is in the future.
func (c *collection) past(t time.Time) time.Time {
	if t.After(c.now) {
		return c.now
	}
	return t
}

// fresh reports whether t is at most age ago.
func (c *collection) fresh(t time.Time, age time.Duration) bool { return c.now.Sub(c.past(t)) <= age }

// usedMeanwhile reports whether a digest was used since this collection began. The caller holds its
// lock.
func (c *collection) usedMeanwhile(d digest.Digest) (bool, string) {
	noted, overflow := c.s.gc.used(d)
	if overflow {
		c.sum.Skipped = "too much was pushed meanwhile to keep track of, the rest is left for the next collection"
		return true, c.sum.Skipped
	}
	return noted, "it was used while this collection ran"
}
