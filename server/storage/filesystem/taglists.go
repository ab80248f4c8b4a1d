package filesystem

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// tagLists caches the sorted tags of repositories. Each list is built on first use and valid while
// the modification time of tags/ is the recorded one, which our own changes update. The total size
// is bounded, and the least recently used list is evicted.
type tagLists struct {
	s     *Store
	most  int // names in all lists together
	mu    sync.Mutex
	by    map[string]*tagList
	clock uint64
}

// tagList is the tags of one repository.
type tagList struct {
	mu    sync.Mutex // also held during changes of tags/
	used  uint64     // guarded by tagLists.mu
	size  int        // guarded by tagLists.mu
	built bool
	time  int64
	names []listedTag

	alone  int  // tags resolved one by one since names was built
	marked bool // the log was read since then
}

// listedTag is a name in tags/. seen means that it is known to point to a manifest of the
// repository.
type listedTag struct {
	name string
	seen bool
}

func byTag(t listedTag, name string) int { return strings.Compare(t.name, name) }

func newTagLists(s *Store, most int) *tagLists {
	return &tagLists{s: s, most: most, by: map[string]*tagList{}}
}

// of returns the list of a repository. If there is none, it creates one if create is set and returns
// nil otherwise.
func (l *tagLists) of(repo string, create bool) *tagList {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.by[repo]
	if !ok {
		if !create {
			return nil
		}
		t = &tagList{}
		l.by[repo] = t
		if len(l.by) > mostLists {
			l.dropColdest(t)
		}
	}
	l.clock++
	t.used = l.clock
	return t
}

// grew records the size of a list and evicts others if the total is too large. t.mu may be held.
func (l *tagLists) grew(t *tagList, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.size = size
	total := 0
	for _, o := range l.by {
		total += o.size
	}
	for total > l.most && len(l.by) > 1 {
		total -= l.dropColdest(t)
	}
}

// dropColdest evicts the least recently used list other than but, and returns how many names it
// had. The caller holds l.mu.
func (l *tagLists) dropColdest(but *tagList) int {
	coldest := ""
	for repo, o := range l.by {
		if o != but && (coldest == "" || o.used < l.by[coldest].used) {
			coldest = repo
		}
	}
	size := l.by[coldest].size
	delete(l.by, coldest)
	return size
}

// leave drops the list of a repository without tags, because clients can request arbitrary names.
func (l *tagLists) leave(repo string, t *tagList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[repo] == t {
		delete(l.by, repo)
	}
}

const mostLists = 4096

func (l *tagLists) time(repo string) int64 { return l.s.timeOf(tagsDir(repo)) }

// around runs a change of our own in tags/ without invalidating the list. tag, unless empty, exists
// after it.
func (l *tagLists) around(repo, tag string, do func() error) error {
	t := l.of(repo, false)
	if t == nil {
		return do()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	valid := t.built && t.time == l.time(repo) && t.time != unknownTime
	if err := do(); err != nil || !valid {
		t.built = false
		return err
	}
	t.time = l.time(repo)
	if tag == "" {
		return nil
	}
	if i, found := slices.BinarySearchFunc(t.names, tag, byTag); !found {
		t.names = slices.Insert(t.names, i, listedTag{name: tag})
	}
	return nil
}

// gone removes a deleted tag from the list.
func (l *tagLists) gone(repo, tag string) {
	t := l.of(repo, false)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, found := slices.BinarySearchFunc(t.names, tag, byTag); found {
		t.names = slices.Delete(t.names, i, i+1)
	}
}

// build reads tags/ again unless the list is valid. It returns false if the directory does not
// exist. The caller holds t.mu.
func (l *tagLists) build(ctx context.Context, repo string, t *tagList) (bool, error) {
	now := l.time(repo)
	if t.built && t.time == now && now != unknownTime {
		return true, nil
	}
	t.built, t.names, t.alone, t.marked = false, nil, 0, false
	err := l.s.disk.List(tagsDir(repo), func(e disk.Entry) error {
		if _, err := reference.ParseTag(e.Name); err == nil && e.Dir {
			t.names = append(t.names, listedTag{name: e.Name})
		}
		return ctx.Err()
	})
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list tags: %w", err)
	}
	slices.SortFunc(t.names, func(a, b listedTag) int { return strings.Compare(a.name, b.name) })
	t.built, t.time = true, now
	l.grew(t, len(t.names))
	return true, nil
}

// resolve marks the tags of a page that exist as seen. The caller holds t.mu.
func (l *tagLists) resolve(ctx context.Context, repo string, t *tagList, page []listedTag) error {
	unseen := func() (left []int) {
		for i := range page {
			if !page[i].seen {
				left = append(left, i)
			}
		}
		return left
	}
	left := unseen()
	if t.alone += len(left); t.alone > mostAlone && !t.marked {
		t.marked = true
		if err := l.s.tagIndex.mark(ctx, repo, t.names); err != nil {
			return err
		}
		left = unseen()
	}
	return inParallel(ctx, readersOfATree, len(left), func(i int) (err error) {
		tag := &page[left[i]]
		_, tag.seen, err = l.s.resolve(repo, tag.name)
		return err
	})
}

// mostAlone is how many tags of a list are resolved one by one before all are looked up in the log.
const mostAlone = 512

// Tags implements storage.Listings.
func (s *Store) Tags(ctx context.Context, repo reference.Repository, last string, n int) (page []string, more bool, err error) {
	name := repo.String()
	t := s.tagLists.of(name, true)
	t.mu.Lock()
	defer t.mu.Unlock()
	there, err := s.tagLists.build(ctx, name, t)
	if err != nil {
		return nil, false, err
	}
	page = []string{}
	if !there || len(t.names) == 0 {
		s.tagLists.leave(name, t)
		if !s.holds(catalogued{name: name}) {
			return nil, false, fmt.Errorf("%w: %s", storage.ErrRepositoryUnknown, repo)
		}
		return page, false, nil
	}
	i, found := slices.BinarySearchFunc(t.names, last, byTag)
	if found {
		i++
	}
	if err := s.tagLists.resolve(ctx, name, t, t.names[i:min(i+max(n, 0)+1, len(t.names))]); err != nil {
		return nil, false, err
	}
	page = make([]string, 0, min(max(n, 0), len(t.names)-i))
	for ; i < len(t.names); i++ {
		tag := &t.names[i]
		if !tag.seen {
			if err := ctx.Err(); err != nil {
				return nil, false, err
			}
			if _, tag.seen, err = s.resolve(name, tag.name); err != nil {
				return nil, false, err
			}
		}
		if !tag.seen {
			continue
		}
		if len(page) >= n {
			return page, true, nil
		}
		page = append(page, tag.name)
	}
	return page, false, nil
}
