package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// announcement makes a garbage collection visible to every process. It is renewed while the
// collection runs; if renewing fails, the collection is canceled.
type announcement struct {
	s      *Store
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	unsure atomic.Bool // a deletion may still take effect after this run

	mu   sync.Mutex
	etag string
	sure time.Time // when the announcement was last known to exist
}

func (a *announcement) key() string { return runsDir + a.id }

func (s *Store) announce(ctx context.Context) (*announcement, error) {
	if err := s.forgetAbandoned(ctx); err != nil {
		return nil, err
	}
	a := &announcement{s: s, id: newID(), done: make(chan struct{}), sure: time.Now()}
	body, err := json.Marshal(map[string]any{"process": s.id, "since": s.now().UTC()})
	if err == nil {
		a.etag, err = s.bucket.put(ctx, a.key(), append(body, nonce()...), ifAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("announce collection: %w", err)
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	go a.renew(body)
	return a, nil
}

// renew keeps the announcement from expiring. If it has been removed, another process considered
// this one dead.
func (a *announcement) renew(body []byte) {
	defer close(a.done)
	for pause(a.ctx, sendWithin/6) == nil {
		begun := time.Now()
		etag, err := a.s.bucket.put(a.ctx, a.key(), append(body, nonce()...), ifMatch(a.etag))
		switch {
		case err == nil:
			a.mu.Lock()
			a.etag, a.sure = etag, begun
			a.mu.Unlock()
		case errors.Is(err, errCondition), late(a.sure.Add(abandoned / 2)):
			a.cancel(fmt.Errorf("the announcement of this collection is gone: %w", err))
		}
	}
}

// mutate returns a context whose requests are sent only while the announcement is known to exist.
func (a *announcement) mutate(ctx context.Context) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sendBefore(ctx, a.sure.Add(sendWithin))
}

// cause returns why the run was canceled if its context has ended, and err otherwise.
func (a *announcement) cause(err error) error {
	if err != nil && a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	return err
}

// end removes the announcement. If a deletion may still take effect later, the announcement and the
// markers stay until they expire.
func (a *announcement) end() {
	a.cancel(nil)
	<-a.done
	if a.unsure.Load() {
		return
	}
	ctx, cancel := cleanup(a.ctx)
	defer cancel()
	// The key is unique to this run, so this cannot remove another process's announcement.
	if err := a.s.bucket.delete(ctx, a.key()); err != nil {
		a.s.log.Warn("take back the announcement of a collection; pushes look at markers until the next one", "error", err)
	}
}

// forgetAbandoned removes the announcements of dead processes.
func (s *Store) forgetAbandoned(ctx context.Context) error {
	var old []string
	err := walk(ctx, s.bucket, runsDir, func(o object) error {
		if s.now().Sub(o.modTime) > abandoned {
			old = append(old, o.key)
		}
		return nil
	})
	if err == nil {
		err = s.deleteAll(ctx, old)
	}
	if err != nil {
		return fmt.Errorf("look at announcements: %w", err)
	}
	return nil
}
