package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// scenario is one kind of work.
type scenario struct {
	name    string
	small   bool // a small read, which the cost of a password weighs on
	clients int  // at once; 0 is what the options say
	most    int  // operations in a round; 0 is bounded by time alone
	size    int  // bytes moved by one operation, where throughput is what counts
	// prepare brings about what the operations need.
	prepare func(ctx context.Context, t *target) error
	// bodies makes what the operations of one round push, before the clock runs.
	bodies func(t *target) []blob
	// operate does the work once; own is one of the bodies, where there are any.
	operate func(ctx context.Context, t *target, own blob) error
}

// unit is what the figures count.
func (s scenario) unit() string {
	if s.size >= 100*mib {
		return "MB/s"
	}
	return "/s"
}

// scenarios are measured in this order.
func scenarios(o options) []scenario {
	nothing := func(context.Context, *target) error { return nil }
	get := func(path string) func(context.Context, *target, blob) error {
		return func(ctx context.Context, t *target, _ blob) error {
			_, _, err := t.do(ctx, 200, "GET", path, nil, 0, "")
			return err
		}
	}
	all := []scenario{
		{name: "ping", small: true, prepare: nothing, operate: get("/v2/")},
		{
			name: "manifest by tag", small: true, operate: get("/v2/read/app/manifests/v1"),
			prepare: func(ctx context.Context, t *target) error {
				return t.pushArtifact(ctx, "read/app", "v1", t.newBlob(kib))
			},
		},
	}
	for _, get := range []struct {
		name    string
		size    int
		clients int
		most    int
	}{
		{"blob get 1 KiB", kib, 0, 0},
		{"blob get 1 MiB", mib, 0, 0},
		{"blob get 100 MiB", 100 * mib, 4, 40},
	} {
		content := sharedBlob(get.size)
		all = append(all, scenario{
			name: get.name, small: get.size == kib, size: get.size, clients: get.clients, most: get.most,
			prepare: func(ctx context.Context, t *target) error { return t.pushBlob(ctx, "read/app", content) },
			operate: func(ctx context.Context, t *target, _ blob) error {
				_, received, err := t.do(ctx, 200, "GET", "/v2/read/app/blobs/"+content.digest, nil, 0, "")
				if err == nil && received != int64(get.size) {
					err = fmt.Errorf("received %d bytes of %d", received, get.size)
				}
				return err
			},
		})
	}
	for _, push := range []struct {
		name    string
		size    int
		clients int
		most    int
	}{
		{"blob push 1 KiB", kib, 0, 4000},
		{"blob push 1 MiB", mib, 0, 400},
		{"blob push 100 MiB", 100 * mib, 2, 4},
	} {
		all = append(all, scenario{
			name: push.name, size: push.size, clients: push.clients, prepare: nothing,
			bodies:  func(t *target) []blob { return t.newBlobs(push.most, push.size) },
			operate: func(ctx context.Context, t *target, own blob) error { return t.pushBlob(ctx, "push/app", own) },
		})
	}
	tagged := func(ctx context.Context, t *target) error { return t.pushTags(ctx, "list/app", o.tags) }
	return append(all,
		scenario{
			name: "artifact push 1 MiB", prepare: nothing,
			bodies: func(t *target) []blob { return t.newBlobs(400, mib) },
			operate: func(ctx context.Context, t *target, own blob) error {
				return t.pushArtifact(ctx, "push/artifact", "v"+own.digest[len("sha256:"):][:20], own)
			},
		},
		scenario{
			name: fmt.Sprintf("list %d tags", o.tags), most: 2000,
			prepare: tagged,
			operate: get("/v2/list/app/tags/list?n=" + strconv.Itoa(o.tags)),
		},
		scenario{
			name: fmt.Sprintf("page of 100 of %d tags", o.tags), most: 2000, prepare: tagged,
			operate: get("/v2/list/app/tags/list?n=100&last=" + tagName(o.tags/2)),
		},
	)
}

// round runs the operations for a while and returns how many there were in a
// second, or MB where that is what counts.
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
				if err := s.operate(ctx, t, own); err != nil {
					cancel(err)
					return
				}
				finished.Add(1)
			}
		})
	}
	work.Wait()
	elapsed := time.Since(started).Seconds()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	rate := float64(finished.Load()) / elapsed
	if s.unit() == "MB/s" {
		rate *= float64(s.size) / 1e6
	}
	return rate, nil
}

func median(values []float64) float64 {
	ordered := slices.Sorted(slices.Values(values))
	return ordered[len(ordered)/2]
}
