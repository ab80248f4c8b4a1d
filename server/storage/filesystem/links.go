package filesystem

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// mostLink is more than any link holds.
const mostLink = 256

// linked reads the link in dir, which is named by d, and returns the digest whose data it means; false where there is none. Distribution may
// name a link by one algorithm and fill it with the digest of another, so what it holds counts.
func (s *Store) linked(dir string, d digest.Digest) (target digest.Digest, info disk.Info, ok bool, err error) {
	link := dir + "/link"
	info, err = s.disk.Stat(link)
	switch {
	case absent(err):
		return "", info, false, nil
	case err != nil:
		return "", info, false, fmt.Errorf("stat link: %w", err)
	case !info.Regular:
		s.log.Warn("this should be a link file and is left alone", "name", link)
		return "", info, false, nil
	case info.Size == int64(len(d)):
		return d, info, true, nil // it holds what it is named
	}
	target, ok, err = s.readLink(link)
	return target, info, ok, err
}

// readLink returns the digest a link file holds; false where it is missing, empty or odd.
func (s *Store) readLink(link string) (digest.Digest, bool, error) {
	body, err := s.read(link, mostLink)
	if absent(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read link: %w", err)
	}
	d, err := reference.ParseDigest(strings.TrimSpace(string(body)))
	if err != nil {
		s.log.Warn("this link file holds no digest and is left alone", "name", link, "bytes", len(body))
		return "", false, nil
	}
	return d, true, nil
}

// touch refreshes the time of a link, unless that was done a short while ago. A time in the future is put right.
func (s *Store) touch(dir string, info disk.Info) error {
	age, quarter := s.now().Sub(info.ModTime), s.opt.Window/4
	if age <= quarter && age >= -quarter || s.opt.ReadOnly {
		return nil
	}
	if err := s.disk.SetTime(dir+"/link", s.now()); err != nil {
		return fmt.Errorf("touch link: %w", mapped(err))
	}
	return nil
}

// plausible tells whether data of that size can have the digest: an empty file is what a crash leaves of other software's writes.
func plausible(d digest.Digest, info disk.Info) bool {
	return info.Regular && (info.Size > 0 || d == d.Algorithm().FromBytes(nil))
}

// data describes the data of a digest; false where there is none.
func (s *Store) data(d digest.Digest) (disk.Info, bool, error) {
	info, err := s.disk.Stat(blobPath(d))
	if absent(err) {
		return info, false, nil
	}
	if err != nil {
		return info, false, fmt.Errorf("stat blob: %w", err)
	}
	return info, plausible(d, info), nil
}

// sound tells whether the data of a digest is here, known to be good, and durable, so that writing it again would change nothing.
func (s *Store) sound(d digest.Digest, size int64) bool {
	info, ok, err := s.data(d)
	ok = ok && err == nil && (size < 0 || info.Size == size) && !s.doubt.has(blobPath(d)) && s.verified.has(d, info)
	return ok
}

// toucher refreshes the time of a link: touch for pushes, which fail with it, and tryTouch for reads.
type toucher func(dir string, info disk.Info) error

// tryTouch is touch for a read, which a failed touch does not fail: the client's push repeats it under the collector's locks.
func (s *Store) tryTouch(dir string, info disk.Info) error {
	if err := s.touch(dir, info); err != nil && s.touchFailed.CompareAndSwap(false, true) {
		s.log.Warn("refresh time of link; later failures are not logged", "name", dir+"/link", "error", err)
	} else if err == nil {
		s.touchFailed.Store(false)
	}
	return nil
}

// enterRead begins a read that touches links. It reports false if the store takes no changes; the read then proceeds without.
func (s *Store) enterRead(ctx context.Context) (leave func(), ok bool) {
	select {
	case <-s.settled:
	case <-ctx.Done():
		return nil, false
	}
	leave, err := s.enter()
	return leave, err == nil
}

// linkOf finds a blob of a repository. It reports false if link or data is missing. With touch, for a pusher, a link or data in
// doubt counts as missing, and the caller holds the digest's lock.
func (s *Store) linkOf(
	repo string, d digest.Digest, touch toucher,
) (target digest.Digest, info disk.Info, ok bool, err error) {
	dir := layerDir(repo, d)
	target, link, ok, err := s.linked(dir, d)
	if err != nil || !ok {
		return "", info, false, err
	}
	if touch != nil {
		if s.doubt.has(dir+"/link") || s.doubt.has(blobPath(target)) {
			return "", info, false, nil
		}
		if err := touch(dir, link); err != nil {
			return "", info, false, err
		}
	}
	info, ok, err = s.data(target)
	return target, info, ok, err
}

// StatBlob implements storage.Blobs.
func (s *Store) StatBlob(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (int64, error) {
	var how toucher
	if touch && !s.opt.ReadOnly {
		if leave, ok := s.enterRead(ctx); ok {
			defer leave()
			defer s.locks.shared(d)()
			defer s.gc.note(d)
			how = s.tryTouch
		}
	}
	target, info, ok, err := s.linkOf(repo.String(), d, how)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if how != nil && target != d {
		s.gc.note(target)
	}
	return info.Size, nil
}

// DeleteBlob implements storage.Blobs.
func (s *Store) DeleteBlob(_ context.Context, repo reference.Repository, d digest.Digest) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer s.locks.exclusive(d)()
	dir := layerDir(repo.String(), d)
	if _, _, ok, err := s.linked(dir, d); err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
		}
		return err
	}
	if err := s.unjournal(dir); err != nil {
		return err
	}
	remove, err := s.discard(dir)
	if err != nil {
		return fmt.Errorf("delete link: %w", mapped(err))
	}
	defer remove()
	return mapped(s.barrier.wait(nil, []string{parentOf(dir)}))
}

// MountBlob implements storage.Blobs. Link first, then data, then the new link: whoever collects meanwhile either waits or has made it missing.
func (s *Store) MountBlob(ctx context.Context, to reference.Repository, candidates []reference.Repository, d digest.Digest) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if ok, err := s.linkAgain(to.String(), d, -1); err != nil || ok {
		return err
	}
	for _, from := range candidates {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := s.mountFrom(to.String(), from.String(), d)
		if err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
}

// linkAgain is what pushing a blob comes to that the repository has already: a touch. False where something is missing or not known to be good.
func (s *Store) linkAgain(repo string, d digest.Digest, size int64) (bool, error) {
	defer s.locks.shared(d)()
	defer s.gc.note(d)
	target, info, ok, err := s.linkOf(repo, d, s.touch)
	if err != nil || !ok || target != d {
		return false, err
	}
	return (size < 0 || info.Size == size && s.verified.has(d, info)), nil
}

func (s *Store) mountFrom(to, from string, d digest.Digest) (bool, error) {
	defer s.locks.exclusive(d)()
	target, _, ok, err := s.linkOf(from, d, s.touch)
	if err != nil || !ok || target != d { // a link by another digest is of distribution's writing, and never of ours
		return false, err
	}
	defer s.gc.note(d)
	c := s.begin()
	defer c.end()
	if err := c.repository(to); err != nil {
		return false, err
	}
	if err := c.write(layerDir(to, d)+"/link", []byte(d)); err != nil {
		return false, mapped(err)
	}
	if err := c.contents(); err != nil {
		return false, mapped(err)
	}
	if err := c.names(); err != nil {
		return false, mapped(err)
	}
	return true, nil
}
