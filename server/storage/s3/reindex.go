package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// indexRecord describes the state for which the indexes are known to be complete.
type indexRecord struct {
	At time.Time `json:"at"`
	// Scanned maps each repository to the signature of the revision links whose manifests were
	// scanned for subjects.
	Scanned map[string]uint64 `json:"scanned"`
}

// indexProgress is how far the indexes are complete, and who else lists.
type indexProgress struct {
	unindexed   bool          // the bucket has no index and is read-only
	indexed     chan struct{} // closed when the indexes are known to be complete
	cataloged   chan struct{} // closed when the entries of all repositories are known to exist
	catalogOnce sync.Once     // closes cataloged
	entering    turn          // limits the manifests and tags that indexing handles at once
	listings    atomic.Int64  // listings of clients in progress
	listed      atomic.Int64  // Unix time in ns at which the last one ended
}

func newIndexProgress() *indexProgress {
	return &indexProgress{
		indexed: make(chan struct{}), cataloged: make(chan struct{}), entering: make(turn, reindexWide),
	}
}

const mostIndexRecord = 256 << 20

// openIndex checks whether the bucket has an index, and starts building it if not. Serving does not
// wait for that, but listings do.
func (s *Store) openIndex(ctx context.Context) error {
	_, err := s.bucket.head(ctx, indexState)
	switch {
	case err == nil:
		close(s.indexed)
	case !errors.Is(err, errMissing):
		return err
	case s.opt.ReadOnly:
		s.unindexed = true
		s.log.Warn("this bucket has no index and may only be read: listings walk through all of it")
		close(s.indexed)
		return nil
	}
	if s.opt.ReadOnly {
		return nil
	}
	if err != nil {
		p, err := s.bucket.list(ctx, reposDir, "", 1, false)
		if err != nil {
			return err
		}
		if len(p.objects) == 0 {
			if err := s.saveIndexRecord(ctx, indexRecord{Scanned: map[string]uint64{}}); err != nil {
				return err
			}
			close(s.indexed)
			return nil
		}
	}
	s.start(s.index)
	return nil
}

// index reconciles the indexes with the stored content once after every start, since other software
// that does not know them, such as CNCF distribution, may have written. One process does it for
// all.
func (s *Store) index(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		held, release, ok, err := s.Lease(ctx, "index")
		if err == nil && ok {
			_, err = s.reindex(held, false)
			release()
		}
		// If another process is building the first index, wait for it.
		if err == nil && !ok {
			_, err = s.bucket.head(ctx, indexState)
		}
		if err == nil {
			select {
			case <-s.indexed:
			default:
				close(s.indexed)
			}
			return
		}
		if ctx.Err() == nil && !errors.Is(err, errMissing) {
			s.log.Warn("make the index of the bucket", "error", err)
		}
		_ = pause(ctx, wait)
	}
}

// Reindex implements storage.Upkeep. It compares all derived data with the stored content and reads
// every manifest.
func (s *Store) Reindex(ctx context.Context) (storage.ReindexReport, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.ReindexReport{}, err
	}
	defer leave()
	ctx, stop := s.running(ctx)
	defer stop()
	done, err := s.collecting.take(ctx)
	if err != nil {
		return storage.ReindexReport{}, err
	}
	defer done()
	return s.reindex(ctx, true)
}

// repositorySums compares the index of a repository with its content.
type repositorySums struct {
	listed        bool
	inTags, tags  uint64 // sums of the tag hashes in the index and in the store
	signature     uint64
	here, content bool
}

func hashed(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64() | 1
}

// reindex compares three flat listings. It reconciles only repositories that differ, and reads only
// manifests of repositories whose revisions have changed, or of all repositories if all is set.
func (s *Store) reindex(ctx context.Context, all bool) (storage.ReindexReport, error) {
	var report storage.ReindexReport
	record, err := s.indexRecord(ctx)
	if err != nil {
		return report, err
	}
	if all {
		record.Scanned = map[string]uint64{}
	}
	sums := map[string]*repositorySums{}
	of := func(repo string) *repositorySums {
		r := sums[repo]
		if r == nil {
			r = &repositorySums{}
			sums[repo] = r
		}
		return r
	}
	b := yielding{s.bucket, s}
	if err := s.sumIndexes(ctx, b, of); err != nil {
		return report, err
	}
	if record.At.IsZero() {
		// Clients may be waiting for the catalog of a bucket that other software filled: list twice, for
		// the repositories first.
		if err := s.enterAll(ctx, b, of); err != nil {
			return report, err
		}
		s.catalogOnce.Do(func() { close(s.cataloged) })
	}
	if err := s.compare(ctx, b, of, record, &report); err != nil {
		return report, err
	}
	record.At, record.Scanned = s.now().UTC(), map[string]uint64{}
	for repo, r := range sums {
		if r.here {
			record.Scanned[repo] = r.signature
		} else if r.inTags != 0 { // the repository is gone
			if err := s.completeTags(ctx, repo); err != nil {
				return report, err
			}
		}
	}
	return report, s.saveIndexRecord(ctx, record)
}

// compare lists all repositories and reconciles those that differ from the sums of the indexes.
func (s *Store) compare(
	ctx context.Context, b bucket, of func(string) *repositorySums, record indexRecord, report *storage.ReindexReport,
) error {
	fresh, err := s.noneDerived(ctx)
	if err != nil {
		return err
	}
	var referrers atomic.Int64
	err = s.eachInParallel(ctx, b, func(w *walked) func(context.Context) error {
		r := of(w.name)
		r.here, r.content, r.signature = true, !w.empty(), w.signature
		for _, t := range w.tags {
			r.tags += hashed(t.name)
		}
		report.Tags += len(w.tags)
		if r.content {
			report.Repositories++
		}
		scan := len(w.revisions) > 0 && record.Scanned[w.name] != w.signature
		reconciled := *r
		return func(ctx context.Context) error {
			if scan {
				n, err := s.completeReferrers(ctx, w, fresh)
				referrers.Add(int64(n))
				if err != nil {
					return err
				}
			}
			return s.reconcile(ctx, w, reconciled)
		}
	})
	report.Referrers = int(referrers.Load())
	return err
}

// reconcile writes and removes the entries of a repository that differ from its content.
func (s *Store) reconcile(ctx context.Context, w *walked, r repositorySums) error {
	if r.content && !r.listed {
		if err := s.putEntry(ctx, repositoryEntry(w.name)); err != nil {
			return err
		}
	}
	switch {
	case r.inTags == r.tags:
		return nil
	case r.inTags != 0:
		return s.completeTags(ctx, w.name)
	}
	return inParallel(ctx, len(w.tags), wide, func(ctx context.Context, i int) error {
		done, err := s.entering.take(ctx)
		if err != nil {
			return err
		}
		defer done()
		return s.completeTag(ctx, w.name, w.tags[i].name)
	})
}

// enterAll adds all repositories with content to the index of repositories.
func (s *Store) enterAll(ctx context.Context, b bucket, of func(string) *repositorySums) error {
	return s.eachInParallel(ctx, b, func(w *walked) func(context.Context) error {
		r := of(w.name)
		if w.empty() || r.listed {
			return nil
		}
		r.listed = true
		return func(ctx context.Context) error { return s.putEntry(ctx, repositoryEntry(w.name)) }
	})
}

// reindexWide is how many repositories are reconciled at once.
const reindexWide = 2 * wide

// eachInParallel lists all repositories and calls prepare for each, one after the other. It calls the
// functions that prepare returns, unless they are nil, in parallel.
func (s *Store) eachInParallel(
	ctx context.Context, b bucket, prepare func(*walked) func(context.Context) error,
) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(reindexWide)
	err := s.walkRepositories(within, b, func(w *walked) error {
		if do := prepare(w); do != nil {
			g.Go(func() error { return do(within) })
		}
		return context.Cause(within)
	})
	if failed := g.Wait(); failed != nil {
		return failed
	}
	return err
}

// noneDerived reports whether the bucket has neither referrer entries nor records of what manifests
// need, as before the first index: those of single repositories then need not be looked for.
func (s *Store) noneDerived(ctx context.Context) (bool, error) {
	for _, prefix := range []string{refsDir, dependencyIndex} {
		p, err := s.bucket.list(ctx, prefix, "", 1, false)
		if err != nil {
			return false, fmt.Errorf("list derived data: %w", err)
		}
		if len(p.objects) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// sumIndexes reads the indexes.
func (s *Store) sumIndexes(ctx context.Context, b bucket, of func(string) *repositorySums) error {
	err := walk(ctx, b, repositoryIndex, func(o object) error {
		if r, err := reference.ParseRepository(unescape(strings.TrimPrefix(o.key, repositoryIndex))); err == nil {
			of(r.String()).listed = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list index of repositories: %w", err)
	}
	err = walk(ctx, b, tagIndex, func(o object) error {
		repo, tag, _ := strings.Cut(strings.TrimPrefix(o.key, tagIndex), "/")
		if r, err := reference.ParseRepository(unescape(repo)); err == nil && tag != "" {
			of(r.String()).inTags += hashed(unescape(tag))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list index of tags: %w", err)
	}
	return nil
}

// completeReferrers writes the missing referrer entries of a repository's manifests and records what the
// manifests need. It returns how many of them have a subject. With fresh, neither exists yet.
func (s *Store) completeReferrers(ctx context.Context, w *walked, fresh bool) (int, error) {
	there, record := map[string]bool{}, storage.ReadDependencies(nil)
	if !fresh {
		err := walk(ctx, s.bucket, refsPrefix(w.name), func(o object) error {
			there[o.key] = true
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("list referrers: %w", err)
		}
		if record, err = s.readDependencies(ctx, w.name); err != nil {
			return 0, err
		}
	}
	exist := make([]digest.Digest, 0, len(w.revisions))
	for _, r := range w.revisions {
		exist = append(exist, r.key.digest)
	}
	var n atomic.Int64
	var mu sync.Mutex
	err := inParallel(ctx, len(w.revisions), wide, func(ctx context.Context, i int) error {
		done, err := s.entering.take(ctx)
		if err != nil {
			return err
		}
		defer done()
		d, err := s.targetOf(ctx, w.revisions[i])
		if err != nil || d == "" {
			return err
		}
		stored, err := s.load(ctx, d)
		if err != nil {
			if errors.Is(err, storage.ErrManifestUnknown) {
				return nil // already logged; the entry is written once it is restored
			}
			return err
		}
		m, err := manifest.Parse(stored.Content)
		if err != nil {
			return nil //nolint:nilerr // load has parsed it already
		}
		named := w.revisions[i].key.digest
		mu.Lock()
		if !record.Has(named) {
			record.Add(named, m)
		}
		mu.Unlock()
		if m.Subject == nil {
			return nil
		}
		n.Add(1)
		if there[referrerKey(w.name, m.Subject.Digest, named)] {
			return nil
		}
		return s.writeReferrer(ctx, w.name, named, int64(len(stored.Content)), m)
	})
	s.saveDependencies(ctx, w.name, record, exist)
	return int(n.Load()), err
}

func (s *Store) indexRecord(ctx context.Context) (indexRecord, error) {
	record := indexRecord{}
	body, _, err := read(ctx, s.bucket, indexState, mostIndexRecord)
	switch {
	case errors.Is(err, errMissing):
		err = nil
	case err == nil:
		if json.Unmarshal(body, &record) != nil {
			record = indexRecord{} // scan everything again
		}
	}
	if record.Scanned == nil {
		record.Scanned = map[string]uint64{}
	}
	if err != nil {
		return record, fmt.Errorf("read state of index: %w", err)
	}
	return record, nil
}

func (s *Store) saveIndexRecord(ctx context.Context, record indexRecord) error {
	body, err := json.Marshal(record)
	if err == nil {
		_, err = s.bucket.put(ctx, indexState, body, condition{})
	}
	if err != nil {
		return fmt.Errorf("record state of index: %w", err)
	}
	return nil
}
