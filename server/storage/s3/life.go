package s3

import (
	"context"
	"sync"

	"packhouse/server/storage"
)

// life counts what a store has to wait for before it is closed. A change may contain another one, as setting a damaged blob aside is part of the
// push that found it, so whoever begins one never waits: not even while the store closes.
type life struct {
	mu         sync.Mutex
	closed     bool
	changes    sync.WaitGroup
	background sync.WaitGroup
}

// enter begins a change; leave ends it.
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

// start runs work beside everything else until it is done or the store closes.
func (s *Store) start(work func(context.Context)) {
	l := &s.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.background.Go(func() { work(s.ctx) })
	}
}

// Close implements storage.Store: it waits for the changes that are under way, and ends what runs in the background.
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
