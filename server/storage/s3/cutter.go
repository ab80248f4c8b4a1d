package s3

import (
	"context"
	"encoding"
	"fmt"
)

// mark is the state of an incoming body at the end of a part.
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

// cutter splits an incoming body into parts and sends each full one, while receiving the next if
// memory allows.
type cutter struct {
	s    *Store
	in   *incoming
	base int64
	next int // number of the next part, from 0
	send func(ctx context.Context, n int, body []byte, end mark) error

	buffer  []byte
	spare   []byte
	sending chan error // receives the result of the part being sent; nil if none is
}

// room returns how much memory the part that begins with head bytes needs.
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

// run receives the whole body. It continues the session's partial part of before bytes, which head
// reads. It returns the remaining bytes, at most one part, valid until release is called, even if
// receiving failed. It returns nil if a part could not be sent.
func (c *cutter) run(ctx context.Context, before int64, head func(ctx context.Context, into []byte) error) (tail []byte, release func(), err error) {
	room := c.room(before)
	give, err := c.s.budget.take(ctx, room)
	if err != nil {
		return nil, func() {}, err
	}
	gives := []func(){give}
	release = func() {
		c.s.budget.reuse(c.buffer)
		c.s.budget.reuse(c.spare)
		c.buffer, c.spare = nil, nil
		for _, give := range gives {
			give()
		}
	}
	c.buffer = c.s.budget.buffer(room)[:before]
	if before > 0 {
		if err := head(ctx, c.buffer); err != nil {
			return nil, release, err
		}
	}
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
		if room > int64(cap(full)) {
			// Parts grow. Release all memory before waiting for a larger buffer, to avoid a
			// deadlock.
			if err := c.send(ctx, n, full, mark); err != nil {
				return nil, release, err
			}
			release()
			gives = nil
			if give, err = c.s.budget.take(ctx, room); err != nil {
				return nil, release, err
			}
			gives = append(gives, give)
			c.buffer = c.s.budget.buffer(room)
			continue
		}
		if c.spare == nil && room == int64(cap(full)) {
			if give, ok := c.s.budget.try(room); ok {
				gives = append(gives, give)
				c.spare = c.s.budget.buffer(room)
			}
		}
		if c.spare == nil {
			if err := c.send(ctx, n, full, mark); err != nil {
				return nil, release, err
			}
			c.buffer = full[:0:room]
			continue
		}
		sending := make(chan error, 1)
		c.sending = sending
		go func() { sending <- c.send(ctx, n, full, mark) }()
		c.buffer, c.spare = c.spare[:0:room], full
	}
}

// await waits for the part being sent.
func (c *cutter) await() error {
	if c.sending == nil {
		return nil
	}
	err := <-c.sending
	c.sending = nil
	return err
}
