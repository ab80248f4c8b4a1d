package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// derivedPath returns the path of a derived record.
func derivedPath(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return "", fmt.Errorf("derived record %q: not a relative path", name)
	}
	return packviewDir + "/" + name, nil
}

// derivedRecords implements storage.Derived for a Store, which embeds it.
type derivedRecords struct{ s *Store }

// ReadDerived implements storage.Derived.
func (r derivedRecords) ReadDerived(_ context.Context, name string, most int64) ([]byte, error) {
	s := r.s
	at, err := derivedPath(name)
	if err != nil {
		return nil, err
	}
	f, err := s.disk.Open(at)
	if absent(err) {
		return nil, storage.ErrNotDerived
	}
	if err != nil {
		return nil, fmt.Errorf("read derived record: %w", mapped(err))
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read derived record: %w", mapped(err))
	}
	if info.Size > most {
		return nil, storage.ErrDerivedTooBig
	}
	content := make([]byte, info.Size)
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, fmt.Errorf("read derived record: %w", mapped(err))
	}
	return content, nil
}

// WriteDerived implements storage.Derived. It does not sync: a record damaged by a power cut is
// detected when it is read, and rebuilt.
func (r derivedRecords) WriteDerived(_ context.Context, name string, content []byte) (err error) {
	defer mapping(&err)
	s := r.s
	at, err := derivedPath(name)
	if err != nil {
		return err
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	staged := s.temporary()
	f, err := s.create(staged)
	if err != nil {
		return fmt.Errorf("write derived record: %w", mapped(err))
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		if err = s.ensure(parentOf(at)); err == nil {
			err = s.rename(staged, at)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write derived record: %w", mapped(err)), s.disk.Remove(staged))
	}
	return nil
}

// RemoveDerived implements storage.Derived.
func (r derivedRecords) RemoveDerived(_ context.Context, name string) (err error) {
	defer mapping(&err)
	s := r.s
	at, err := derivedPath(name)
	if err != nil {
		return err
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := s.disk.Remove(at); err != nil && !absent(err) {
		return fmt.Errorf("remove derived record: %w", mapped(err))
	}
	return nil
}

// ListDerived implements storage.Derived.
func (r derivedRecords) ListDerived(ctx context.Context, folder string, visit func(name string) error) error {
	s := r.s
	at, err := derivedPath(strings.TrimSuffix(folder, "/"))
	if err != nil {
		return err
	}
	var below []string
	err = s.disk.List(at, func(e disk.Entry) error {
		name := folder + e.Name
		if e.Dir {
			below = append(below, name+"/")
			return ctx.Err()
		}
		return errors.Join(ctx.Err(), visit(name))
	})
	if err != nil && !absent(err) {
		return fmt.Errorf("list derived records: %w", err)
	}
	for _, b := range below {
		if err := r.ListDerived(ctx, b, visit); err != nil {
			return err
		}
	}
	return nil
}

var _ storage.Derived = (*Store)(nil)
