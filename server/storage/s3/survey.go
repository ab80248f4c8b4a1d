package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 makes ETags of; nothing rests on it
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// survey is what one look at everything found: which digests are referenced, and when each was touched. It takes about 300 bytes for each.
type survey struct {
	s   *Store
	o   storage.CollectOptions
	now time.Time
	// live manifests of an earlier survey: what they refer to was found live then and is no candidate now, so they are not read again.
	earlier *survey
	// wanted has the digests whose links are to be remembered; nil: none.
	wanted map[digest.Digest]bool

	mu        sync.Mutex
	facts     map[digest.Digest]*fact
	aliases   map[digest.Digest]digest.Digest // link named by the first, holding the second
	untagged  []untaggedManifest
	contents  map[string]int // links of each repository
	unread    []string       // repositories with a manifest that cannot be read
	problems  []string
	manifests int
}

// fact is what is known of one digest.
type fact struct {
	size     int64
	data     time.Time // zero: there is none
	link     time.Time // of the youngest link; zero: there is none
	live     bool
	manifest bool
	links    []string // where wanted
}

// untaggedManifest is a manifest that goes for having no tag, parent or subject.
type untaggedManifest struct {
	repo   string
	digest digest.Digest
	link   object
	size   int64
}

func (s *Store) survey(ctx context.Context, o storage.CollectOptions, earlier *survey, wanted map[digest.Digest]bool) (*survey, error) {
	v := &survey{
		s: s, o: o, now: s.now(), earlier: earlier, wanted: wanted,
		facts: map[digest.Digest]*fact{}, aliases: map[digest.Digest]digest.Digest{}, contents: map[string]int{},
	}
	err := s.walkLinks(ctx, func(k repoKey, l object) error {
		target, err := s.targetOf(ctx, walkedRevision{k, l})
		if err != nil {
			return err
		}
		v.linked(k, l, target)
		return nil
	}, func(w *walked) error { return v.repository(ctx, w) })
	if err != nil {
		return nil, err
	}
	for _, repo := range v.unread {
		if err := v.keepAll(ctx, repo); err != nil {
			return nil, err
		}
	}
	err = walk(ctx, s.bucket, blobsDir, func(b object) error {
		if d, ok := parseBlobKey(b.key); ok {
			f := v.fact(d)
			f.size, f.data = b.size, b.modTime
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	// What is named by one algorithm may be kept under another.
	for named, target := range v.aliases {
		if v.fact(named).live {
			v.fact(target).live = true
		}
	}
	return v, nil
}

// targetOf returns the digest a listed link means; empty where it is odd.
func (s *Store) targetOf(ctx context.Context, r walkedRevision) (digest.Digest, error) {
	if r.link.size == int64(len(r.key.digest)) {
		return r.key.digest, nil
	}
	d, ok, err := s.readLink(ctx, r.link.key)
	if !ok {
		return "", err
	}
	return d, err
}

func (v *survey) fact(d digest.Digest) *fact {
	f := v.facts[d]
	if f == nil {
		f = &fact{}
		v.facts[d] = f
	}
	return f
}

// linked notes a link. A time in the future counts as now.
func (v *survey) linked(k repoKey, l object, target digest.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := l.modTime
	if at.After(v.now) {
		at = v.now
	}
	v.contents[k.repo]++
	if target == "" {
		v.problems = append(v.problems, "the link "+l.key+" holds no digest")
		target = k.digest
	}
	if target != k.digest {
		v.aliases[k.digest] = target
	}
	for _, d := range []digest.Digest{k.digest, target} {
		f := v.fact(d)
		if at.After(f.link) {
			f.link = at
		}
		f.manifest = f.manifest || k.kind == revisionKind
	}
	if v.wanted[target] {
		f := v.fact(target)
		f.links = append(f.links, l.key)
	}
}

func (v *survey) mark(d digest.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fact(d).live = true
}

// keepAll makes every link of a repository a root: it has a manifest that cannot be read, and nobody knows what that refers to.
func (v *survey) keepAll(ctx context.Context, repo string) error {
	v.problems = append(v.problems, "a manifest of "+repo+" cannot be read: nothing that this repository links to is removed until it is pushed again")
	return walk(ctx, v.s.bucket, repoPrefix(repo)+"_", func(o object) error {
		k, ok := parseRepoKey(o.key)
		if !ok || k.kind != layerKind && k.kind != revisionKind {
			return nil
		}
		v.mark(k.digest)
		if target, ok := v.aliases[k.digest]; ok {
			v.mark(target)
		}
		return nil
	})
}

// node is a manifest of a repository while the survey decides about it.
type node struct {
	revision walkedRevision
	target   digest.Digest
	m        *manifest.Manifest // nil: it need not be read, or cannot be
	size     int64
	unread   bool
	kept     bool
}

// repository marks what the manifests of one repository refer to.
func (v *survey) repository(ctx context.Context, w *walked) error {
	nodes := make([]node, len(w.revisions))
	err := inParallel(ctx, len(nodes), wide, func(ctx context.Context, i int) (err error) {
		nodes[i], err = v.read(ctx, w.revisions[i])
		return err
	})
	if err != nil {
		return err
	}
	for i := range nodes {
		v.linked(nodes[i].revision.key, nodes[i].revision.link, nodes[i].target)
		nodes[i].kept = v.o.Untagged <= 0
	}
	v.manifests += len(nodes)
	if v.o.Untagged > 0 {
		if err := v.keepTagged(ctx, w, nodes); err != nil {
			return err
		}
	}
	unread := false
	for i := range nodes {
		n := &nodes[i]
		unread = unread || n.unread
		if !n.kept {
			v.untagged = append(v.untagged, untaggedManifest{w.name, n.revision.key.digest, n.revision.link, n.size})
			continue
		}
		v.mark(n.revision.key.digest)
		if n.target != "" {
			v.mark(n.target)
		}
		if n.m == nil {
			continue
		}
		for _, r := range n.m.References() {
			v.mark(r.Digest)
		}
	}
	if unread {
		v.unread = append(v.unread, w.name)
	}
	return nil
}

func (v *survey) read(ctx context.Context, r walkedRevision) (node, error) {
	n := node{revision: r}
	target, err := v.s.targetOf(ctx, r)
	if err != nil {
		return n, err
	}
	n.target = target
	if target == "" {
		n.unread = true
		return n, nil
	}
	if v.earlier != nil && v.o.Untagged <= 0 {
		// Maps are only read while several look.
		if f := v.earlier.facts[target]; f != nil && f.live && f.manifest {
			return n, nil
		}
	}
	stored, err := v.s.load(ctx, target)
	if errors.Is(err, storage.ErrManifestUnknown) {
		n.unread = true
		return n, nil
	}
	if err != nil {
		return n, err
	}
	n.size = int64(len(stored.Content))
	n.m, err = manifest.Parse(stored.Content)
	n.unread = err != nil
	return n, nil
}

// keepTagged keeps the manifests that are young, cannot be read, or are reached from a tag: itself, the children of an index, and whatever has
// one of these for its subject.
func (v *survey) keepTagged(ctx context.Context, w *walked, nodes []node) error {
	by := make(map[digest.Digest]*node, len(nodes))
	etags := make(map[string]digest.Digest, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		d := n.revision.key.digest
		by[d] = n
		sum := md5.Sum([]byte(d)) //nolint:gosec // as above
		etags[hex.EncodeToString(sum[:])] = d
		age := v.now.Sub(n.revision.link.modTime)
		n.kept = n.unread || age < v.o.Untagged || age < v.o.Window
	}
	for _, t := range w.tags {
		// The listing tells the ETag, which mostly is the MD5 of what the link holds.
		d, ok := etags[strings.Trim(t.link.etag, `"`)]
		if !ok {
			var err error
			if d, ok, err = v.s.readLink(ctx, t.link.key); err != nil {
				return err
			}
		}
		if n := by[d]; ok && n != nil {
			n.kept = true
		}
	}
	for changed := true; changed; {
		changed = false
		keep := func(n *node) {
			if n != nil && !n.kept {
				n.kept, changed = true, true
			}
		}
		for i := range nodes {
			n := &nodes[i]
			if n.m == nil {
				continue
			}
			if s := n.m.Subject; s != nil {
				if subject := by[s.Digest]; subject != nil && subject.kept {
					keep(n)
				}
			}
			if !n.kept {
				continue
			}
			for _, c := range n.m.Manifests {
				keep(by[c.Digest])
			}
		}
	}
	return nil
}

// doomed tells whether nothing refers to a digest and nobody touched it within the window; after says when that may be, where only time keeps it.
func (v *survey) doomed(f *fact) (gone bool, after time.Time) {
	if f.live {
		return false, time.Time{}
	}
	young := f.data
	if f.link.After(young) {
		young = f.link
	}
	if young.After(v.now) {
		young = v.now
	}
	after = young.Add(v.o.Window)
	return after.Before(v.now), after
}
