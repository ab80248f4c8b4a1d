package filesystem

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// untagged removes from r the manifests that have been untagged for long enough, unless a live
// manifest keeps them: an index keeps its children, and a subject its referrers. It also removes
// them from the repository, unless this is a dry run.
func (c *collection) untagged(ctx context.Context, r *marked) error {
	kept, removed := map[digest.Digest]string{}, map[digest.Digest]bool{}
	var keep func(d digest.Digest, why string)
	referrers := map[digest.Digest][]digest.Digest{}
	for d, v := range r.revisions {
		if v.subject != "" {
			referrers[v.subject] = append(referrers[v.subject], d)
		}
	}
	keep = func(d digest.Digest, why string) {
		v, ok := r.revisions[d]
		if _, done := kept[d]; done || !ok || removed[d] {
			return
		}
		kept[d] = why
		for _, k := range v.kids {
			keep(k, fmt.Sprintf("it is part of index %s", d))
		}
		for _, x := range referrers[d] {
			keep(x, fmt.Sprintf("it refers to manifest %s", d))
		}
	}
	age := max(c.opt.Untagged, c.opt.Window)
	for d, v := range r.revisions {
		if len(v.tagged) > 0 {
			keep(d, fmt.Sprintf("it has the tag %s", v.tagged[0]))
		}
	}
	for d, v := range r.revisions {
		if c.fresh(v.touched, age) {
			keep(d, "it was pushed or asked for lately")
		}
	}
	// A manifest that is used in the meantime is kept and keeps others, which must not have been
	// removed before.
	for _, d := range keepersFirst(r.revisions, referrers) {
		if _, ok := kept[d]; ok {
			continue
		}
		gone, why, err := c.removeManifest(ctx, r, d, age)
		if err != nil {
			return err
		}
		if gone {
			removed[d] = true
		} else {
			keep(d, why)
		}
	}
	for d, v := range r.revisions {
		why, ok := kept[d]
		verdict := storage.Verdict{Digest: d, Size: v.size, Kind: "manifest", Repository: r.name, Reason: why}
		if !ok {
			verdict.Removed, verdict.Reason = true, "it has no tag, and no index and no subject keeps it"
			c.sum.ManifestsRemoved++
			delete(r.revisions, d)
		} else if len(v.tagged) == 0 && c.fresh(v.touched, age) {
			verdict.After = c.past(v.touched).Add(age)
		}
		c.report(verdict)
	}
	return nil
}

// keepersFirst returns the manifests of a repository in an order in which an index comes before its
// children and a subject before its referrers, except in a cycle.
func keepersFirst(revisions map[digest.Digest]*revision, referrers map[digest.Digest][]digest.Digest) []digest.Digest {
	order, seen := make([]digest.Digest, 0, len(revisions)), make(map[digest.Digest]bool, len(revisions))
	var visit func(d digest.Digest)
	visit = func(d digest.Digest) {
		v, ok := revisions[d]
		if !ok || seen[d] {
			return
		}
		seen[d] = true
		for _, k := range v.kids {
			visit(k)
		}
		for _, x := range referrers[d] {
			visit(x)
		}
		order = append(order, d)
	}
	for d := range revisions {
		visit(d)
	}
	slices.Reverse(order)
	return order
}

// removeManifest removes an untagged manifest from its repository after checking again under its
// lock.
func (c *collection) removeManifest(ctx context.Context, r *marked, d digest.Digest, age time.Duration) (gone bool, why string, err error) {
	if c.held() {
		return false, c.heldWhy(), nil
	}
	if c.opt.DryRun {
		return true, "", nil
	}
	defer c.s.locks.exclusive(d)()
	if used, why := c.usedMeanwhile(d); used {
		return false, why, nil
	}
	dir := revisionDir(r.name, d)
	_, info, ok, err := c.s.linked(dir, d)
	if err != nil {
		return false, "", err
	}
	if !ok {
		return true, "", nil
	}
	if c.fresh(info.ModTime, age) {
		return false, "it was pushed or asked for meanwhile", nil
	}
	return true, "", c.s.removeManifest(ctx, r.name, d)
}
