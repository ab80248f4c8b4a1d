package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	kib      = 1 << 10
	mib      = 1 << 20
	thousand = 1000
)

// The units of figures.
const (
	perSecond = "/s"
	megabytes = "MB/s"
	millis    = "ms"
	factor    = "×"
)

// scenario is one kind of work.
type scenario struct {
	name    string
	kind    kind
	unit    string // perSecond where it is empty
	clients int    // at once; 0 is what the options say
	most    int    // operations in a round; 0 is bounded by time alone
	size    int    // bytes moved by one operation, where megabytes count
	bare    bool   // the server of bare files takes part
	// prepare brings about what the operations need; nil is nothing.
	prepare func(ctx context.Context, t *target) error
	// bodies makes what the operations of one round push, before the clock runs.
	bodies func(t *target) []blob
	// operate does the work once. The number counts the operations of the
	// round; own is one of the bodies, where there are any.
	operate func(ctx context.Context, t *target, number int, own blob) error
	// once measures in its own way, and once instead of in rounds.
	once func(ctx context.Context, t *target, o options) (float64, error)
}

// kind tells which settings a scenario is measured in.
type kind int

const (
	smallRead kind = 1 << iota // what the cost of a password weighs on
	blobRead
	blobPush
	artifactPush
	mixed
	listing
	bucketWork // over S3 only
)

// takes tells whether a peer takes part.
func (s scenario) takes(p peer) bool {
	return (s.bare || !p.bare) && !slices.Contains(p.lacks, s.name)
}

// round runs the operations for a while and returns the figure.
func (s scenario) round(ctx context.Context, t *target, o options) (float64, error) {
	clients := o.clients
	if s.clients > 0 {
		clients = min(clients, s.clients)
	}
	var bodies []blob
	most := s.most
	if s.bodies != nil {
		bodies = s.bodies(t)
		most = len(bodies)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken, finished atomic.Int64
	var work sync.WaitGroup
	started := time.Now()
	for range clients {
		work.Go(func() {
			for time.Since(started) < o.length && ctx.Err() == nil {
				number := int(taken.Add(1)) - 1
				if most > 0 && number >= most {
					return
				}
				var own blob
				if bodies != nil {
					own = bodies[number]
				}
				if err := s.operate(ctx, t, number, own); err != nil {
					cancel(err)
					return
				}
				finished.Add(1)
			}
		})
	}
	work.Wait()
	elapsed := time.Since(started)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	count := float64(finished.Load())
	switch s.unit {
	case millis:
		return elapsed.Seconds() * 1000 * float64(clients) / count, nil
	case megabytes:
		return count * float64(s.size) / 1e6 / elapsed.Seconds(), nil
	}
	return count / elapsed.Seconds(), nil
}

// parallel does a number of things, some at once, and returns the first error.
// It takes up no more when the time is over; none is without end.
func parallel(ctx context.Context, clients, count int, length time.Duration, do func(ctx context.Context, number int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var work sync.WaitGroup
	started := time.Now()
	for range clients {
		work.Go(func() {
			for ctx.Err() == nil && (length == 0 || time.Since(started) < length) {
				number := int(next.Add(1)) - 1
				if number >= count {
					return
				}
				if err := do(ctx, number); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}

func median(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	return ordered[len(ordered)/2]
}
