package filesystem

import (
	"context"
	"errors"
	"time"

	"packhouse/server/storage"
)

func (s *Store) Collect(context.Context, storage.CollectOptions, func(storage.Verdict)) (storage.CollectReport, error) {
	return storage.CollectReport{}, errors.ErrUnsupported
}
func (s *Store) PurgeUploads(context.Context, time.Duration, bool) (storage.PurgeReport, error) {
	return storage.PurgeReport{}, errors.ErrUnsupported
}
func (s *Store) Scrub(context.Context, storage.ScrubOptions, func(storage.Damage)) (storage.ScrubReport, error) {
	return storage.ScrubReport{}, errors.ErrUnsupported
}
func (s *Store) Usage(context.Context) (storage.Usage, error) {
	return storage.Usage{}, errors.ErrUnsupported
}
func (s *Store) Reindex(context.Context) (storage.ReindexReport, error) {
	return storage.ReindexReport{}, errors.ErrUnsupported
}

var _ storage.Store = (*Store)(nil)
