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
	turn turn // of whoever tries a write; what succeeds meanwhile does not wait for that
	mu   sync.Mutex
	at   time.Time
	err  error
}

// good notes a write that succeeded.
func (h *health) good(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.err = now, nil
}

// known returns what the last write came to; false where that is too long ago.
func (h *health) known(now time.Time) (known bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	believed := healthyFor
	if h.err != nil {
		believed = unhealthyFor
	}
	age := now.Sub(h.at)
	return age < believed && age >= 0, h.err
}

// tried notes what a write came to that began and ended at a time: whoever waited for its end need not try another one. A write that succeeded
// since it began says more.
func (h *health) tried(began, now time.Time, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.After(began) {
		h.at, h.err = now, err
	}
	return h.err
}

// Health implements storage.Store: the outcome of the last write of one object, repeated when it is old.
func (s *Store) Health(ctx context.Context) error {
	if s.opt.ReadOnly {
		return storage.ErrReadOnly
	}
	h := &s.health
	if known, err := h.known(s.opt.Now()); known {
		return err
	}
	done, err := h.turn.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	now := s.opt.Now()
	if known, err := h.known(now); known { // somebody has tried meanwhile
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	_, err = s.bucket.put(ctx, healthKey, []byte(s.id), condition{})
	return h.tried(now, s.opt.Now(), err)
}
