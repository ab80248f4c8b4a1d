package s3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"

	"packhouse/server/storage"
	"packhouse/server/storage/quota"
)

// bodyMemory is what a body that arrives counts for against its user, in bytes: the buffers of its
// connection and of the requests to S3. Those of its parts are bounded by the budget.
const bodyMemory = 256 << 10

// budget bounds the memory of uploads. A part stays in memory until S3 has acknowledged it, because
// a retry sends it again.
type budget struct {
	limit, chunk int64
	sem          *semaphore.Weighted
	chunks       sync.Pool // buffers of chunk bytes, the most common size
}

func newBudget(limit, chunk int64) *budget {
	limit = max(limit, chunk)
	return &budget{limit: limit, chunk: chunk, sem: semaphore.NewWeighted(limit)}
}

// buffer returns an empty buffer whose memory was taken before.
func (b *budget) buffer(size int64) []byte {
	if size == b.chunk {
		if p, ok := b.chunks.Get().(*[]byte); ok {
			return (*p)[:0]
		}
	}
	return make([]byte, 0, size)
}

// reuse returns an unused buffer to the pool.
func (b *budget) reuse(p []byte) {
	if int64(cap(p)) == b.chunk {
		b.chunks.Put(&p)
	}
}

// take waits for n bytes of the budget. give returns them.
func (b *budget) take(ctx context.Context, n int64) (give func(), err error) {
	n = min(n, b.limit)
	if err := b.sem.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("wait for upload memory: %w", err)
	}
	return func() { b.sem.Release(n) }, nil
}

// try is take without waiting.
func (b *budget) try(n int64) (give func(), ok bool) {
	n = min(n, b.limit)
	return func() { b.sem.Release(n) }, b.sem.TryAcquire(n)
}

// incoming is the body of a request. size is -1 if unknown.
type incoming struct {
	ctx  context.Context
	r    *bufio.Reader // nil: no body
	size int64
	n    int64 // bytes received
	h    hash.Hash
	work *quota.Work
}

func (s *Store) newIncoming(ctx context.Context, r io.Reader, size int64, h hash.Hash) *incoming {
	in := &incoming{ctx: ctx, size: size, h: h, work: s.work}
	if r == nil {
		in.size = 0
		return in
	}
	in.r = bufio.NewReaderSize(r, 4096)
	return in
}

// fill appends to p, up to its capacity, and reports whether the body has ended. Bytes appended
// before an error are valid.
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
		in.work.Begin()
		in.h.Write(free[:n])
		in.work.End()
		in.n += int64(n)
		p = p[:len(p)+n]
		if done, err := in.ended(err); done || err != nil {
			return p, done, err
		}
	}
	// Check whether anything follows: a full buffer is a separate part only if something does.
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
