package filesystem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// referrerIndex stores, besides distribution's files, which manifests refer to which subject:
//
//	refs/<escaped repository>/<subject>/<referrer>   the complete descriptor
//	refs/<escaped repository>/scanned                the times of revisions/<algorithm> for which the above is complete
//
// An entry is durable before the manifest's link and is ignored without it. If the times differ,
// other software wrote or we crashed: the repository is scanned again at the next listing.
type referrerIndex struct {
	s  *Store
	mu sync.Mutex
	by map[string]*scanned
}

// scanned is the scan state of one repository.
type scanned struct {
	mu    sync.Mutex
	times map[digest.Algorithm]int64 // complete for revisions/<algorithm> of this time; 0: no such directory
	dirty bool
}

const (
	scannedFile = "scanned"
	mostScanned = 16 << 10 // repositories cached at once
)

func newReferrerIndex(s *Store) *referrerIndex {
	return &referrerIndex{s: s, by: map[string]*scanned{}}
}

// of returns the scan state of a repository. It reads the record on first use.
func (x *referrerIndex) of(repo string) *scanned {
	x.mu.Lock()
	defer x.mu.Unlock()
	if k, ok := x.by[repo]; ok {
		return k
	}
	if len(x.by) >= mostScanned {
		for other, k := range x.by { // any one: a record is cheap to read again
			if k.mu.TryLock() {
				x.write(other, k)
				k.mu.Unlock()
				delete(x.by, other)
				break
			}
		}
	}
	k := &scanned{times: map[digest.Algorithm]int64{}}
	if body, err := x.s.read(refsOf(repo)+"/"+scannedFile, 4096); err == nil {
		_ = json.Unmarshal(body, &k.times) // a torn record means not scanned
	}
	x.by[repo] = k
	return k
}

// time returns the modification time of a directory of revisions.
func (x *referrerIndex) time(repo string, alg digest.Algorithm) int64 {
	return x.s.timeOf(revisionsDir(repo) + "/" + string(alg))
}

// unknownTime means that the time could not be read. It never matches.
const unknownTime = -1

// timeOf returns the modification time of a directory, or 0 if there is none.
func (s *Store) timeOf(dir string) int64 {
	info, err := s.disk.Stat(dir)
	switch {
	case absent(err):
		return 0
	case err != nil:
		return unknownTime
	}
	return info.ModTime.UnixNano()
}

// around runs a change of our own in revisions/<alg> without invalidating the record.
func (x *referrerIndex) around(repo string, alg digest.Algorithm, do func() error) error {
	k := x.of(repo)
	k.mu.Lock()
	defer k.mu.Unlock()
	before := x.time(repo, alg)
	complete := before == k.times[alg] && before != unknownTime
	err := do()
	if complete {
		if now := x.time(repo, alg); now != before {
			k.times[alg], k.dirty = now, now != unknownTime
		}
	}
	return err
}

// write saves a record for the next run. It does not sync: the times reveal a lost or outdated
// record.
func (x *referrerIndex) write(repo string, k *scanned) {
	if !k.dirty || x.s.opt.ReadOnly {
		return
	}
	k.dirty = false
	body, err := json.Marshal(k.times)
	if err != nil {
		return
	}
	c := x.s.begin()
	defer c.end()
	if err := c.rough(refsOf(repo)+"/"+scannedFile, body); err != nil {
		x.s.log.Debug("record referrers", "repository", repo, "error", err)
	}
}

// save writes all changed records.
func (x *referrerIndex) save() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for repo, k := range x.by {
		k.mu.Lock()
		x.write(repo, k)
		k.mu.Unlock()
	}
}

// referrerPath returns the path of a referrer's entry.
func referrerPath(repo string, subject, d digest.Digest) string {
	return refsOf(repo) + "/" + flat(subject) + "/" + flat(d)
}

// referrer stages the entry of a manifest with a subject.
func (c *change) referrer(p storage.Put) error {
	if p.Manifest.Subject == nil {
		return nil
	}
	name := referrerPath(p.Repository.String(), p.Manifest.Subject.Digest, p.Digest)
	if info, err := c.s.disk.Stat(name); err == nil && info.Regular && info.Size > 0 && !c.s.doubt.has(name) {
		return nil
	}
	body, err := storage.DescribeReferrer(p.Digest, int64(len(p.Content)), p.Manifest)
	if err != nil {
		return err
	}
	return c.write(name, body)
}

// forget removes the entry of a deleted manifest whose data still exists. A remaining entry is
// ignored.
func (x *referrerIndex) forget(repo string, d digest.Digest) {
	stored, err := x.s.load(d)
	if err != nil {
		return
	}
	if m, err := manifest.Parse(stored.Content); err == nil && m.Subject != nil {
		_ = x.s.disk.Remove(referrerPath(repo, m.Subject.Digest, d))
	}
}

// Referrers implements storage.Listings. It returns all pages.
func (s *Store) Referrers(ctx context.Context, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error) {
	return storage.AllReferrers(ctx, s, repo, d)
}

// referrersAtOnce is the most entries that are read for one page.
const referrersAtOnce = 1000

// ReferrersAfter implements storage.ReferrerPages. It lists the names in one directory and reads
// the link and the record of each entry of the page.
func (s *Store) ReferrersAfter(
	ctx context.Context, repo reference.Repository, d, last digest.Digest, n, size int,
) ([]storage.Referrer, digest.Digest, error) {
	name := repo.String()
	if err := s.referrers.refresh(ctx, name); err != nil {
		return nil, "", err
	}
	dir := refsOf(name) + "/" + flat(d)
	entries, more, err := s.namesAfter(ctx, dir, last, max(1, min(n, referrersAtOnce)))
	if err != nil {
		return nil, "", fmt.Errorf("list referrers: %w", err)
	}
	page := []storage.Referrer{}
	for i, r := range entries {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		found, err := s.referrer(name, d, r, size)
		switch {
		case errors.Is(err, storage.ErrPageTooSmall) && i > 0:
			return page, entries[i-1], nil
		case err != nil:
			return nil, "", fmt.Errorf("list referrers: %w", err)
		case found != nil:
			size -= len(found.Content)
			page = append(page, *found)
		}
	}
	if !more {
		return page, "", nil
	}
	return page, entries[len(entries)-1], nil
}

// referrer reads one entry of at most size bytes. It returns nil if the manifest is no longer in
// the repository or if no record can be read.
func (s *Store) referrer(repo string, subject, d digest.Digest, size int) (*storage.Referrer, error) {
	_, _, ok, err := s.linked(revisionDir(repo, d), d)
	if err != nil || !ok {
		return nil, err
	}
	name := referrerPath(repo, subject, d)
	if info, err := s.disk.Stat(name); err == nil && info.Size > int64(size) && info.Size <= storage.MostReferrer {
		return nil, storage.ErrPageTooSmall
	}
	var found storage.Referrer
	body, err := s.read(name, int64(max(0, size)))
	if err == nil {
		found, err = storage.ParseReferrer(d, body)
	}
	if err != nil {
		if found, err = s.referrers.restore(repo, subject, d); err != nil {
			s.log.Warn("leaving out a referrer: its record cannot be read", "name", name, "error", err)
			return nil, nil //nolint:nilnil // neither a referrer nor an error
		}
	}
	if len(found.Content) > size {
		return nil, storage.ErrPageTooSmall
	}
	return &found, nil
}

// restore rebuilds the record of a referrer from its manifest. A scan writes records without a
// sync, so a power cut may leave them empty although the repository counts as scanned.
func (x *referrerIndex) restore(repo string, subject, d digest.Digest) (storage.Referrer, error) {
	stored, err := x.s.load(d)
	if err != nil {
		return storage.Referrer{}, err
	}
	m, err := manifest.Parse(stored.Content)
	if err != nil {
		return storage.Referrer{}, err
	}
	if m.Subject == nil || m.Subject.Digest != subject {
		return storage.Referrer{}, fmt.Errorf("manifest %s has another subject", d)
	}
	body, err := storage.DescribeReferrer(d, int64(len(stored.Content)), m)
	if err != nil {
		return storage.Referrer{}, err
	}
	if !x.s.opt.ReadOnly {
		if err := x.enter(repo, d, m, int64(len(stored.Content))); err != nil {
			x.s.log.Debug("write the record of a referrer again", "repository", repo, "error", err)
		}
	}
	return storage.ParseReferrer(d, body)
}

// namesAfter returns the first n digests after last that a directory contains, in order, and
// whether more follow. It keeps at most 2n in memory.
func (s *Store) namesAfter(ctx context.Context, dir string, last digest.Digest, n int) (first []digest.Digest, more bool, err error) {
	cut := func() {
		slices.Sort(first)
		if len(first) > n {
			first, more = first[:n], true
		}
	}
	err = s.disk.List(dir, func(e disk.Entry) error {
		if r, ok := unflat(e.Name); ok && r > last {
			if first = append(first, r); len(first) > 2*n {
				cut()
			}
		}
		return ctx.Err()
	})
	if err != nil && !absent(err) {
		return nil, false, err
	}
	cut()
	return first, more, nil
}

// refresh scans a repository again if other software wrote to it.
func (x *referrerIndex) refresh(ctx context.Context, repo string) error {
	k := x.of(repo)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, alg := range algorithms {
		now := x.time(repo, alg)
		if now == k.times[alg] && now != unknownTime {
			continue
		}
		if x.s.opt.ReadOnly {
			x.s.log.Warn("referrers may be missing: another process wrote, and this store is read-only", "repository", repo)
			continue
		}
		if _, err := x.scan(ctx, repo, alg); err != nil {
			return err
		}
		k.times[alg], k.dirty = now, true
	}
	x.write(repo, k)
	return nil
}

// scan writes the missing entries of a repository's manifests, and returns how many manifests have
// a subject.
func (x *referrerIndex) scan(ctx context.Context, repo string, alg digest.Algorithm) (int, error) {
	dir, n := revisionsDir(repo)+"/"+string(alg), 0
	err := x.s.disk.List(dir, func(e disk.Entry) error {
		d, ok := digestOf(alg, e.Name)
		if !ok {
			return ctx.Err()
		}
		target, _, ok, err := x.s.linked(dir+"/"+e.Name, d)
		if err != nil || !ok {
			return err
		}
		stored, err := x.s.load(target)
		if err != nil {
			return ctx.Err() // already logged; its referrers are added once it is restored
		}
		m, err := manifest.Parse(stored.Content)
		if err != nil || m.Subject == nil {
			return ctx.Err()
		}
		n++
		return errors.Join(x.enter(repo, d, m, int64(len(stored.Content))), ctx.Err())
	})
	if absent(err) {
		return 0, nil
	}
	return n, err
}

// enter writes one entry. It can be rebuilt, so it is not synced.
func (x *referrerIndex) enter(repo string, d digest.Digest, m *manifest.Manifest, size int64) error {
	name := referrerPath(repo, m.Subject.Digest, d)
	body, err := storage.DescribeReferrer(d, size, m)
	if err != nil {
		return err
	}
	if now, err := x.s.read(name, storage.MostReferrer); err == nil && bytes.Equal(now, body) {
		return nil
	}
	c := x.s.begin()
	defer c.end()
	return mapped(c.rough(name, body))
}
