package s3

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// survey is the result of listing everything: which digests are referenced, and when each was last
// touched. Its memory is bounded by the limit of facts, plus a little for each repository.
type survey struct {
	s   *Store
	o   storage.CollectOptions
	now time.Time
	// earlier is a previous survey. Manifests of repositories that have not changed since are not
	// read again: what they refer to was live then and is no candidate now.
	earlier *survey
	// wanted contains the digests whose links and untagged manifests are recorded. If nil, no links
	// but all untagged manifests are.
	wanted map[digest.Digest]*candidate
	tally  *tally // of what each repository contains; nil: not wanted

	facts      *facts
	aliases    map[digest.Digest]digest.Digest // name of a link → the different digest that it contains
	alsoLive   map[digest.Digest]bool          // targets of live aliases
	untagged   []untaggedManifest
	more       int            // number of untagged manifests beyond those
	contents   map[string]int // links of each repository
	signatures map[string][sha256.Size]byte
	unread     []string // repositories with an unreadable manifest
	problems   []string
}

// untaggedManifest is a manifest to be removed because it has no tag, parent or subject.
type untaggedManifest struct {
	repo   string
	digest digest.Digest
	link   object
	size   int64
}

func (s *Store) survey(ctx context.Context, v *survey) (*survey, error) {
	v.s, v.now, v.facts = s, s.now(), s.newFacts()
	v.aliases, v.alsoLive, v.contents = map[digest.Digest]digest.Digest{}, map[digest.Digest]bool{}, map[string]int{}
	v.signatures = map[string][sha256.Size]byte{}
	if err := v.look(ctx); err != nil {
		v.close(ctx)
		return nil, err
	}
	return v, nil
}

// close removes what the survey stored in the bucket.
func (v *survey) close(ctx context.Context) { v.facts.close(ctx) }

func (v *survey) look(ctx context.Context) error {
	err := v.s.walkLinks(ctx, v.s.bucket, func(k repoKey, l object) error {
		target, err := v.s.targetOf(ctx, walkedRevision{k, l})
		if err != nil {
			return err
		}
		v.linked(k, l, target)
		return v.facts.relieve(ctx)
	}, func(w *walked) error { return v.repository(ctx, w) })
	if err != nil {
		return err
	}
	for _, repo := range v.unread {
		if err := v.keepAll(ctx, repo); err != nil {
			return err
		}
	}
	if len(v.aliases) == 0 {
		return nil
	}
	// A digest of one algorithm may be referenced by that of another.
	return v.facts.each(ctx, false, func(d digest.Digest, f *fact) error {
		if target, ok := v.aliases[d]; ok && f.live {
			v.alsoLive[target] = true
		}
		return nil
	})
}

// each calls visit for every digest, in order.
func (v *survey) each(ctx context.Context, visit func(d digest.Digest, f *fact) error) error {
	return v.facts.each(ctx, true, func(d digest.Digest, f *fact) error {
		f.live = f.live || v.alsoLive[d]
		return visit(d, f)
	})
}

// targetOf returns the digest in a listed link, or "" if it is invalid.
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

// linked records a link. A time in the future counts as now.
func (v *survey) linked(k repoKey, l object, target digest.Digest) {
	at := l.modTime
	if at.After(v.now) {
		at = v.now
	}
	v.contents[k.repo]++
	if target == "" {
		v.problem("the link " + l.key + " holds no digest")
		target = k.digest
	}
	if target != k.digest {
		v.aliases[k.digest] = target
	}
	for _, d := range []digest.Digest{k.digest, target} {
		f := v.facts.of(d)
		if at.After(f.link) {
			f.link = at
		}
		f.manifest = f.manifest || k.kind == revisionKind
	}
	if v.wanted[target] != nil {
		f := v.facts.of(target)
		f.links = append(f.links, l.key)
		v.facts.weight += linkWeight + int64(len(l.key))
	}
	if v.tally != nil {
		v.facts.of(target).held(v.tally.linked(k))
		v.facts.weight += holderWeight
	}
}

// mostProblems bounds the problems in a report.
const mostProblems = 1000

func (v *survey) problem(what string) {
	if len(v.problems) < mostProblems {
		v.problems = append(v.problems, what)
	}
}

func (v *survey) mark(d digest.Digest) { v.facts.of(d).live = true }

// keepAll marks every link of a repository as live: the repository has an unreadable manifest, so
// its references are unknown.
func (v *survey) keepAll(ctx context.Context, repo string) error {
	v.problem("a manifest of " + repo + " cannot be read: nothing that this repository links to is removed until it is pushed again")
	return walk(ctx, v.s.bucket, repoPrefix(repo)+"_", func(o object) error {
		k, ok := parseRepoKey(o.key)
		if !ok || k.kind != layerKind && k.kind != revisionKind {
			return nil
		}
		v.mark(k.digest)
		if target, ok := v.aliases[k.digest]; ok {
			v.mark(target)
		}
		return v.facts.relieve(ctx)
	})
}

// doomed reports whether a digest is unreferenced and was not touched within the window. If only
// its age keeps it, after is when it may be removed.
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
