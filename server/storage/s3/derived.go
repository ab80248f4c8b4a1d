package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"packhouse/server/storage"
)

// packviewDir contains data derived from stored content.
const packviewDir = ours + "packview/"

// derivedRecords implements storage.Derived for a Store, which embeds it.
type derivedRecords struct{ s *Store }

// ReadDerived implements storage.Derived.
func (r derivedRecords) ReadDerived(ctx context.Context, name string, most int64) ([]byte, error) {
	s := r.s
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
func (r derivedRecords) WriteDerived(ctx context.Context, name string, content []byte) error {
	s := r.s
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
func (r derivedRecords) RemoveDerived(ctx context.Context, name string) error {
	s := r.s
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

// ListDerived implements storage.Derived with one request per thousand records.
func (r derivedRecords) ListDerived(ctx context.Context, folder string, visit func(name string) error) error {
	s := r.s
	err := walk(ctx, s.bucket, packviewDir+folder, func(o object) error {
		return visit(strings.TrimPrefix(o.key, packviewDir))
	})
	if err != nil {
		return fmt.Errorf("list derived records: %w", err)
	}
	return nil
}

var (
	_ storage.Derived = (*Store)(nil)
	_ storage.Shared  = (*Store)(nil)
)
