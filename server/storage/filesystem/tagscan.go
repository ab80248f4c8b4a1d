package filesystem

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// scan completes the log of a repository from its tags and revisions. Pushes continue meanwhile.
func (x *tagIndex) scan(ctx context.Context, repo string) error {
	l := x.of(repo)
	l.scanning.Lock()
	defer l.scanning.Unlock()
	epoch := *x.epoch.Load()
	var tags []string
	err := x.s.disk.List(tagsDir(repo), func(e disk.Entry) error {
		if _, err := reference.ParseTag(e.Name); err == nil && e.Dir {
			tags = append(tags, e.Name)
		}
		return ctx.Err()
	})
	if err != nil && !absent(err) {
		return fmt.Errorf("list tags: %w", err)
	}
	out := batch{write: func(lines []byte) error { return x.add(repo, lines) }}
	err = inParallel(ctx, readersOfATree, len(tags), func(i int) error {
		d, ok, err := x.s.readLink(tagLink(repo, tags[i]))
		if err != nil || !ok {
			return err
		}
		return out.add(tagPoints, tags[i], string(d))
	})
	if err != nil {
		return fmt.Errorf("scan tags: %w", err)
	}
	for _, alg := range algorithms {
		var revisions []digest.Digest
		err := x.s.disk.List(revisionsDir(repo)+"/"+string(alg), func(e disk.Entry) error {
			if d, ok := digestOf(alg, e.Name); ok {
				revisions = append(revisions, d)
			}
			return ctx.Err()
		})
		if err != nil && !absent(err) {
			return fmt.Errorf("list manifests: %w", err)
		}
		err = inParallel(ctx, readersOfATree, len(revisions), func(i int) error {
			if p := x.proof(repo, revisions[i]); p != "" {
				return out.add(tagProof, string(revisions[i]), p)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("scan manifests: %w", err)
		}
	}
	if err := out.add(tagEpoch, epoch, "-"); err != nil {
		return err
	}
	return out.flush()
}

// mark sets seen for the tags, sorted by name, that the log of the repository resolves: it names one
// digest for the tag, and the repository has that manifest. It scans the repository if the log lacks
// many of the tags.
func (x *tagIndex) mark(ctx context.Context, repo string, tags []listedTag) error {
	const unknown, several = 0, 1 // else: a hash of the digest
	seed := maphash.MakeSeed()
	hash := func(digest []byte) uint64 { return maphash.Bytes(seed, digest) | 2 }
	held := make([]uint64, len(tags))
	read := func() (missing int, err error) {
		clear(held)
		err = x.each(ctx, x.of(repo), func(kind byte, name, value []byte) error {
			if kind != tagPoints && kind != tagRemoved {
				return nil
			}
			i, found := slices.BinarySearchFunc(tags, string(name), byTag)
			switch {
			case !found:
			case kind == tagRemoved:
				held[i] = unknown
			case held[i] == unknown:
				held[i] = hash(value)
			case held[i] != hash(value):
				held[i] = several
			}
			return nil
		})
		for _, h := range held {
			if h == unknown {
				missing++
			}
		}
		return missing, err
	}
	missing, err := read()
	if err == nil && missing > mostAlone && !x.s.opt.ReadOnly {
		if err = x.scan(ctx, repo); err == nil {
			_, err = read()
		}
	}
	if err != nil {
		return err
	}
	var revisions []uint64
	for _, alg := range algorithms {
		err := x.s.disk.List(revisionsDir(repo)+"/"+string(alg), func(e disk.Entry) error {
			if e.Dir {
				revisions = append(revisions, hash([]byte(string(alg)+":"+e.Name)))
			}
			return ctx.Err()
		})
		if err != nil && !absent(err) {
			return fmt.Errorf("list manifests: %w", err)
		}
	}
	slices.Sort(revisions)
	for i, h := range held {
		if h > several && !tags[i].seen {
			_, tags[i].seen = slices.BinarySearch(revisions, h)
		}
	}
	return nil
}

// batch collects lines and writes many at once.
type batch struct {
	write func([]byte) error
	mu    sync.Mutex
	lines []byte
}

func (b *batch) add(kind byte, name, value string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = tagLine(b.lines, kind, name, value)
	if len(b.lines) < 60<<10 {
		return nil
	}
	return b.flushed()
}

func (b *batch) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flushed()
}

func (b *batch) flushed() error {
	if len(b.lines) == 0 {
		return nil
	}
	err := b.write(b.lines)
	b.lines = b.lines[:0]
	return err
}

// inParallel calls do for 0 to n-1, up to width at once, until one fails.
func inParallel(ctx context.Context, width, n int, do func(i int) error) error {
	if width == 1 || n == 1 {
		for i := range n {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(i); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, width) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// compact writes a log again without the lines that later ones replace. The caller holds l.mu.
//
// If a tag pointed to several digests, what it points to now is kept, and the last one too: it may
// be about to move there.
func (x *tagIndex) compact(l *tagLog) error {
	seed := maphash.MakeSeed()
	hash := func(b []byte) uint64 { return maphash.Bytes(seed, b) }
	type last struct {
		value  uint64 // hash of the last one
		others bool   // there were other values
	}
	points, proofs, epoch := map[uint64]last{}, map[uint64]uint64{}, ""
	each := func(visit func(kind byte, name, value []byte) error) error {
		return x.each(context.Background(), l, visit)
	}
	err := each(func(kind byte, name, value []byte) error {
		k, v := hash(name), hash(value)
		switch kind {
		case tagPoints:
			was, ok := points[k]
			points[k] = last{v, was.others || ok && was.value != v}
		case tagProof:
			proofs[k] = v
		case tagRemoved:
			delete(points, k)
			delete(proofs, k)
		case tagEpoch:
			epoch = string(name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	tmp := x.s.temporary()
	f, err := x.s.create(tmp)
	if err != nil {
		return err
	}
	drop := func(err error) error {
		_ = f.Close()
		_ = x.s.disk.Remove(tmp)
		return err
	}
	next := tagLog{f: f}
	out := batch{write: next.write}
	if epoch != "" {
		_ = out.add(tagEpoch, epoch, "-")
	}
	err = each(func(kind byte, name, value []byte) error {
		k, v := hash(name), hash(value)
		switch kind {
		case tagPoints:
			p, ok := points[k]
			if !ok || p.value != v {
				return nil
			}
			delete(points, k)
			if p.others {
				now, ok, err := x.s.pointsTo(l.repo, string(name))
				if err != nil {
					return err
				}
				if ok && !bytes.Equal([]byte(now), value) {
					if err := out.add(kind, string(name), string(now)); err != nil {
						return err
					}
				}
			}
		case tagProof:
			if p, ok := proofs[k]; !ok || p != v {
				return nil
			}
			delete(proofs, k)
		default:
			return nil
		}
		return out.add(kind, string(name), string(value))
	})
	if err == nil {
		err = out.flush()
	}
	if err != nil {
		return drop(err)
	}
	if err := x.s.rename(tmp, l.name); err != nil {
		return drop(err)
	}
	_ = l.f.Close()
	l.f, l.size, l.torn, l.compacted = f, next.size, false, next.size
	return nil
}
