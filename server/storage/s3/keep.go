package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 makes ETags of; nothing rests on it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// node is a manifest of a repository while the survey decides whether to keep it, reduced to what
// that needs.
type node struct {
	revision   walkedRevision
	target     digest.Digest
	references []digest.Digest // empty if the manifest need not or cannot be read
	children   []digest.Digest
	subject    digest.Digest
	size       int64
	unread     bool
	kept       bool
}

// surveyedAtOnce is how many manifests of a repository are in memory at once if each can be decided
// independently.
const surveyedAtOnce = 256

// repository marks what the manifests of one repository refer to.
func (v *survey) repository(ctx context.Context, w *walked) error {
	if v.tally != nil {
		v.tally.repository(w)
	}
	signature := w.content()
	if v.earlier != nil && v.o.Untagged <= 0 {
		if was, ok := v.earlier.signatures[w.name]; ok && was == signature {
			return v.unchanged(ctx, w)
		}
	}
	unread := false
	atOnce := surveyedAtOnce
	if v.o.Untagged > 0 {
		atOnce = max(1, len(w.revisions)) // manifests keep one another
	}
	for some := range slices.Chunk(w.revisions, atOnce) {
		nodes := make([]node, len(some))
		err := inParallel(ctx, len(nodes), wide, func(ctx context.Context, i int) (err error) {
			nodes[i], err = v.read(ctx, some[i])
			return err
		})
		if err != nil {
			return err
		}
		bad, err := v.decide(ctx, w, nodes)
		if err != nil {
			return err
		}
		unread = unread || bad
	}
	if unread {
		v.unread = append(v.unread, w.name)
	} else {
		v.signatures[w.name] = signature
	}
	return nil
}

// content hashes the manifest links of a repository. It changes when a manifest is pushed, touched
// or deleted.
func (w *walked) content() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, r := range w.revisions {
		fmt.Fprintf(h, "%s %d %s\n", r.link.key, r.link.modTime.UnixNano(), r.link.etag)
	}
	h.Sum(sum[:0])
	return sum
}

// unchanged marks the manifests of a repository whose manifests were all readable and have not
// changed since the earlier survey.
func (v *survey) unchanged(ctx context.Context, w *walked) error {
	for _, r := range w.revisions {
		target, err := v.s.targetOf(ctx, r)
		if err != nil {
			return err
		}
		v.linked(r.key, r.link, target)
		v.mark(r.key.digest)
		if target != "" {
			v.mark(target)
		}
		if err := v.facts.relieve(ctx); err != nil {
			return err
		}
	}
	return nil
}

// decide marks what some manifests of a repository keep, and reports whether one of them is
// unreadable.
func (v *survey) decide(ctx context.Context, w *walked, nodes []node) (unread bool, err error) {
	for i := range nodes {
		v.linked(nodes[i].revision.key, nodes[i].revision.link, nodes[i].target)
		nodes[i].kept = v.o.Untagged <= 0
		if err := v.facts.relieve(ctx); err != nil {
			return false, err
		}
	}
	if v.o.Untagged > 0 {
		if err := v.keepTagged(ctx, w, nodes); err != nil {
			return false, err
		}
	}
	for i := range nodes {
		n := &nodes[i]
		unread = unread || n.unread
		if !n.kept {
			v.drop(untaggedManifest{w.name, n.revision.key.digest, n.revision.link, n.size})
			continue
		}
		v.mark(n.revision.key.digest)
		if n.target != "" {
			v.mark(n.target)
		}
		for _, d := range n.references {
			v.mark(d)
		}
		if err := v.facts.relieve(ctx); err != nil {
			return false, err
		}
	}
	return unread, v.facts.relieve(ctx)
}

// drop records a manifest to be removed as untagged.
func (v *survey) drop(u untaggedManifest) {
	switch {
	case v.wanted != nil && v.wanted[u.digest] == nil:
	case v.wanted == nil && len(v.untagged) >= v.s.mostSwept:
		v.more++
	default:
		v.untagged = append(v.untagged, u)
	}
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
	stored, err := v.s.load(ctx, target)
	if errors.Is(err, storage.ErrManifestUnknown) {
		n.unread = true
		return n, nil
	}
	if err != nil {
		return n, err
	}
	n.size = int64(len(stored.Content))
	m, err := manifest.Parse(stored.Content)
	if err != nil {
		n.unread = true
		return n, nil
	}
	for _, r := range m.References() {
		n.references = append(n.references, r.Digest)
	}
	for _, c := range m.Manifests {
		n.children = append(n.children, c.Digest)
	}
	if m.Subject != nil {
		n.subject = m.Subject.Digest
	}
	return n, nil
}

// keepTagged keeps the manifests that are young, unreadable, or reachable from a tag: the tagged
// manifest, the children of an index, and every manifest whose subject is kept.
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
		// The listing includes the ETag, which is usually the MD5 of the link's content.
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
			if subject := by[n.subject]; subject != nil && subject.kept {
				keep(n)
			}
			if !n.kept {
				continue
			}
			for _, c := range n.children {
				keep(by[c])
			}
		}
	}
	return nil
}
