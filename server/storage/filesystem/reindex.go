package filesystem

import (
	"context"
	"fmt"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// Reindex implements storage.Upkeep. Derived data is completed and corrected in place, never
// removed first, because pushes continue meanwhile.
func (s *Store) Reindex(ctx context.Context) (storage.ReindexReport, error) {
	var report storage.ReindexReport
	leave, err := s.enter()
	if err != nil {
		return report, err
	}
	defer leave()
	ctx, stop := s.running(ctx)
	defer stop()
	repos, err := s.catalogue.walk(ctx)
	if err == nil {
		err = s.catalogue.rebuild(ctx, repos)
	}
	if err != nil {
		return report, fmt.Errorf("reindex: %w", err)
	}
	s.tagLists.forget()
	for _, repo := range repos {
		if err := ctx.Err(); err != nil {
			return report, fmt.Errorf("reindex: %w", err)
		}
		report.Repositories++
		tags, err := s.countTags(ctx, repo)
		if err != nil {
			return report, fmt.Errorf("reindex: %w", err)
		}
		n, err := s.referrers.rebuild(ctx, repo)
		if err != nil {
			return report, fmt.Errorf("reindex: %w", err)
		}
		if _, _, err := s.needs.refresh(ctx, repo); err != nil {
			return report, fmt.Errorf("reindex: %w", err)
		}
		report.Tags += tags
		report.Referrers += n
	}
	return report, nil
}

// rebuild adds what a walk found, and rewrites the file. Names are not removed: a new repository is
// named before it exists, and listings skip repositories without content.
func (c *catalogue) rebuild(ctx context.Context, walked []string) error {
	select {
	case <-c.ready: // the walk at startup would restore old names
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	c.torn = true // force writing the file
	c.mu.Unlock()
	return c.rewrite(walked)
}

func (s *Store) countTags(ctx context.Context, repo string) (n int, err error) {
	err = s.disk.List(tagsDir(repo), func(e disk.Entry) error {
		if _, ok, err := s.resolve(repo, e.Name); err != nil {
			return err
		} else if ok {
			n++
		}
		return ctx.Err()
	})
	if absent(err) {
		err = nil
	}
	return n, err
}

func (l *tagLists) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.by)
}

// leftAlone is how long an entry without a manifest is kept: a push writes the entry first.
const leftAlone = time.Hour

// rebuild completes the entries of a repository and removes those whose manifest no longer exists.
func (x *referrerIndex) rebuild(ctx context.Context, repo string) (int, error) {
	k := x.of(repo)
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, alg := range algorithms {
		now := x.time(repo, alg)
		found, err := x.scan(ctx, repo, alg)
		if err != nil {
			return n, err
		}
		n += found
		k.times[alg], k.dirty = now, true
	}
	x.write(repo, k)
	return n, x.prune(ctx, repo)
}

func (x *referrerIndex) prune(ctx context.Context, repo string) error {
	var subjects []string
	err := x.s.disk.List(refsOf(repo), func(e disk.Entry) error {
		if _, ok := unflat(e.Name); ok && e.Dir {
			subjects = append(subjects, refsOf(repo)+"/"+e.Name)
		}
		return ctx.Err()
	})
	for i := 0; err == nil && i < len(subjects); i++ {
		err = x.s.disk.List(subjects[i], func(e disk.Entry) error {
			d, ok := unflat(e.Name)
			if !ok {
				return ctx.Err()
			}
			if _, _, linked, err := x.s.linked(revisionDir(repo, d), d); err != nil || linked {
				return err
			}
			name := subjects[i] + "/" + e.Name
			if info, err := x.s.disk.Stat(name); err == nil && x.s.now().Sub(info.ModTime) > leftAlone {
				_ = x.s.disk.Remove(name)
			}
			return ctx.Err()
		})
	}
	if absent(err) {
		return nil
	}
	return err
}
