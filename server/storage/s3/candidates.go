package s3

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// candidate is a digest that may be deleted.
type candidate struct {
	digest   digest.Digest
	manifest bool
	size     int64
	untagged bool   // a manifest that only loses its links in some repositories
	now      *fact  // what the last survey found
	gone     bool   // unreferenced in that survey
	etag     string // of its marker
	why      string // why it is kept, once known
	after    time.Time
}

// pick chooses candidates from the first survey, manifests first: what a manifest refers to is safe
// until the manifest's own marker is written. Each digest that is kept is reported once.
func (c *collection) pick(ctx context.Context, first *survey) error {
	c.by, c.more = map[digest.Digest]*candidate{}, 0
	c.candidates = nil
	c.untagged = map[digest.Digest][]untaggedManifest{}
	if c.removedLinks == nil {
		c.removedLinks, c.stayed = map[string]int{}, map[digest.Digest]bool{}
	}
	for _, u := range first.untagged {
		if c.stayed[u.digest] {
			continue
		}
		c.untagged[u.digest] = append(c.untagged[u.digest], u)
		if c.by[u.digest] == nil {
			d := &candidate{digest: u.digest, manifest: true, size: u.size, untagged: true}
			c.by[u.digest] = d
			c.candidates = append(c.candidates, d)
		}
	}
	c.more = first.more
	manifests, blobs := c.candidates, []*candidate(nil)
	most := c.s.mostSwept
	err := first.each(ctx, func(d digest.Digest, f *fact) error {
		gone, after := first.doomed(f)
		if one := c.by[d]; one != nil {
			one.now, one.gone = f, gone
			return nil
		}
		one := &candidate{digest: d, manifest: f.manifest, size: f.size, now: f, gone: gone, after: after}
		switch {
		case c.stayed[d]:
		case !gone:
			if c.round == 0 {
				c.stays(one, f)
			}
		case f.manifest && len(manifests) < most:
			manifests = append(manifests, one)
		case !f.manifest && len(blobs) < most:
			blobs = append(blobs, one)
		default:
			c.more++
		}
		return nil
	})
	if err != nil {
		return err
	}
	// While manifests are left for a later round, the blobs they refer to are, too.
	if c.more > 0 && len(manifests) >= most || first.more > 0 {
		c.more += len(blobs)
		blobs = nil
	}
	if room := max(0, most-len(manifests)); len(blobs) > room {
		c.more += len(blobs) - room
		blobs = blobs[:room]
	}
	c.candidates = append(manifests, blobs...)
	for _, one := range c.candidates {
		c.by[one.digest] = one
	}
	if c.round == 0 {
		c.result.Problems = append(c.result.Problems, first.problems...)
	}
	return nil
}

// lookAgain updates the candidates from the second survey.
func (c *collection) lookAgain(ctx context.Context, second *survey) error {
	c.contents = second.contents
	if c.s.without.secondList {
		return second.each(ctx, func(d digest.Digest, f *fact) error {
			if one := c.by[d]; one != nil {
				one.now.links = f.links
			}
			return nil
		})
	}
	for _, one := range c.candidates {
		one.now = nil
	}
	clear(c.untagged)
	for _, u := range second.untagged {
		c.untagged[u.digest] = append(c.untagged[u.digest], u)
	}
	return second.each(ctx, func(d digest.Digest, f *fact) error {
		if one := c.by[d]; one != nil {
			one.now = f
			one.gone, one.after = second.doomed(f)
		}
		return nil
	})
}

// pretend reports what a collection would remove now (dry run).
func (c *collection) pretend(ctx context.Context) error {
	v, err := c.s.survey(ctx, &survey{o: c.o})
	if err != nil {
		return err
	}
	defer v.close(ctx)
	if err := c.pick(ctx, v); err != nil {
		return err
	}
	if c.more > 0 {
		c.problem("%d more may go than are looked at at once", c.more)
	}
	for _, d := range c.candidates {
		c.removed(d, d.data(), nil)
	}
	return nil
}

// data reports whether the candidate's content is deleted, too.
func (d *candidate) data() bool { return d.now != nil && d.gone && !d.now.data.IsZero() }

// removed reports what was deleted.
func (c *collection) removed(d *candidate, data bool, links []string) {
	kind, reason := "blob", "no manifest refers to it, and it was not used within the window"
	if d.manifest {
		kind = "manifest"
	}
	if d.untagged {
		reason = "it has no tag, and no index and no subject keeps it"
		for _, u := range c.untagged[d.digest] {
			c.report(storage.Verdict{Digest: d.digest, Size: d.size, Kind: kind, Repository: u.repo, Removed: true, Reason: reason})
			c.result.ManifestsRemoved++
		}
	} else if data || len(links) > 0 || c.o.DryRun {
		c.report(storage.Verdict{Digest: d.digest, Size: d.size, Kind: kind, Removed: true, Reason: reason})
	}
	c.result.LinksRemoved += len(links)
	if data {
		c.result.BlobsRemoved++
		c.result.BytesFreed += d.size
	}
}

// stay reports the candidates that are kept after all.
func (c *collection) stay() {
	for _, d := range c.candidates {
		if d.why == "" {
			continue // it was deleted
		}
		c.stayed[d.digest] = true
		if d.now != nil {
			c.stays(d, d.now)
		}
	}
}

// stays reports a digest that is kept.
func (c *collection) stays(d *candidate, f *fact) {
	if f.data.IsZero() {
		return
	}
	v := storage.Verdict{Digest: d.digest, Size: f.size, Kind: "blob", Reason: "a manifest refers to it, or it is one that stays"}
	if f.manifest {
		v.Kind = "manifest"
	}
	switch {
	case d.why != "":
		v.Reason = d.why
	case !f.live:
		v.Reason, v.After = "no manifest refers to it, but it was touched within the window", d.after
	}
	c.result.BlobsKept++
	c.report(v)
}
