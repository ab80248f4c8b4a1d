package filesystem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// marks is the result of walking the repositories: which digests are live, and which repositories
// link to them.
type marks struct {
	s        *Store
	repos    []string
	live     *spill // tail: why, number of a repository that keeps it
	links    *spill // tail: kind, number of the repository
	problems []string
	dead     func(ctx context.Context, r *marked) error // may remove manifests from r; nil: all are live
	tags     []int                                      // number of tags per repository, if count is set
	count    bool                                       // read the tags
}

// Kinds of links.
const (
	layerLink    byte = 0
	revisionLink byte = 1
)

// Why a digest is live, strongest reason first.
const (
	liveTagged   byte = iota // a manifest with a tag
	liveManifest             // a manifest without one, or with tags not read
	liveNeeded               // a manifest refers to it
	liveLinked               // the target of a link named by another digest
	liveUnread               // its repository has an unreadable manifest
)

// mostProblems bounds the problems in a report.
const mostProblems = 1000

// marked is the state of the walk in one repository.
type marked struct {
	number    int
	name      string
	revisions map[digest.Digest]*revision
	unread    bool // a manifest could not be read: keep everything in this repository
}

// revision is a manifest of a repository.
type revision struct {
	target  digest.Digest // digest of the data
	touched time.Time     // time of its link
	size    int64
	needs   []digest.Digest
	kids    []digest.Digest
	subject digest.Digest
	tagged  []string
}

func (s *Store) newMarks() *marks {
	return &marks{s: s, live: s.newSpill(5), links: s.newSpill(5)}
}

func (m *marks) close() {
	m.live.close()
	m.links.close()
}

func (m *marks) problem(format string, args ...any) {
	if len(m.problems) < mostProblems {
		m.problems = append(m.problems, fmt.Sprintf(format, args...))
	}
}

// walk marks every repository.
func (m *marks) walk(ctx context.Context) error {
	err := m.s.eachRepository(ctx, func(name string, parts []string) error {
		if parts == nil {
			return fmt.Errorf("%s is a symbolic link, and what a repository behind it needs would be overlooked", repoDir(name))
		}
		if isRepository(parts) {
			m.repos = append(m.repos, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(m.repos)
	for i, name := range m.repos {
		if err := m.repository(ctx, &marked{number: i, name: name, revisions: map[digest.Digest]*revision{}}); err != nil {
			return fmt.Errorf("look through %s: %w", name, err)
		}
	}
	return nil
}

func (m *marks) repository(ctx context.Context, r *marked) error {
	err := m.s.eachLink(ctx, revisionsDir(r.name), m.problem, func(d, target digest.Digest, info disk.Info) error {
		r.revisions[d] = &revision{target: target, touched: info.ModTime}
		return nil
	})
	if err != nil {
		return err
	}
	for d, v := range r.revisions {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.read(d, v, r)
	}
	if m.dead != nil || m.count {
		if err := m.readTags(ctx, r); err != nil {
			return err
		}
	}
	if m.dead != nil && !r.unread {
		if err := m.dead(ctx, r); err != nil {
			return err
		}
	}
	for d, v := range r.revisions {
		as := liveManifest
		if len(v.tagged) > 0 {
			as = liveTagged
		}
		if err := errors.Join(m.keep(as, r.number, d, v.target), m.keep(liveNeeded, r.number, v.needs...)); err != nil {
			return err
		}
		if err := m.link(revisionLink, r.number, v.target); err != nil {
			return err
		}
	}
	return m.s.eachLink(ctx, layersDir(r.name), m.problem, func(d, target digest.Digest, _ disk.Info) error {
		if r.unread {
			if err := m.keep(liveUnread, r.number, d, target); err != nil {
				return err
			}
		}
		if target != d {
			// Manifests refer to the blob by the name of the link, and the disk stores it by its
			// content.
			if err := errors.Join(m.keep(liveLinked, r.number, d, target), m.link(layerLink, r.number, d)); err != nil {
				return err
			}
		}
		return m.link(layerLink, r.number, target)
	})
}

// read parses a manifest. If it cannot be read, it is reported, and everything in its repository is
// kept.
func (m *marks) read(d digest.Digest, v *revision, r *marked) {
	content, err := m.s.readManifest(v.target)
	if err == nil {
		var parsed *manifest.Manifest
		if parsed, err = manifest.Parse(content); err == nil {
			v.size = int64(len(content))
			for _, ref := range parsed.References() {
				v.needs = append(v.needs, ref.Digest)
				if ref.Kind == manifest.Child {
					v.kids = append(v.kids, ref.Digest)
				}
			}
			if parsed.Subject != nil {
				v.subject = parsed.Subject.Digest
			}
			return
		}
	}
	r.unread = true
	m.problem("manifest %s of %s cannot be read, so everything %s links to stays: %v", d, r.name, r.name, err)
}

// readManifest reads a manifest without adding it to the cache, which is for requested ones.
func (s *Store) readManifest(d digest.Digest) ([]byte, error) {
	if c, hit := s.manifests.Get(d); hit {
		if info, ok, err := s.data(d); err == nil && ok && c.info.Same(info) {
			return c.stored.Content, nil
		}
	}
	body, err := s.read(blobPath(d), maxManifest)
	if err != nil {
		return nil, err
	}
	if got := d.Algorithm().FromBytes(body); got != d {
		return nil, fmt.Errorf("its %d bytes have the digest %s", len(body), got)
	}
	return body, nil
}

func (m *marks) readTags(ctx context.Context, r *marked) error {
	n := 0
	err := m.s.disk.List(tagsDir(r.name), func(e disk.Entry) error {
		if _, err := reference.ParseTag(e.Name); err != nil {
			m.problem("%s/%s is no tag", tagsDir(r.name), e.Name)
			return ctx.Err()
		}
		d, ok, err := m.s.readLink(tagLink(r.name, e.Name))
		if err != nil {
			return err
		}
		if v, there := r.revisions[d]; ok && there {
			n++
			if len(v.tagged) < 3 {
				v.tagged = append(v.tagged, e.Name)
			}
		}
		return ctx.Err()
	})
	m.tags = append(m.tags, n)
	if absent(err) {
		return nil
	}
	return err
}

func (m *marks) keep(why byte, repo int, ds ...digest.Digest) error {
	tail := binary.BigEndian.AppendUint32([]byte{why}, uint32(repo)) //nolint:gosec // repositories are counted
	for _, d := range ds {
		if _, err := reference.ParseDigest(string(d)); err != nil {
			continue // a reference that can never be stored here
		}
		if err := m.live.add(d, tail...); err != nil {
			return err
		}
	}
	return nil
}

func (m *marks) link(kind byte, repo int, d digest.Digest) error {
	return m.links.add(d, binary.BigEndian.AppendUint32([]byte{kind}, uint32(repo))...) //nolint:gosec // see above
}

// eachLink visits the links below a directory of algorithms. Anything else is reported to odd and
// skipped.
func (s *Store) eachLink(ctx context.Context, dir string, odd func(string, ...any), visit func(d, target digest.Digest, info disk.Info) error) error {
	for _, alg := range algorithms {
		err := s.disk.List(dir+"/"+string(alg), func(e disk.Entry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			name := dir + "/" + string(alg) + "/" + e.Name
			d, ok := digestOf(alg, e.Name)
			if !ok || !e.Dir {
				odd("%s is nothing of a registry's", name)
				return nil
			}
			target, info, ok, err := s.linked(name, d)
			if err != nil {
				return err
			}
			if !ok {
				if s.anything(name) { // distribution's garbage collection leaves empty directories
					odd("%s has no link that can be read", name)
				}
				return nil
			}
			return visit(d, target, info)
		})
		if err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

// eachBlob visits the data of blobs whose digest begins with the given byte.
func (s *Store) eachBlob(ctx context.Context, first byte, odd func(string, ...any), visit func(d digest.Digest, info disk.Info) error) error {
	for _, alg := range algorithms {
		dir := fmt.Sprintf("%s/%s/%02x", blobsDir, alg, first)
		var names []string // collected first, because visiting may remove entries
		err := s.disk.List(dir, func(e disk.Entry) error {
			names = append(names, e.Name)
			return ctx.Err()
		})
		if err != nil && !absent(err) {
			return err
		}
		slices.Sort(names)
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, ok := digestOf(alg, name)
			if !ok || !strings.HasPrefix(name, fmt.Sprintf("%02x", first)) {
				odd("%s/%s is nothing of a registry's", dir, name)
				continue
			}
			info, err := s.disk.Stat(blobPath(d))
			if absent(err) || err == nil && !info.Regular {
				if s.anything(dir + "/" + name) {
					odd("%s/%s holds no data", dir, name)
				}
				continue
			}
			if err != nil {
				return err
			}
			if err := visit(d, info); err != nil {
				return err
			}
		}
	}
	return nil
}

// running returns a context that is also canceled when the store closes.
func (s *Store) running(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// alone waits until no other work of this kind is running.
func alone(ctx context.Context, turn chan struct{}) (release func(), err error) {
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), context.Cause(ctx))
	}
}
