package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// record is the order history of one name, stored beside its certificate. It is written as a
// failure before an order begins, so that even after a crash the next attempt is not too early.
type record struct {
	Directory   string    `json:"directory"`             // of the certificate and of the failures
	Challenge   string    `json:"challenge,omitempty"`   // the type that succeeded last
	Obtained    time.Time `json:"obtained,omitzero"`     // when the certificate was obtained
	Refusals    int       `json:"refusals,omitempty"`    // by the CA, since the last success
	Unreachable int       `json:"unreachable,omitempty"` // attempts without a response, since the last success
	NextTry     time.Time `json:"nextTry,omitzero"`      // earliest next attempt
	Reason      string    `json:"reason,omitempty"`      // of the last failure
	Problem     string    `json:"problem,omitempty"`     // type of the CA's problem document; empty: none
	FailedAt    time.Time `json:"failedAt,omitzero"`
	Begun       bool      `json:"begun,omitempty"`     // an order was started and its result is not known yet
	BrokenOff   int       `json:"brokenOff,omitempty"` // orders without a recorded result, since the last success
}

// Backoff limits. Let's Encrypt allows five failed validations per name and hour; with two
// challenge types, these cause at most four.
const (
	afterRefusal     = 10 * time.Minute
	longestRefusal   = 12 * time.Hour
	afterUnreachable = time.Minute
	longestUnreached = time.Hour
)

// doubled returns base for the first failure, doubled for each further one, at most longest.
func doubled(base, longest time.Duration, failures int) time.Duration {
	for range max(0, failures-1) {
		if base *= 2; base >= longest {
			return longest
		}
	}
	return base
}

// clockSlack is the tolerated difference between clocks. A record dated further in the future was
// written with a wrong clock.
const clockSlack = 24 * time.Hour

// believed returns the record without a failure dated in the future, which was written with a clock
// that was ahead, as on a machine before its clock is set. Otherwise its backoff could last for
// years. The failure counts are kept.
func (r record) believed(now time.Time) record {
	if r.FailedAt.After(now.Add(clockSlack)) {
		r.FailedAt, r.NextTry, r.Reason, r.Problem, r.Begun = time.Time{}, time.Time{}, "", "", false
	}
	return r
}

// refused returns the record after the CA refused the given number of challenges.
func (r record) refused(now time.Time, times int, reason string) record {
	r.Refusals += times
	r.fail(now, doubled(afterRefusal, longestRefusal, r.Refusals), reason)
	return r
}

// unreached returns the record after an attempt that did not count towards the CA's limits.
func (r record) unreached(now time.Time, reason string) record {
	r.Unreachable++
	r.fail(now, doubled(afterUnreachable, longestUnreached, r.Unreachable), reason)
	return r
}

// fail sets the time of the next attempt, with jitter so that many servers do not retry at once.
func (r *record) fail(now time.Time, cooldown time.Duration, reason string) {
	r.FailedAt, r.Reason, r.Problem, r.Begun = now.UTC(), reason, "", false
	r.NextTry = now.Add(cooldown + jitter(cooldown/10)).UTC()
}

// jitter returns a random duration below most.
func jitter(most time.Duration) time.Duration {
	return time.Duration(rand.Float64() * float64(most))
}

// recordKey returns the cache key of a name's record. autocert ignores this entry.
func recordKey(host string) string { return host + "+packhouse" }

var (
	errUnread  = errors.New("the cache of ACME cannot be read")
	errDamaged = errors.New("the entry of the cache is damaged")
)

// readRecord loads the record of a name. A record for another directory is discarded, because its
// failures do not apply to this one; foreign reports that the certificate beside it, if any, is
// from another directory.
func readRecord(ctx context.Context, c Cache, host, directory string) (r record, foreign bool, err error) {
	fresh := record{Directory: directory}
	data, err := c.Get(ctx, recordKey(host))
	if errors.Is(err, ErrCacheMiss) {
		return fresh, false, nil
	}
	if err != nil {
		return fresh, false, fmt.Errorf("%w: %w", errUnread, err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return fresh, false, fmt.Errorf("read what is remembered about %s: %w: %w", host, errDamaged, err)
	}
	if r.Directory != directory {
		return fresh, true, nil
	}
	return r, r.Obtained.IsZero(), nil
}

func writeRecord(ctx context.Context, c Cache, host string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write what is remembered about %s: %w", host, err)
	}
	return c.Put(ctx, recordKey(host), append(data, '\n'))
}
