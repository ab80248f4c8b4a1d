package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// putEntry writes an index entry. Its content is its name, so that it is never empty.
func (s *Store) putEntry(ctx context.Context, key string) error {
	if _, err := s.bucket.put(ctx, key, []byte(unescape(key[strings.LastIndexByte(key, '/')+1:])), condition{}); err != nil {
		return fmt.Errorf("write entry of index: %w", err)
	}
	return nil
}

// ensure restores an entry if it is missing.
func (s *Store) ensure(ctx context.Context, key string) error {
	_, err := s.bucket.head(ctx, key)
	if errors.Is(err, errMissing) {
		return s.putEntry(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("look at entry of index: %w", err)
	}
	return nil
}

// enterRepository adds a repository to the index before it has content. Only a collection removes
// an entry, and only after having been announced for Settle, so until then the entry need not be
// written again. While a collection is announced, settle checks the entry again once the repository
// has content.
func (s *Store) enterRepository(ctx context.Context, w watch, repo string) (settle func(context.Context) error, err error) {
	settle = func(context.Context) error { return nil }
	if at, ok := s.known.Get(repo); ok && !w.active && s.since(at) < s.opt.Settle/2 {
		return settle, nil
	}
	at := s.moment()
	if err := s.putEntry(ctx, repositoryEntry(repo)); err != nil {
		return nil, err
	}
	if w.active {
		return func(ctx context.Context) error { return s.ensure(ctx, repositoryEntry(repo)) }, nil
	}
	s.known.Put(repo, at, 1)
	return settle, nil
}

// awaitIndex waits until the index is complete. It is built on first use of a bucket that other
// software has filled.
func (s *Store) awaitIndex(ctx context.Context) error {
	return s.awaitEither(ctx, s.indexed, s.indexed)
}

// awaitCatalog waits until the index of repositories is complete, which is built first.
func (s *Store) awaitCatalog(ctx context.Context) error {
	return s.awaitEither(ctx, s.indexed, s.cataloged)
}

func (s *Store) awaitEither(ctx context.Context, one, other <-chan struct{}) error {
	select {
	case <-one:
		return nil
	default:
	}
	select {
	case <-one:
		return nil
	case <-other:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the index to be made: %w", ctx.Err())
	case <-s.ctx.Done():
		return errClosed
	}
}

// Repositories implements storage.Listings. It sends one LIST per thousand names of the page,
// regardless of the number of repositories, and one per thousand names that visible rejects.
func (s *Store) Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) ([]string, bool, error) {
	return s.RepositoriesIn(ctx, "", last, n, visible)
}

// RepositoriesIn implements storage.FolderListings. It does not list the names of other folders.
func (s *Store) RepositoriesIn(ctx context.Context, prefix, last string, n int, visible func(reference.Repository) bool) ([]string, bool, error) {
	page := []string{}
	if n <= 0 {
		return page, false, nil
	}
	if err := s.awaitCatalog(ctx); err != nil {
		return nil, false, err
	}
	if s.unindexed {
		return s.walkedRepositories(ctx, prefix, last, n, visible)
	}
	var ahead lookAhead
	limit := mostListed
	if visible == nil {
		limit = min(n+1, mostListed)
	}
	defer s.listing()()
	within, after := repositoryEntry(prefix), repositoryEntry(max(last, prefix))
	for {
		p, err := s.bucket.list(ctx, within, after, limit, false)
		if err != nil {
			return nil, false, fmt.Errorf("list repositories: %w", err)
		}
		for _, o := range p.objects {
			r, err := reference.ParseRepository(unescape(strings.TrimPrefix(o.key, repositoryIndex)))
			if err != nil || visible != nil && !visible(r) {
				continue
			}
			if len(page) == n {
				return page, true, nil
			}
			page = append(page, r.String())
		}
		if !p.more {
			return page, false, nil
		}
		after, limit = p.last, ahead.limit(len(page) == n)
	}
}

// fewListed is how many keys are listed first if only the next one matters. S3-compatible storage over
// a file system reads the attributes of every key that it lists.
const fewListed = 16

// lookAhead is the limit of the last request that only looked for a name after a full page.
type lookAhead int

// limit returns the limit of the next request of a listing. full is whether the page is full, so that
// one more visible name ends the listing.
func (l *lookAhead) limit(full bool) int {
	if !full {
		return mostListed
	}
	*l = min(max(8**l, fewListed), mostListed)
	return int(*l)
}

// listing counts a listing of a client until the returned function is called.
func (s *Store) listing() (end func()) {
	s.listings.Add(1)
	return func() {
		s.listed.Store(time.Now().UnixNano()) // paces requests, so the clock of tests does not apply
		s.listings.Add(-1)
	}
}

const (
	// calm is how long ago the last listing of a client ended before the index is compared further.
	calm = 200 * time.Millisecond
	// mostYielded is how long one request of that comparison waits at most.
	mostYielded = time.Second
)

// yielding is a bucket whose listings wait while clients list, because both may compete for the
// processors of the S3-compatible storage.
type yielding struct {
	bucket
	s *Store
}

func (y yielding) list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	for waited := time.Duration(0); waited < mostYielded && y.s.busyListing(); waited += calm / 10 {
		if err := pause(ctx, calm/10); err != nil {
			return page{}, err
		}
	}
	return y.bucket.list(ctx, prefix, after, limit, folders)
}

// busyListing reports whether a client lists, or did so a moment ago.
func (s *Store) busyListing() bool {
	return s.listings.Load() > 0 || time.Since(time.Unix(0, s.listed.Load())) < calm
}

// Tags implements storage.Listings.
func (s *Store) Tags(ctx context.Context, repo reference.Repository, last string, n int) ([]string, bool, error) {
	if err := s.awaitIndex(ctx); err != nil {
		return nil, false, err
	}
	if s.unindexed {
		return s.walkedTags(ctx, repo, last, n)
	}
	page, more, err := s.tagPage(ctx, repo.String(), last, n)
	if err != nil || len(page) > 0 || n <= 0 {
		return page, more, err
	}
	// No tags: either the repository does not exist or other software wrote to it.
	prefix := tagsPrefix(repo.String())
	p, err := s.bucket.list(ctx, prefix, "", 1, false)
	if err != nil {
		return nil, false, fmt.Errorf("list tags: %w", err)
	}
	if len(p.objects) > 0 && last == "" && !s.opt.ReadOnly {
		if err := s.completeTags(ctx, repo.String()); err != nil {
			return nil, false, err
		}
		return s.tagPage(ctx, repo.String(), last, n)
	}
	if len(p.objects) == 0 {
		if p, err = s.bucket.list(ctx, repoPrefix(repo.String())+"_", "", 1, false); err != nil {
			return nil, false, fmt.Errorf("list tags: %w", err)
		}
	}
	if len(p.objects) == 0 {
		return nil, false, fmt.Errorf("%w: %s", storage.ErrRepositoryUnknown, repo)
	}
	return page, false, nil
}

var _ storage.FolderListings = (*Store)(nil)

func (s *Store) tagPage(ctx context.Context, repo, last string, n int) ([]string, bool, error) {
	page := []string{}
	if n <= 0 {
		return page, false, nil
	}
	prefix := tagEntries(repo)
	after := prefix
	if last != "" {
		after += escape(last)
	}
	defer s.listing()()
	var ahead lookAhead
	limit := min(n+1, mostListed)
	for {
		p, err := s.bucket.list(ctx, prefix, after, limit, false)
		if err != nil {
			return nil, false, fmt.Errorf("list tags: %w", err)
		}
		for _, o := range p.objects {
			t, err := reference.ParseTag(unescape(strings.TrimPrefix(o.key, prefix)))
			if err != nil {
				continue
			}
			if len(page) == n {
				return page, true, nil
			}
			page = append(page, t.String())
		}
		if !p.more {
			return page, false, nil
		}
		after, limit = p.last, ahead.limit(len(page) == n)
	}
}

// eachRepository calls do for every repository in the index.
func (s *Store) eachRepository(ctx context.Context, do func(repo string) error) error {
	if s.unindexed {
		return s.walkRepositories(ctx, s.bucket, func(r *walked) error { return do(r.name) })
	}
	return walk(ctx, s.bucket, repositoryIndex, func(o object) error {
		r, err := reference.ParseRepository(unescape(strings.TrimPrefix(o.key, repositoryIndex)))
		if err != nil {
			return nil //nolint:nilerr // not one of ours
		}
		return do(r.String())
	})
}
