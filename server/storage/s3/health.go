package s3

import (
	"context"
	"sync"
	"time"

	"packhouse/server/storage"
)

// How long the result of the last probe is valid. Load balancers ask every second, and each probe
// costs a PUT.
const (
	healthyFor   = 30 * time.Second
	unhealthyFor = 2 * time.Second
	probeTimeout = 10 * time.Second
)

// health is the result of the last write.
type health struct {
	turn turn // serializes probes; successful writes do not wait for it
	mu   sync.Mutex
	at   time.Time
	err  error
}

// good records a successful write.
func (h *health) good(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.err = now, nil
}

// known returns the result of the last write, and whether it is recent enough.
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

// tried records the result of a probe, for all callers that waited for it. A write that succeeded
// after the probe began takes precedence.
func (h *health) tried(began, now time.Time, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.After(began) {
		h.at, h.err = now, err
	}
	return h.err
}

// Health implements storage.Store. It returns the result of the last write, and probes again if
// that is too old.
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
	if known, err := h.known(now); known { // another caller has probed in the meantime
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	_, err = s.bucket.put(ctx, healthKey, []byte(s.id), condition{})
	return h.tried(now, s.opt.Now(), err)
}
