package auth

import (
	"context"
	"errors"
	"sync"
)

// flights lets one verification of a credential run at a time, whose outcome everybody gets who asks meanwhile. It runs on its own: that the
// one who began it is gone fails nobody else; it is given up when all are gone and it has not begun to compute.
type flights struct {
	mu sync.Mutex
	up map[credential]*flight
}

type flight struct {
	done    chan struct{}
	err     error // read after done
	waiting int
	cancel  context.CancelFunc
}

// do returns the outcome of work for this credential, its own or one that is running already. errQueueFull of somebody else's counts for
// nothing: that was a matter of their address.
func (f *flights) do(ctx context.Context, key credential, work func(context.Context) error) error {
	for {
		fl, leads := f.join(ctx, key, work)
		select {
		case <-fl.done:
		case <-ctx.Done():
			f.leave(key, fl)
			return ctx.Err()
		}
		if !leads && errors.Is(fl.err, errQueueFull) {
			continue
		}
		return fl.err
	}
}

// join boards the flight of a credential, or starts one.
func (f *flights) join(ctx context.Context, key credential, work func(context.Context) error) (fl *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.up[key]; ok {
		fl.waiting++
		return fl, false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl = &flight{done: make(chan struct{}), waiting: 1, cancel: cancel}
	if f.up == nil {
		f.up = map[credential]*flight{}
	}
	f.up[key] = fl
	go func() {
		defer cancel()
		fl.err = work(ctx)
		f.mu.Lock()
		if f.up[key] == fl {
			delete(f.up, key)
		}
		f.mu.Unlock()
		close(fl.done)
	}()
	return fl, true
}

// leave gets off; the last one to do so calls the flight off.
func (f *flights) leave(key credential, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting > 0 {
		return
	}
	fl.cancel()
	if f.up[key] == fl {
		delete(f.up, key) // whoever comes now starts anew
	}
}
