package s3

import (
	"context"
	"errors"
	"fmt"

	"packhouse/server/storage"
)

// packviewDir contains data derived from stored content.
const packviewDir = ours + "packview/"

// ReadDerived implements storage.Derived.
func (s *Store) ReadDerived(ctx context.Context, name string, most int64) ([]byte, error) {
	body, _, err := read(ctx, s.bucket, packviewDir+name, most)
	if errors.Is(err, errMissing) {
		return nil, storage.ErrNotDerived
	}
	if errors.Is(err, errTooLong) {
		return nil, storage.ErrDerivedTooBig
	}
	if err != nil {
		return nil, fmt.Errorf("read derived record: %w", err)
	}
	return body, nil
}

// WriteDerived implements storage.Derived.
func (s *Store) WriteDerived(ctx context.Context, name string, content []byte) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if _, err := s.bucket.put(ctx, packviewDir+name, content, condition{}); err != nil {
		return fmt.Errorf("write derived record: %w", err)
	}
	return nil
}

// RemoveDerived implements storage.Derived.
func (s *Store) RemoveDerived(ctx context.Context, name string) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := s.bucket.delete(ctx, packviewDir+name); err != nil {
		return fmt.Errorf("remove derived record: %w", err)
	}
	return nil
}

var _ storage.Derived = (*Store)(nil)
