package auth

import (
	"context"
	"fmt"
	"time"
)

// Keeper stores the sign-in record. It holds a key and must be readable by the server alone.
type Keeper interface {
	// Load returns the stored record; nil if there is none.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the stored record as a whole.
	Save(ctx context.Context, record []byte) error
}

const (
	keepDelay   = time.Second      // lets the sign-ins of a moment share one write
	keepEvery   = 10 * time.Second // between two writes
	keepTimeout = 5 * time.Second  // for the last write
)

// Restore loads the sign-in record, so that passwords and addresses that were verified before a
// restart are served first again. An error leaves the record empty and harms nothing else.
func (a *Authenticator) Restore(ctx context.Context, k Keeper) error {
	stored, err := k.Load(ctx)
	if err == nil && stored != nil {
		err = a.signIns.merge(stored)
	}
	if err != nil {
		return fmt.Errorf("load sign-in record: %w", err)
	}
	return nil
}

// Keep stores the sign-in record whenever it changes, until ctx is done, and then once more.
func (a *Authenticator) Keep(ctx context.Context, k Keeper) {
	failed := false
	save := func(ctx context.Context) {
		err := a.save(ctx, k)
		if err != nil && !failed {
			a.log.Warn("the sign-in record cannot be stored: a restart forgets who signed in", "error", err)
		}
		if failed = err != nil; failed {
			a.signIns.touch() // for the next attempt
		}
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-a.signIns.changed:
			if !pause(ctx, keepDelay) {
				a.signIns.touch() // for the last write
				break
			}
			save(ctx)
			pause(ctx, keepEvery)
		}
	}
	select {
	case <-a.signIns.changed:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
		defer cancel()
		save(ctx)
	default:
	}
}

// save merges what other processes stored, and stores the result.
func (a *Authenticator) save(ctx context.Context, k Keeper) error {
	stored, err := k.Load(ctx)
	if err != nil {
		return fmt.Errorf("load sign-in record: %w", err)
	}
	if stored != nil {
		_ = a.signIns.merge(stored) // a damaged record is replaced
	}
	if err := k.Save(ctx, a.signIns.encode()); err != nil {
		return fmt.Errorf("store sign-in record: %w", err)
	}
	return nil
}

// pause waits and reports whether ctx is still valid.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
