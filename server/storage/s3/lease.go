package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// leaseLife is how long a lease outlives the process that holds it.
	leaseLife = time.Minute
	// leaseMargin is how long before that the process itself takes it for lost: the engine's times may count whole seconds only, and what is known
	// of its clock is two seconds off at most.
	leaseMargin = 5 * time.Second
)

// leaseRecord is the body of a lease.
type leaseRecord struct {
	Holder   string `json:"holder"`
	Nonce    string `json:"nonce"`
	Released bool   `json:"released,omitempty"`
}

// Lease takes what only one process may do at a time: the returned context ends when the lease is lost, release gives it back. Not ok where
// another process holds it. It prevents double work; nothing rests on its being exclusive.
func (s *Store) Lease(ctx context.Context, name string) (held context.Context, release func(), ok bool, err error) {
	if !s.traits.Conditional() {
		return ctx, func() {}, true, nil // one process has the bucket to itself
	}
	key := leaseDir + name
	body := func(released bool) []byte {
		b, _ := json.Marshal(leaseRecord{Holder: s.id, Nonce: nonce(), Released: released}) // strings
		return b
	}
	c := ifAbsent
	now, o, err := read(ctx, s.bucket, key, 4<<10)
	switch {
	case err == nil:
		var r leaseRecord
		if json.Unmarshal(now, &r) == nil && !r.Released && s.now().Sub(o.modTime) < leaseLife {
			return nil, nil, false, nil
		}
		c = ifMatch(o.etag)
	case !errors.Is(err, errMissing):
		return nil, nil, false, fmt.Errorf("read lease: %w", err)
	}
	etag, err := s.bucket.put(ctx, key, body(false), c)
	if errors.Is(err, errCondition) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("take lease: %w", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for last := time.Now(); pause(held, leaseLife/4) == nil; {
			began := time.Now()
			limited, stop := context.WithDeadline(held, last.Add(leaseLife-leaseMargin)) // an engine that does not answer keeps no lease alive
			next, err := s.bucket.put(limited, key, body(false), ifMatch(etag))
			if errors.Is(err, errCondition) {
				next, err = s.stillOurs(limited, key) // the answer to an earlier one may have been lost
			}
			stop()
			switch {
			case err == nil:
				etag, last = next, began
			case errors.Is(err, errLeaseLost), late(last.Add(leaseLife - leaseMargin)):
				cancel(errLeaseLost)
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
		ctx, cancel := cleanup(ctx)
		defer cancel()
		_, _ = s.bucket.put(ctx, key, body(true), ifMatch(etag)) // else it runs out
	}, true, nil
}

// stillOurs returns the ETag of a lease that this process holds; errLeaseLost where another one does.
func (s *Store) stillOurs(ctx context.Context, key string) (string, error) {
	now, o, err := read(ctx, s.bucket, key, 4<<10)
	var r leaseRecord
	if err == nil && json.Unmarshal(now, &r) == nil && !r.Released && r.Holder == s.id {
		return o.etag, nil
	}
	if err == nil || errors.Is(err, errMissing) {
		return "", errLeaseLost
	}
	return "", err
}

var errLeaseLost = errors.New("another process has taken over")
