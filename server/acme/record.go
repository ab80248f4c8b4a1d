package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// record is what is remembered about the orders for one name, beside its certificate. It is written before an order begins, as if that had
// failed already: whatever happens then, the next try is not too early.
type record struct {
	Directory   string    `json:"directory"`             // that the certificate is from, and that the failures are of
	Challenge   string    `json:"challenge,omitempty"`   // that worked last
	Obtained    time.Time `json:"obtained,omitzero"`     // the certificate
	Refusals    int       `json:"refusals,omitempty"`    // by the CA, since the last success
	Unreachable int       `json:"unreachable,omitempty"` // tries that the CA heard nothing of, since the last success
	NextTry     time.Time `json:"nextTry,omitzero"`      // not before
	Reason      string    `json:"reason,omitempty"`      // of the last failure
	Problem     string    `json:"problem,omitempty"`     // type of the CA's problem document; empty: none
	FailedAt    time.Time `json:"failedAt,omitzero"`
	Begun       bool      `json:"begun,omitempty"`     // an order was, and nothing is known yet of its outcome
	BrokenOff   int       `json:"brokenOff,omitempty"` // orders whose outcome nobody lived to see, since the last success
}

// Cool-downs. Let's Encrypt allows five failed validations of a name in an hour: with two challenges to fail at, these make at most four.
const (
	afterRefusal     = 10 * time.Minute
	longestRefusal   = 12 * time.Hour
	afterUnreachable = time.Minute
	longestUnreached = time.Hour
)

// doubled is base for the first failure and twice as long after each further one, at most longest.
func doubled(base, longest time.Duration, failures int) time.Duration {
	for range max(0, failures-1) {
		if base *= 2; base >= longest {
			return longest
		}
	}
	return base
}

// clockSlack is how far the clocks of servers may be apart, or one of them off. Beyond it what is remembered was written by a clock that was wrong.
const clockSlack = 24 * time.Hour

// believed returns the record without a failure that, by this clock, is yet to come: it was written by one that was ahead, as that of a machine may
// be before it is set. Else its cool-down would last until then, for years perhaps. How often it failed still counts.
func (r record) believed(now time.Time) record {
	if r.FailedAt.After(now.Add(clockSlack)) {
		r.FailedAt, r.NextTry, r.Reason, r.Problem, r.Begun = time.Time{}, time.Time{}, "", "", false
	}
	return r
}

// refused returns the record after the CA has refused as many challenges.
func (r record) refused(now time.Time, times int, reason string) record {
	r.Refusals += times
	r.fail(now, doubled(afterRefusal, longestRefusal, r.Refusals), reason)
	return r
}

// unreached returns the record after a try that cost nothing at the CA.
func (r record) unreached(now time.Time, reason string) record {
	r.Unreachable++
	r.fail(now, doubled(afterUnreachable, longestUnreached, r.Unreachable), reason)
	return r
}

// fail sets when the next try is: a little later than the cool-down, so that many servers do not come back at once.
func (r *record) fail(now time.Time, cooldown time.Duration, reason string) {
	r.FailedAt, r.Reason, r.Problem, r.Begun = now.UTC(), reason, "", false
	r.NextTry = now.Add(cooldown + jitter(cooldown/10)).UTC()
}

// jitter is a random time below most.
func jitter(most time.Duration) time.Duration {
	return time.Duration(rand.Float64() * float64(most))
}

// recordKey is where the record of a name lies. autocert has no such entry, and passes over it.
func recordKey(host string) string { return host + "+packhouse" }

var (
	errUnread  = errors.New("the cache of ACME cannot be read")
	errDamaged = errors.New("the entry of the cache is damaged")
)

// readRecord reads the record of a name. What is remembered of another directory counts for nothing: it refused, or signed, something
// else. foreign tells that the certificate beside it, if there is one, is from another directory.
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
