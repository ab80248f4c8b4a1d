package s3

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// errMoved means that a listing in ranges does not apply any more: a key at which a range ends is gone.
var errMoved = errors.New("the ranges of a listing have changed")

const (
	// rangesWide is how many ranges are listed in parallel.
	rangesWide = 32
	// mostRangePages is how many requests a range may take.
	mostRangePages = 3
	// mostRanges bounds the memory of the ends of ranges, in bytes.
	mostRanges = 1 << 20
)

// keyRange is a part of a listing: the keys after a key, up to and including another one.
type keyRange struct {
	after, end string // empty: from the start, to the end
	pages      chan []object
	err        error // valid once pages is closed
}

// walkRanges is walk for a listing that was made before: it lists the ranges between the given keys in
// parallel, and calls do for every object in key order. ends are keys of the last walkRanges of the same
// prefix; none means one range. It returns the ends for the next one.
//
// It does not depend on how the storage sorts keys. It returns errMoved, after some calls of do, if the
// end of a range does not exist any more or many keys were added before it. All requests are sent after
// walkRanges is called.
func walkRanges(
	ctx context.Context, b bucket, prefix string, ends []string, do func(object) error,
) (next []string, err error) {
	ranges := make([]*keyRange, 0, len(ends)+1)
	after := ""
	for _, end := range ends {
		ranges = append(ranges, &keyRange{after: after, end: end, pages: make(chan []object, 1)})
		after = end
	}
	ranges = append(ranges, &keyRange{after: after, pages: make(chan []object, 1)})
	ctx, cancel := context.WithCancel(ctx)
	var started errgroup.Group
	started.SetLimit(rangesWide)
	launched := make(chan struct{})
	go func() {
		defer close(launched)
		for _, r := range ranges {
			started.Go(func() error {
				r.list(ctx, b, prefix)
				return nil
			})
		}
	}()
	defer func() {
		cancel()
		<-launched
		_ = started.Wait() // the errors are those of the ranges
	}()
	listed := 0
	for _, r := range ranges {
		for objects := range r.pages {
			for _, o := range objects {
				if err := do(o); err != nil {
					return nil, err
				}
				if listed++; listed%mostListed == 0 {
					next = append(next, o.key)
				}
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return next, nil
}

// list sends the objects of a range to its pages.
func (r *keyRange) list(ctx context.Context, b bucket, prefix string) {
	defer close(r.pages)
	after := r.after
	for pages := 1; ; pages++ {
		p, err := b.list(ctx, prefix, after, mostListed, false)
		if err != nil {
			r.err = err
			return
		}
		objects, ended := r.cut(p.objects)
		select {
		case r.pages <- objects:
		case <-ctx.Done():
			r.err = context.Cause(ctx)
			return
		}
		switch {
		case ended, r.end == "" && !p.more:
			return
		case r.end != "" && (!p.more || pages == mostRangePages):
			r.err = errMoved
			return
		}
		after = p.last
	}
}

// cut returns the objects up to the end of the range, and whether they reach it.
func (r *keyRange) cut(objects []object) ([]object, bool) {
	if r.end == "" {
		return objects, false
	}
	for i := range objects {
		if objects[i].key == r.end {
			return objects[:i+1], true
		}
	}
	return objects, false
}
