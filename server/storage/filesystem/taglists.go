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

// tagLists keeps the tags of repositories sorted in memory, each list built at its first use and valid while the time of tags/ is the one
// recorded. Our own changes carry it on; together the lists are bounded, and the one not used for longest is dropped.
type tagLists struct {
	s     *Store
	most  int // names in all lists
	mu    sync.Mutex
	by    map[string]*tagList
	clock uint64
}

// tagList is the tags of one repository.
type tagList struct {
	mu    sync.Mutex // also: from before a change of tags/ until after it
	used  uint64     // under tagLists.mu
	size  int        // under tagLists.mu
	built bool
	time  int64
	names []listedTag
}

// listedTag is a name in tags/; seen: that it points to a manifest of the repository.
type listedTag struct {
	name string
	seen bool
}

func byTag(t listedTag, name string) int { return strings.Compare(t.name, name) }

func newTagLists(s *Store, most int) *tagLists {
	return &tagLists{s: s, most: most, by: map[string]*tagList{}}
}

// of returns the list of a repository; nil without anew if there is none.
func (l *tagLists) of(repo string, anew bool) *tagList {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.by[repo]
	if !ok {
		if !anew {
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

// grew notes the size of a list and drops others when they are too many. Called with t.mu held or not at all.
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

// dropColdest drops the list that was not used for longest, but not this one, and returns how many names it had. Called with l.mu held.
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

// leave drops the list of a repository that has no tags: anybody can ask for any name.
func (l *tagLists) leave(repo string, t *tagList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[repo] == t {
		delete(l.by, repo)
	}
}

const mostLists = 4096

func (l *tagLists) time(repo string) int64 { return l.s.timeOf(tagsDir(repo)) }

// around lets a change of our own to tags/ pass; tag, unless empty, is there after it.
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

// gone takes a removed tag off the list.
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

// doubt has every tag of a repository looked at again: a manifest went, and a link to it may be left that no index knows of.
func (l *tagLists) doubt(repo string) {
	t := l.of(repo, false)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.names {
		t.names[i].seen = false
	}
}

// build reads tags/ anew unless the list is valid; false where there is no such directory. Called with t.mu held.
func (l *tagLists) build(ctx context.Context, repo string, t *tagList) (bool, error) {
	now := l.time(repo)
	if t.built && t.time == now && now != unknownTime {
		return true, nil
	}
	t.built, t.names = false, nil
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
