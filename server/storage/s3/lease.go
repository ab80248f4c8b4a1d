package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// leaseLife is how long a lease outlives its holder.
	leaseLife = time.Minute
	// leaseMargin is how long before expiry the holder considers the lease lost: object times may
	// have a resolution of one second, and the estimated clock skew is up to two seconds off.
	leaseMargin = 5 * time.Second
)

// leaseRecord is the body of a lease.
type leaseRecord struct {
	Holder   string `json:"holder"`
	Nonce    string `json:"nonce"`
	Released bool   `json:"released,omitempty"`
}

// Lease implements storage.Shared.
func (s *Store) Lease(ctx context.Context, name string) (held context.Context, release func(), ok bool, err error) {
	if !s.traits.Conditional() {
		return ctx, func() {}, true, nil // only one process may use the bucket
	}
	key := leaseDir + name
	body := func(released bool) []byte {
		b, _ := json.Marshal(leaseRecord{Holder: s.id, Nonce: nonce(), Released: released}) // cannot fail
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
			limited, stop := context.WithDeadline(held, last.Add(leaseLife-leaseMargin)) // a service that does not respond must not keep the lease alive
			next, err := s.bucket.put(limited, key, body(false), ifMatch(etag))
			if errors.Is(err, errCondition) {
				next, err = s.stillOurs(limited, key) // the response to an earlier renewal may have been lost
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
		_, _ = s.bucket.put(ctx, key, body(true), ifMatch(etag)) // on failure, it expires
	}, true, nil
}

// stillOurs returns the ETag of a lease that this process holds, or errLeaseLost if it does not.
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
