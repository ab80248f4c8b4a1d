package s3

import (
	"bufio"
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/sync/semaphore"

	"packhouse/server/storage"
)

// budget bounds the memory that uploads hold. A part is kept in memory until S3 has it, since sending it again must be possible.
type budget struct {
	limit int64
	sem   *semaphore.Weighted
}

func newBudget(limit, chunk int64) *budget {
	limit = max(limit, chunk)
	return &budget{limit: limit, sem: semaphore.NewWeighted(limit)}
}

// take waits for room for n bytes. Give returns it.
func (b *budget) take(ctx context.Context, n int64) (give func(), err error) {
	n = min(n, b.limit)
	if err := b.sem.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("wait for upload memory: %w", err)
	}
	return func() { b.sem.Release(n) }, nil
}

// try takes room only if there is some now.
func (b *budget) try(n int64) (give func(), ok bool) {
	n = min(n, b.limit)
	return func() { b.sem.Release(n) }, b.sem.TryAcquire(n)
}

// incoming is the body of a request, of an announced size or -1.
type incoming struct {
	ctx  context.Context
	r    *bufio.Reader // nil: nothing comes
	size int64
	n    int64 // bytes received
	h    hash.Hash
}

func newIncoming(ctx context.Context, r io.Reader, size int64, h hash.Hash) *incoming {
	in := &incoming{ctx: ctx, size: size, h: h}
	if r == nil {
		in.size = 0
		return in
	}
	in.r = bufio.NewReaderSize(r, 4096)
	return in
}

// fill appends to p, up to its capacity, and tells whether that was all. What was appended before an error counts.
func (in *incoming) fill(p []byte) (_ []byte, done bool, err error) {
	if in.r == nil {
		return p, true, nil
	}
	for len(p) < cap(p) {
		if err := in.ctx.Err(); err != nil {
			return p, false, err
		}
		free := p[len(p):min(cap(p), len(p)+256<<10)]
		if in.size >= 0 {
			free = free[:min(int64(len(free)), in.size-in.n)]
			if len(free) == 0 {
				break
			}
		}
		n, err := in.r.Read(free)
		in.h.Write(free[:n])
		in.n += int64(n)
		p = p[:len(p)+n]
		if done, err := in.ended(err); done || err != nil {
			return p, done, err
		}
	}
	// Whether anything follows: a full buffer is only a part if it does.
	_, err = in.r.Peek(1)
	if err == nil && in.n == in.size {
		return p, false, &storage.SizeError{Want: in.size, Got: in.size + 1}
	}
	done, err = in.ended(err)
	return p, done, err
}

func (in *incoming) ended(err error) (bool, error) {
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, io.EOF) && in.size >= 0 && in.n != in.size:
		return false, &storage.SizeError{Want: in.size, Got: in.n}
	case errors.Is(err, io.EOF):
		return true, nil
	}
	return false, fmt.Errorf("receive: %w", err)
}

// mark is where an incoming body stood at the end of a part.
type mark struct {
	n    int64
	hash []byte
}

func (in *incoming) mark() (mark, error) {
	state, err := in.h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return mark{}, fmt.Errorf("record hash of upload: %w", err)
	}
	return mark{in.n, state}, nil
}

// cutter cuts what comes in into parts and hands each full one on, beside receiving the next where there is memory for two.
type cutter struct {
	s    *Store
	in   *incoming
	base int64
	next int // number of the next part, from 0
	send func(ctx context.Context, n int, body []byte, end mark) error

	buffer  []byte
	give    func()
	spare   []byte
	sending chan error // holds the outcome of the part under way, when not nil
}

// room is how much memory the part that begins with head needs.
func (c *cutter) room(head int64) int64 {
	size := partSize(c.base, c.next)
	if c.in.r == nil {
		return max(head, 1)
	}
	if c.in.size >= 0 {
		size = min(size, head+c.in.size-c.in.n)
	}
	return max(size, head, 1)
}

// run receives everything. It returns what is left of it, which is no more than a part and stays valid until release: also when receiving
// failed, but nil when a part could not be sent.
func (c *cutter) run(ctx context.Context, head []byte) (tail []byte, release func(), err error) {
	room := c.room(int64(len(head)))
	give, err := c.s.budget.take(ctx, room)
	if err != nil {
		return nil, func() {}, err
	}
	gives := []func(){give}
	release = func() {
		for _, give := range gives {
			give()
		}
	}
	c.buffer = append(make([]byte, 0, room), head...)
	for {
		var done bool
		c.buffer, done, err = c.in.fill(c.buffer)
		if serr := c.await(); serr != nil {
			return nil, release, serr
		}
		if done || err != nil {
			return c.buffer, release, err
		}
		full, n := c.buffer, c.next
		mark, err := c.in.mark()
		if err != nil {
			return nil, release, err
		}
		c.next++
		room := c.room(0)
		if c.spare == nil && room == int64(cap(full)) {
			if give, ok := c.s.budget.try(room); ok {
				gives = append(gives, give)
				c.spare = make([]byte, 0, room)
			}
		}
		if c.spare == nil {
			if err := c.send(ctx, n, full, mark); err != nil {
				return nil, release, err
			}
			c.buffer = resized(full, room)
			continue
		}
		sending := make(chan error, 1)
		c.sending = sending
		go func() { sending <- c.send(ctx, n, full, mark) }()
		c.buffer, c.spare = resized(c.spare, room), full
	}
}

// resized is a buffer used again; parts that grow need a larger one, which the budget has room for: at most two are held.
func resized(b []byte, size int64) []byte {
	if int64(cap(b)) >= size {
		return b[:0:size]
	}
	return make([]byte, 0, size)
}

// await waits for the part under way.
func (c *cutter) await() error {
	if c.sending == nil {
		return nil
	}
	err := <-c.sending
	c.sending = nil
	return err
}
