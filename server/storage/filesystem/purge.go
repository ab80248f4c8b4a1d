package filesystem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// PurgeUploads implements storage.Upkeep. A session's age is that of its last chunk.
func (s *Store) PurgeUploads(ctx context.Context, age time.Duration, dryRun bool) (storage.PurgeReport, error) {
	report := storage.PurgeReport{DryRun: dryRun}
	if s.opt.ReadOnly && !dryRun {
		return report, storage.ErrReadOnly
	}
	if !s.opt.ReadOnly {
		leave, err := s.enter()
		if err != nil {
			return report, err
		}
		defer leave()
	}
	ctx, stop := s.running(ctx)
	defer stop()
	now := s.now()
	if !dryRun {
		s.shutIdle(now.Add(-idleAfter))
	}
	for _, u := range s.sessions.list(s) {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		offset, old := u.idle(now, age)
		count(&report, old, offset)
		if old && !dryRun {
			s.purge(u, now, age)
		}
	}
	err := s.eachForeignUpload(ctx, func(name string, last time.Time, size int64) error {
		old := now.Sub(last) > age
		count(&report, old, size)
		if !old || dryRun {
			return nil
		}
		remove, err := s.discard(name)
		if err != nil && !absent(err) {
			return fmt.Errorf("purge upload: %w", mapped(err))
		}
		if err == nil {
			remove()
		}
		return nil
	})
	return report, err
}

func count(r *storage.PurgeReport, removed bool, size int64) {
	if !removed {
		r.Kept++
		return
	}
	r.Removed++
	r.Bytes += size
}

// idle returns the size of a session and whether it is older than age.
func (u *session) idle(now time.Time, age time.Duration) (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.offset, now.Sub(u.seen) > age && len(u.busy) == 0
}

// purge drops a session unless it is in use.
func (s *Store) purge(u *session, now time.Time, age time.Duration) {
	select {
	case u.busy <- struct{}{}:
		defer func() { <-u.busy }()
		u.mu.Lock()
		old := now.Sub(u.seen) > age && !u.gone
		u.mu.Unlock()
		if old {
			s.drop(u)
		}
	default:
	}
}

// list returns all sessions.
func (l *sessions) list(s *Store) []*session {
	l.load(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*session, 0, len(l.all))
	for _, u := range l.all {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *session) int { return strings.Compare(a.id, b.id) })
	return all
}

// eachForeignUpload visits the uploads that CNCF distribution left in repositories, with their time
// of last change and size.
func (s *Store) eachForeignUpload(ctx context.Context, visit func(name string, last time.Time, size int64) error) error {
	return s.eachRepository(ctx, func(repo string, parts []string) error {
		if !slices.Contains(parts, "_uploads") {
			return nil
		}
		var names []string
		dir := repoDir(repo) + "/_uploads"
		err := s.disk.List(dir, func(e disk.Entry) error {
			names = append(names, dir+"/"+e.Name)
			return ctx.Err()
		})
		if err != nil && !absent(err) {
			return fmt.Errorf("list uploads: %w", err)
		}
		for _, name := range names {
			var last time.Time
			var size int64
			for _, part := range []string{name, name + "/startedat", name + "/data"} {
				info, err := s.disk.Stat(part)
				if err == nil && info.ModTime.After(last) {
					last = info.ModTime
				}
				if err == nil && info.Regular && part != name+"/startedat" {
					size += info.Size
				}
			}
			if err := errors.Join(ctx.Err(), visit(name, last, size)); err != nil {
				return err
			}
		}
		return nil
	})
}
