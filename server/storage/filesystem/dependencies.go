package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// dependencyIndex stores what the manifests of a repository refer to, so that a deletion finds the
// images that need the content:
//
//	refs/<escaped repository>/dependencies   a storage.Dependencies record
//
// Pushes append to the record from memory, without a sync. A deletion lists the manifests and reads
// those that the record lacks, so a record may be incomplete or missing.
type dependencyIndex struct {
	s       *Store
	mu      sync.Mutex
	pending map[string][]byte // entries of a repository that are not written yet
}

const (
	dependenciesFile = "dependencies"
	pendingMost      = 4 << 10 // bytes of a repository
	pendingRepos     = 1024
)

func newDependencyIndex(s *Store) *dependencyIndex {
	return &dependencyIndex{s: s, pending: map[string][]byte{}}
}

func dependenciesPath(repo string) string { return refsOf(repo) + "/" + dependenciesFile }

// note records a manifest that was added to a repository.
func (x *dependencyIndex) note(repo string, d digest.Digest, m *manifest.Manifest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	entries := storage.AppendDependencies(x.pending[repo], d, m)
	x.pending[repo] = entries
	if len(entries) >= pendingMost {
		x.flush(repo)
	}
	for other := range x.pending {
		if len(x.pending) <= pendingRepos {
			break
		}
		x.flush(other)
	}
}

// flush appends the pending entries of a repository to its record. The caller holds x.mu.
func (x *dependencyIndex) flush(repo string) {
	entries := x.pending[repo]
	delete(x.pending, repo)
	if err := x.append(dependenciesPath(repo), entries); err != nil {
		x.s.log.Debug("record what manifests need", "repository", repo, "error", err)
	}
}

func (x *dependencyIndex) append(name string, entries []byte) error {
	f, err := x.s.disk.Reopen(name)
	if absent(err) {
		return x.write(name, entries)
	}
	if err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Write(entries)
	}
	return errors.Join(err, f.Close())
}

func (x *dependencyIndex) write(name string, record []byte) error {
	c := x.s.begin()
	defer c.end()
	return c.rough(name, record)
}

// save writes all pending entries.
func (x *dependencyIndex) save() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for repo := range x.pending {
		x.flush(repo)
	}
}

// read returns the record of a repository.
func (x *dependencyIndex) read(repo string) *storage.Dependencies {
	x.mu.Lock()
	pending := append([]byte{}, x.pending[repo]...)
	x.mu.Unlock()
	body, err := x.content(dependenciesPath(repo))
	if err != nil && !absent(err) {
		x.s.log.Warn("the record of what manifests need cannot be read and is made again", "repository", repo, "error", err)
	}
	record := storage.ReadDependencies(body)
	record.Join(pending)
	return record
}

func (x *dependencyIndex) content(name string) ([]byte, error) {
	f, err := x.s.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	body := make([]byte, min(info.Size, storage.MaxDependencies))
	n, err := io.ReadFull(f, body)
	return body[:n], err
}

// refresh returns the manifests of a repository and a record of all of them that can be read.
func (x *dependencyIndex) refresh(ctx context.Context, repo string) ([]digest.Digest, *storage.Dependencies, error) {
	record, exist := x.read(repo), []digest.Digest{}
	for _, alg := range algorithms {
		err := x.s.disk.List(revisionsDir(repo)+"/"+string(alg), func(e disk.Entry) error {
			if d, ok := digestOf(alg, e.Name); ok {
				exist = append(exist, d)
			}
			return ctx.Err()
		})
		if err != nil && !absent(err) {
			return nil, nil, fmt.Errorf("list manifests: %w", err)
		}
	}
	linked := exist[:0]
	for _, d := range exist {
		if record.Has(d) {
			linked = append(linked, d)
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		target, _, ok, err := x.s.linked(revisionDir(repo, d), d)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		linked = append(linked, d)
		stored, err := x.s.load(target)
		if errors.Is(err, storage.ErrManifestUnknown) {
			continue // damaged, which load has logged
		}
		if err != nil {
			return nil, nil, err
		}
		m, err := manifest.Parse(stored.Content)
		if err != nil {
			return nil, nil, fmt.Errorf("read manifest %s: %w", d, err)
		}
		record.Add(d, m)
	}
	if record.Outdated(len(linked)) {
		x.replace(repo, record.Record(linked))
	}
	return linked, record, nil
}

// replace writes the record of a repository again, including its pending entries.
func (x *dependencyIndex) replace(repo string, record []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.pending, repo)
	if err := x.write(dependenciesPath(repo), record); err != nil {
		x.s.log.Debug("record what manifests need", "repository", repo, "error", err)
	}
}

// dependents is a set of manifests, valid while revisions/ does not change.
type dependents struct {
	manifests map[digest.Digest]bool
	times     [2]int64 // of revisions/<algorithm>
}

// dependents returns the manifests of a repository that need d.
func (s *Store) dependents(ctx context.Context, repo string, d digest.Digest) (dependents, error) {
	times := s.revisionTimes(repo)
	exist, record, err := s.needs.refresh(ctx, repo)
	if err != nil {
		return dependents{}, err
	}
	return dependents{record.Dependents(d, exist), times}, nil
}

func (s *Store) revisionTimes(repo string) (times [2]int64) {
	for i, alg := range algorithms {
		times[i] = s.timeOf(revisionsDir(repo) + "/" + string(alg))
		if s.now().UnixNano()-times[i] < int64(linkSettled) {
			times[i] = unknownTime // it may change again within one tick of the disk's clock
		}
	}
	return times
}

// lockForDeletion locks a digest whose link is in dir exclusively. Unless force is set, it returns a
// *storage.NeededError if the link exists and a tag of the repository needs the digest.
func (s *Store) lockForDeletion(
	ctx context.Context, repo, dir string, d digest.Digest, force bool,
) (unlock func(), err error) {
	if _, _, ok, err := s.linked(dir, d); err != nil {
		return nil, err
	} else if force || !ok {
		return s.locks.exclusive(d), nil
	}
	// Reading many manifests takes time, so most of it is done without the lock.
	needing, err := s.dependents(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	unlock = s.locks.exclusive(d)
	if now := s.revisionTimes(repo); now != needing.times || now[0] == unknownTime || now[1] == unknownTime {
		needing, err = s.dependents(ctx, repo, d)
	}
	if err == nil && len(needing.manifests) > 0 {
		var tag string
		var m digest.Digest
		if tag, m, err = s.firstTag(ctx, repo, needing.manifests); err == nil && tag != "" {
			err = &storage.NeededError{Digest: d, Tag: tag, Manifest: m}
		}
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// firstTag returns a tag that points to one of the given manifests, and which one, or "" if there
// is none.
func (s *Store) firstTag(
	ctx context.Context, repo string, set map[digest.Digest]bool,
) (tag string, m digest.Digest, err error) {
	tags, err := s.tagsOf(ctx, repo, slices.Collect(maps.Keys(set))...)
	if err != nil {
		return "", "", err
	}
	slices.Sort(tags)
	for _, t := range tags {
		now, ok, err := s.pointsTo(repo, t)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return "", "", err
		}
		if ok && set[now] {
			return t, now, nil
		}
	}
	return "", "", nil
}
