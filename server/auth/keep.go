package auth

import (
	"context"
	"fmt"
	"time"
)

// Keeper stores the sign-in record. The record contains a key and must be readable only by the
// server.
type Keeper interface {
	// Load returns the stored record; nil if there is none.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces the stored record as a whole.
	Save(ctx context.Context, record []byte) error
}

const (
	keepDelay   = time.Second      // batches sign-ins into one write
	keepEvery   = 10 * time.Second // minimum interval between writes
	keepTimeout = 5 * time.Second  // for the last write
)

// Restore loads the sign-in record, so that passwords and addresses verified before a restart still
// have priority. If it fails, the record stays empty, with no other effect.
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

// Keep stores the sign-in record whenever it changes, and a last time when ctx is done.
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

// save merges the record stored by other processes and stores the result.
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

// pause sleeps for d and reports whether ctx is still valid.
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
