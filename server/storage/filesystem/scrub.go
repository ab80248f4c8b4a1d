package filesystem

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// scrubbing is one run of Scrub.
type scrubbing struct {
	s      *Store
	rate   int64
	report func(storage.Damage)
	sum    storage.ScrubReport
	begun  time.Time
	named  int // damaged digests whose repositories were searched
}

// mostNamed bounds how often all repositories are searched for links to damaged content.
const mostNamed = 1000

// Scrub implements storage.Upkeep. A read-only store reports damage but does not quarantine it.
func (s *Store) Scrub(ctx context.Context, o storage.ScrubOptions, report func(storage.Damage)) (storage.ScrubReport, error) {
	if report == nil {
		report = func(storage.Damage) {}
	}
	ctx, stop := s.running(ctx)
	defer stop()
	release, err := alone(ctx, s.scrubTurn)
	if err != nil {
		return storage.ScrubReport{}, err
	}
	defer release()
	if !s.opt.ReadOnly {
		leave, err := s.enter()
		if err != nil {
			return storage.ScrubReport{}, err
		}
		defer leave()
	}
	c := &scrubbing{s: s, rate: o.Rate, report: report, begun: time.Now()}
	c.sum.Damaged = []storage.Damage{}
	for i := range 256 {
		if err := s.eachBlob(ctx, byte(i), c.odd, func(d digest.Digest, info disk.Info) error { return c.blob(ctx, d, info) }); err != nil { //nolint:gosec // 0 to 255
			return c.sum, fmt.Errorf("scrub: %w", err)
		}
	}
	repos, err := s.catalogue.walk(ctx)
	for i := 0; err == nil && i < len(repos); i++ {
		err = c.links(ctx, repos[i])
	}
	if err != nil {
		return c.sum, fmt.Errorf("scrub: %w", err)
	}
	return c.sum, nil
}

func (c *scrubbing) damage(d storage.Damage) {
	if len(c.sum.Damaged) < mostProblems {
		c.sum.Damaged = append(c.sum.Damaged, d)
	}
	c.report(d)
}

func (c *scrubbing) odd(format string, args ...any) {
	c.damage(storage.Damage{Kind: "link", What: fmt.Sprintf(format, args...)})
}

// blob hashes the data of a digest.
func (c *scrubbing) blob(ctx context.Context, d digest.Digest, info disk.Info) error {
	f, err := c.s.disk.Open(blobPath(d))
	if absent(err) {
		return nil // deleted in the meantime
	}
	what, epoch := "", c.s.verified.epoch()
	if err == nil {
		defer f.Close()
		if info, err = f.Stat(); err == nil {
			var got digest.Digest
			if got, err = c.hash(ctx, f, info.Size, d.Algorithm()); err == nil && got != d {
				what = fmt.Sprintf("its %d bytes have the digest %s", info.Size, got)
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		what = "it cannot be read: " + err.Error()
	}
	c.sum.Blobs++
	c.sum.Bytes += info.Size
	if what == "" {
		if !c.s.verified.has(d, info) {
			c.s.verified.add(d, info, epoch)
		}
		return nil
	}
	if now, err := c.s.disk.Stat(blobPath(d)); err != nil || !now.Same(info) {
		return nil // restored or deleted in the meantime
	}
	c.s.log.Error("stored blob is damaged", "digest", d, "what", what)
	c.s.verified.forget(d)
	damage := storage.Damage{Digest: d, Kind: "blob", Path: blobPath(d), What: what}
	if c.named++; c.named <= mostNamed {
		var as bool
		if damage.Repositories, as = c.s.linkers(ctx, d); as {
			damage.Kind = "manifest"
		}
	}
	c.s.manifests.Remove(d)
	if damage.Kind == "blob" && !c.s.opt.ReadOnly && err == nil {
		damage.Quarantined = c.s.quarantine(d, info)
	}
	c.damage(damage)
	return nil
}

// linkers returns the repositories that link to d, and whether one has it as a manifest.
func (s *Store) linkers(ctx context.Context, d digest.Digest) (repos []string, manifest bool) {
	for _, repo := range s.catalogue.all(ctx) {
		_, _, asRevision, err := s.linked(revisionDir(repo, d), d)
		_, _, asLayer, _ := s.linked(layerDir(repo, d), d)
		if asRevision || asLayer {
			repos = append(repos, repo)
		}
		manifest = manifest || asRevision || err != nil
	}
	return repos, manifest
}

// hash hashes a file, limited to the rate.
func (c *scrubbing) hash(ctx context.Context, f disk.File, size int64, alg digest.Algorithm) (digest.Digest, error) {
	if c.rate <= 0 {
		d, _, err := hashFile(ctx, f, size, alg)
		return d, err
	}
	h := alg.Hash()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for at := int64(0); at < size; {
		n, err := f.ReadAt((*buf)[:min(int64(len(*buf)), size-at)], at)
		h.Write((*buf)[:n])
		at += int64(n)
		if err != nil && at < size {
			return "", err
		}
		due := time.Duration(float64(c.sum.Bytes+at) / float64(c.rate) * float64(time.Second))
		if err := pause(ctx, due-time.Since(c.begun)); err != nil {
			return "", err
		}
	}
	return digest.NewDigest(alg, h), nil
}

// pause sleeps for d, unless that is too short to matter.
func pause(ctx context.Context, d time.Duration) error {
	if d < 5*time.Millisecond {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// links checks that the targets of a repository's links exist.
func (c *scrubbing) links(ctx context.Context, repo string) error {
	missing := func(dir, what string, d digest.Digest) {
		c.damage(storage.Damage{Digest: d, Kind: "link", Path: dir + "/" + digestDir(d), What: what, Repositories: []string{repo}})
	}
	err := c.s.eachLink(ctx, revisionsDir(repo), c.odd, func(d, target digest.Digest, _ disk.Info) error {
		c.sum.Manifests++
		body, err := c.s.read(blobPath(target), maxManifest)
		if absent(err) {
			missing(revisionsDir(repo), "the manifest it means is not here", d)
			return nil
		}
		if err != nil {
			return nil //nolint:nilerr // named when its bytes were read
		}
		if _, err := manifest.Parse(body); err != nil && target.Algorithm().FromBytes(body) == target {
			missing(revisionsDir(repo), "what it means is not a manifest: "+err.Error(), d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.s.eachLink(ctx, layersDir(repo), c.odd, func(d, target digest.Digest, _ disk.Info) error {
		_, ok, err := c.s.data(target)
		if err == nil && !ok {
			missing(layersDir(repo), "the blob it means is not here; pushing it again heals it", d)
		}
		return err
	})
}
