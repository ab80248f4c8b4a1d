package s3

import (
	"container/heap"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// stream returns facts in digest order, and false at its end.
type stream func() (digest.Digest, *fact, bool, error)

// each calls visit for every digest in order, with the merged facts from memory, the spilled runs
// and, if data is set, the blob listing.
func (t *facts) each(ctx context.Context, data bool, visit func(d digest.Digest, f *fact) error) error {
	streams := []stream{t.held()}
	if data {
		streams = append(streams, t.blobs(ctx))
	}
	piece := int64(256 << 10)
	if n := int64(len(t.runs)); n > 0 {
		piece = max(16<<10, min(piece, mostFacts/n))
	}
	for _, o := range t.runs {
		r := &runReader{ctx: ctx, b: t.s.bucket, o: o, piece: piece}
		streams = append(streams, func() (digest.Digest, *fact, bool, error) {
			if r.ended() {
				return "", nil, false, nil
			}
			d, f, err := decodeFact(r)
			return d, f, err == nil, err
		})
	}
	h := &heads{}
	next := func(s stream) error {
		d, f, ok, err := s()
		if err == nil && ok {
			heap.Push(h, head{d, f, s})
		}
		return err
	}
	for _, s := range streams {
		if err := next(s); err != nil {
			return err
		}
	}
	for h.Len() > 0 {
		d, whole := (*h)[0].d, &fact{}
		for h.Len() > 0 && (*h)[0].d == d {
			one := heap.Pop(h).(head) //nolint:forcetypeassert // nothing else is in it
			if !one.f.data.IsZero() {
				whole.size, whole.data = one.f.size, one.f.data
			}
			whole.add(one.f)
			if err := next(one.from); err != nil {
				return err
			}
		}
		if err := visit(d, whole); err != nil {
			return err
		}
	}
	return nil
}

// held streams the facts in memory.
func (t *facts) held() stream {
	all := slices.Sorted(maps.Keys(t.by))
	return func() (digest.Digest, *fact, bool, error) {
		if len(all) == 0 {
			return "", nil, false, nil
		}
		d := all[0]
		all = all[1:]
		return d, t.by[d], true, nil
	}
}

// blobs streams the blob listing, which is in digest order.
func (t *facts) blobs(ctx context.Context) stream {
	now := page{more: true}
	return func() (_ digest.Digest, _ *fact, ok bool, err error) {
		for {
			for len(now.objects) > 0 {
				o := now.objects[0]
				now.objects = now.objects[1:]
				if d, ok := parseBlobKey(o.key); ok {
					return d, &fact{size: o.size, data: o.modTime}, true, nil
				}
			}
			if !now.more {
				return "", nil, false, nil
			}
			if now, err = t.s.bucket.list(ctx, blobsDir, now.last, mostListed, false); err != nil {
				return "", nil, false, fmt.Errorf("list blobs: %w", err)
			}
		}
	}
}

// head is the next fact of a stream.
type head struct {
	d    digest.Digest
	f    *fact
	from stream
}

// heads is a heap of stream heads, ordered by digest.
type heads []head

// Len implements sort.Interface.
func (h heads) Len() int { return len(h) }

// Less implements sort.Interface.
func (h heads) Less(i, j int) bool { return h[i].d < h[j].d }

// Swap implements sort.Interface.
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heads) Push(x any) { *h = append(*h, x.(head)) } //nolint:forcetypeassert // only heads are pushed

// Pop implements heap.Interface.
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
