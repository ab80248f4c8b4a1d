package s3

import (
	"context"
	"sync"

	"packhouse/server/storage"
)

// life tracks what Close waits for. Changes can nest, for example when a push quarantines a damaged
// blob, so enter never blocks, not even while the store closes.
type life struct {
	mu         sync.Mutex
	closed     bool
	changes    sync.WaitGroup
	background sync.WaitGroup
}

// enter begins a change. The caller must call leave when it is done.
func (s *Store) enter() (leave func(), err error) {
	if s.opt.ReadOnly {
		return nil, storage.ErrReadOnly
	}
	l := &s.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	l.changes.Add(1)
	return l.changes.Done, nil
}

// start runs work in the background until it returns or the store closes.
func (s *Store) start(work func(context.Context)) {
	l := &s.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.background.Go(func() { work(s.ctx) })
	}
}

// Close implements storage.Store. It waits for changes in progress and stops background work.
func (s *Store) Close() error {
	s.cancel()
	l := &s.life
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.changes.Wait()
	l.background.Wait()
	return nil
}
