package filesystem

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// DiscardData implements storage.Blobs. No link to d can be created while its lock is held.
func (s *Store) DiscardData(ctx context.Context, d digest.Digest) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer s.locks.exclusive(d)()
	if err := s.unlinked(ctx, d); err != nil {
		if errors.Is(err, errLinked) {
			return nil
		}
		return fmt.Errorf("discard data: %w", err)
	}
	dir := blobDir(d)
	if err := s.unjournal(dir); err != nil {
		return err
	}
	remove, err := s.discard(dir)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("discard data: %w", mapped(err))
	}
	defer remove()
	s.manifests.Remove(d)
	return mapped(s.barrier.wait(nil, []string{parentOf(dir)}))
}

// errLinked means that a repository links to the data, or may link to it.
var errLinked = errors.New("a repository links to it")

// unlinked returns errLinked if a repository links to d, or if one cannot be searched.
func (s *Store) unlinked(ctx context.Context, d digest.Digest) error {
	return s.eachRepository(ctx, func(name string, parts []string) error {
		if parts == nil {
			return errLinked // behind a symbolic link
		}
		for _, dir := range []string{layerDir(name, d), revisionDir(name, d)} {
			if _, err := s.disk.Stat(dir + "/link"); err == nil {
				return errLinked
			} else if !absent(err) {
				return err
			}
		}
		return nil
	})
}
