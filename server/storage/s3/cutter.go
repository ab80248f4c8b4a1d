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

	buffer  heldBuffer
	sending chan error // receives the result of the part being sent; nil if none is
}

// heldBuffer is a buffer, with the memory taken for it.
type heldBuffer struct {
	p    []byte
	give func()
}

func (b *budget) release(h heldBuffer) {
	if h.give != nil {
		b.reuse(h.p)
		h.give()
	}
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
	release = func() {
		c.s.budget.release(c.buffer)
		c.buffer = heldBuffer{}
	}
	if err := c.take(ctx, c.room(before)); err != nil {
		return nil, release, err
	}
	c.buffer.p = c.buffer.p[:before]
	if before > 0 {
		if err := head(ctx, c.buffer.p); err != nil {
			return nil, release, err
		}
	}
	for {
		var done bool
		c.buffer.p, done, err = c.in.fill(c.buffer.p)
		if serr := c.await(); serr != nil {
			return nil, release, serr
		}
		if done || err != nil {
			return c.buffer.p, release, err
		}
		if err := c.cut(ctx, release); err != nil {
			return nil, release, err
		}
	}
}

// take waits for a buffer of room bytes.
func (c *cutter) take(ctx context.Context, room int64) error {
	give, err := c.s.budget.take(ctx, room)
	if err == nil {
		c.buffer = heldBuffer{c.s.budget.buffer(room), give}
	}
	return err
}

// cut sends the full part and provides a buffer for the next. If there is memory for it, the part is
// sent in the background, and its own memory is released as soon as S3 has it: the rest of a slow
// body may take minutes.
func (c *cutter) cut(ctx context.Context, release func()) error {
	full, n := c.buffer, c.next
	mark, err := c.in.mark()
	if err != nil {
		return err
	}
	c.next++
	room := c.room(0)
	if room <= int64(cap(full.p)) {
		if give, ok := c.s.budget.try(room); ok {
			sending := make(chan error, 1)
			c.buffer, c.sending = heldBuffer{c.s.budget.buffer(room), give}, sending
			go func() {
				err := c.send(ctx, n, full.p, mark)
				c.s.budget.release(full)
				sending <- err
			}()
			return nil
		}
	}
	if err := c.send(ctx, n, full.p, mark); err != nil {
		return err
	}
	if room > int64(cap(full.p)) {
		// Parts grow. Release all memory before waiting for a larger buffer, to avoid a deadlock.
		release()
		return c.take(ctx, room)
	}
	c.buffer.p = full.p[:0:room]
	return nil
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
