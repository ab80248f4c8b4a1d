package s3

import (
	"context"
	"sync"
	"time"

	"packhouse/server/storage"
)

// How long what the last probe found is believed. A load balancer asks every second; each probe costs a PUT.
const (
	healthyFor   = 30 * time.Second
	unhealthyFor = 2 * time.Second
	probeTimeout = 10 * time.Second
)

// health is what the last write came to.
type health struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// good notes a write that succeeded.
func (h *health) good(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.err = now, nil
}

// Health implements storage.Store: the outcome of the last write of one object, repeated when it is old.
func (s *Store) Health(ctx context.Context) error {
	if s.opt.ReadOnly {
		return storage.ErrReadOnly
	}
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	believed := healthyFor
	if h.err != nil {
		believed = unhealthyFor
	}
	now := s.opt.Now()
	if age := now.Sub(h.at); age < believed && age >= 0 {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	_, h.err = s.bucket.put(ctx, healthKey, []byte(s.id), condition{})
	h.at = now
	return h.err
}
