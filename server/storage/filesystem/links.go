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

// mostLink is an upper bound on the size of a link, in bytes.
const mostLink = 256

// linked reads the link in dir, which is named after d, and returns the digest that it contains, or
// false if there is none. Distribution may name a link by one algorithm and store the digest of
// another in it, so the content counts.
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
		return d, info, true, nil // the content equals the name
	}
	target, ok, err = s.readLink(link)
	return target, info, ok, err
}

// readLink returns the digest in a link file, or false if the file is missing, empty or invalid.
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

// touch refreshes the time of a link, unless that was done recently. A time in the future is
// corrected.
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

// plausible reports whether data of that size can have the digest. An empty file may remain of a
// write that other software did not complete before a crash.
func plausible(d digest.Digest, info disk.Info) bool {
	return info.Regular && (info.Size > 0 || d == d.Algorithm().FromBytes(nil))
}

// data returns the file info of a digest's data, or false if there is none.
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

// sound reports whether the data of a digest exists, is verified, and is durable, so that writing
// it again is unnecessary.
func (s *Store) sound(d digest.Digest, size int64) bool {
	info, ok, err := s.data(d)
	ok = ok && err == nil && (size < 0 || info.Size == size) && !s.doubt.has(blobPath(d)) && s.verified.has(d, info)
	return ok
}

// toucher refreshes the time of a link: touch for pushes, which fail if it fails, and tryTouch for
// reads.
type toucher func(dir string, info disk.Info) error

// tryTouch is touch for a read, which does not fail if it fails: the client's push repeats it under
// the collector's locks.
func (s *Store) tryTouch(dir string, info disk.Info) error {
	if err := s.touch(dir, info); err != nil && s.touchFailed.CompareAndSwap(false, true) {
		s.log.Warn("refresh time of link; later failures are not logged", "name", dir+"/link", "error", err)
	} else if err == nil {
		s.touchFailed.Store(false)
	}
	return nil
}

// enterRead begins a read that touches links. It returns false if the store accepts no changes; the
// read then proceeds without touching.
func (s *Store) enterRead(ctx context.Context) (leave func(), ok bool) {
	select {
	case <-s.settled:
	case <-ctx.Done():
		return nil, false
	}
	leave, err := s.enter()
	return leave, err == nil
}

// linkOf finds a blob of a repository. It reports false if link or data is missing. With touch, for
// a pusher, a link or data in doubt counts as missing, and the caller holds the digest's lock.
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
func (s *Store) DeleteBlob(ctx context.Context, repo reference.Repository, d digest.Digest, force bool) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	dir := layerDir(repo.String(), d)
	unlock, err := s.lockForDeletion(ctx, repo.String(), dir, d, force)
	if err != nil {
		return err
	}
	defer unlock()
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

// MountBlob implements storage.Blobs. It checks the link, then the data, then writes the new link,
// all under the digest's lock: a concurrent collection either waits or has already removed the
// link.
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

// linkAgain handles the push of a blob that the repository already has, by touching it. It returns
// false if something is missing or not verified.
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
	if err != nil || !ok || target != d { // only distribution writes links that contain another digest
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
