package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

const (
	// mostDamage bounds the damage that a report lists; report is called for all of it.
	mostDamage = 1000
	// scrubWide is how many blobs are read at once if no rate is set.
	scrubWide = 4
)

// scrubbing is one run of Scrub.
type scrubbing struct {
	s      *Store
	rate   int64
	report func(storage.Damage)
	sum    storage.ScrubReport
	begun  time.Time
	read   int64
}

// Scrub implements storage.Upkeep. One process scrubs for all. A read-only store reports damage but
// does not quarantine it.
func (s *Store) Scrub(ctx context.Context, o storage.ScrubOptions, report func(storage.Damage)) (storage.ScrubReport, error) {
	c := &scrubbing{s: s, rate: o.Rate, report: report, begun: time.Now()}
	c.sum.Damaged = []storage.Damage{}
	if report == nil {
		c.report = func(storage.Damage) {}
	}
	ctx, stop := s.running(ctx)
	defer stop()
	done, err := s.scrubs.take(ctx)
	if err != nil {
		return c.sum, err
	}
	defer done()
	if !s.opt.ReadOnly {
		leave, err := s.enter()
		if err != nil {
			return c.sum, err
		}
		defer leave()
		held, release, ok, err := s.Lease(ctx, "scrub")
		if err != nil {
			return c.sum, err
		}
		if !ok {
			return c.sum, fmt.Errorf("scrub: %w", storage.ErrElsewhere)
		}
		defer release()
		ctx = held
	}
	if err := c.blobs(ctx); err != nil {
		return c.sum, fmt.Errorf("scrub: %w", err)
	}
	if err := c.links(ctx); err != nil {
		return c.sum, fmt.Errorf("scrub: %w", err)
	}
	return c.sum, nil
}

func (c *scrubbing) damage(d storage.Damage) {
	if len(c.sum.Damaged) < mostDamage {
		c.sum.Damaged = append(c.sum.Damaged, d)
	}
	c.report(d)
}

// blobs reads every blob, one page of the listing at a time.
func (c *scrubbing) blobs(ctx context.Context) error {
	after := ""
	for {
		p, err := c.s.bucket.list(ctx, blobsDir, after, mostListed, false)
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		width := scrubWide
		if c.rate > 0 {
			width = 1
		}
		found := make([]*storage.Damage, len(p.objects))
		err = inParallel(ctx, len(p.objects), width, func(ctx context.Context, i int) (err error) {
			found[i], err = c.blob(ctx, p.objects[i])
			return err
		})
		if err != nil {
			return err
		}
		for i, o := range p.objects {
			c.sum.Blobs++
			c.sum.Bytes += o.size
			if found[i] != nil {
				c.damage(*found[i])
			}
		}
		if !p.more {
			return nil
		}
		after = p.last
	}
}

// blob hashes one object.
func (c *scrubbing) blob(ctx context.Context, o object) (*storage.Damage, error) {
	d, ok := parseBlobKey(o.key)
	if !ok {
		return &storage.Damage{Kind: "link", Path: o.key, What: "nothing of this name belongs among the blobs"}, nil
	}
	damage := &storage.Damage{Digest: d, Kind: "blob", Path: o.key}
	got, n, err := c.hash(ctx, d, o)
	if errors.Is(err, errMissing) || errors.Is(err, errCondition) {
		return nil, nil //nolint:nilnil // deleted or healed meanwhile
	}
	if err != nil {
		// A service that is unreachable does not mean that the blob is damaged; one that responds
		// but does not return the blob does.
		if _, herr := c.s.bucket.head(ctx, o.key); herr != nil {
			return nil, err
		}
		if got, n, err = c.hash(ctx, d, o); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		damage.What = "it cannot be read: " + brief(err)
		c.s.verified.Remove(string(d)) // so that an upload writes it again
		return damage, nil
	case got == d:
		c.s.remember(d, o.etag, o.size)
		return nil, nil //nolint:nilnil // there is no damage
	}
	damage.What = fmt.Sprintf("its %d bytes have the digest %s", n, got)
	c.s.manifests.Remove(string(d))
	var as bool
	if damage.Repositories, as, err = c.s.linkers(ctx, d); err != nil {
		return nil, err
	}
	if as {
		damage.Kind = "manifest"
	} else {
		damage.Quarantined = c.s.setAside(ctx, d, o, damage.What)
	}
	return damage, nil
}

// hash hashes an object, limited to the rate.
func (c *scrubbing) hash(ctx context.Context, d digest.Digest, o object) (digest.Digest, int64, error) {
	src := &source{s: c.s, ctx: ctx, key: o.key, o: o}
	defer src.drop()
	h := d.Algorithm().Hash()
	n, err := io.CopyBuffer(onlyWriter{h}, &slowReader{c: c, ctx: ctx, r: src}, make([]byte, 128<<10))
	return digest.NewDigest(d.Algorithm(), h), n, err
}

// linkers returns the repositories that link to d, and whether one has it as a manifest.
func (s *Store) linkers(ctx context.Context, d digest.Digest) (repos []string, manifest bool, err error) {
	err = s.eachRepository(ctx, func(repo string) error {
		_, _, asRevision, err := s.linked(ctx, revisionLink(repo, d), d)
		if err != nil {
			return err
		}
		_, _, asLayer, err := s.linked(ctx, layerLink(repo, d), d)
		if asRevision || asLayer {
			repos = append(repos, repo)
		}
		manifest = manifest || asRevision
		return err
	})
	return repos, manifest, err
}

// slowReader limits reading to the rate of the whole run.
type slowReader struct {
	c   *scrubbing
	ctx context.Context
	r   io.Reader
}

func (r *slowReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.c.rate > 0 {
		r.c.read += int64(n)
		due := time.Duration(float64(r.c.read) / float64(r.c.rate) * float64(time.Second))
		if wait := due - time.Since(r.c.begun); wait > 5*time.Millisecond {
			if perr := pause(r.ctx, wait); perr != nil {
				return n, perr
			}
		}
	}
	return n, err
}

// digestSet is a set of digests that uses eight bytes for each.
type digestSet struct {
	seed maphash.Seed
	sums []uint64 // of the digests; sorted after the last add
}

func (s *digestSet) add(d digest.Digest) { s.sums = append(s.sums, maphash.String(s.seed, string(d))) }

// has reports whether a digest is in the set. A false positive is as likely as guessing a 64-bit
// number.
func (s *digestSet) has(d digest.Digest) bool {
	_, ok := slices.BinarySearch(s.sums, maphash.String(s.seed, string(d)))
	return ok
}

// links checks that the targets of all links exist.
func (c *scrubbing) links(ctx context.Context) error {
	there := &digestSet{seed: maphash.MakeSeed()}
	err := walk(ctx, c.s.bucket, blobsDir, func(o object) error {
		if d, ok := parseBlobKey(o.key); ok {
			there.add(d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	slices.Sort(there.sums)
	missing := func(k repoKey, key, what string) {
		c.damage(storage.Damage{Digest: k.digest, Kind: "link", Path: key, What: what, Repositories: []string{k.repo}})
	}
	look := func(k repoKey, l object) (digest.Digest, error) {
		d, err := c.s.targetOf(ctx, walkedRevision{k, l})
		switch {
		case err != nil:
			return "", err
		case d == "":
			missing(k, l.key, "it holds no digest")
		case !there.has(d):
			// It may have been pushed since the listing.
			if _, ok, err := c.s.data(ctx, d); err != nil || ok {
				return d, err
			}
			missing(k, l.key, "what it means is not here; pushing it again heals it")
		default:
			return d, nil
		}
		return "", nil
	}
	return c.s.walkLinks(ctx, c.s.bucket, func(k repoKey, l object) error {
		_, err := look(k, l)
		return err
	}, func(w *walked) error {
		for _, r := range w.revisions {
			c.sum.Manifests++
			d, err := look(r.key, r.link)
			if err != nil {
				return err
			}
			if d == "" {
				continue
			}
			stored, err := c.s.load(ctx, d)
			if errors.Is(err, storage.ErrManifestUnknown) {
				continue // reported when its bytes were read, unless it is no manifest
			}
			if err != nil {
				return err
			}
			if _, err := manifest.Parse(stored.Content); err != nil {
				missing(r.key, r.link.key, "what it means is not a manifest: "+err.Error())
			}
		}
		return nil
	})
}
