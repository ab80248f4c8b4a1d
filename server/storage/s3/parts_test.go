package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestParts holds the limits of S3: 10,000 parts, none but the last below 5 MiB, none above 5 GiB, objects up to 5 TiB.
func TestParts(t *testing.T) {
	const tebibyte = int64(1) << 40
	for _, chunk := range []int64{smallestChunk, defaultChunk} {
		total := int64(0)
		for n := range mostParts {
			size := partSize(chunk, n)
			if size < smallestChunk || size > 5<<30 || n < doubleAfter && size != chunk {
				t.Fatalf("part %d has %d bytes", n, size)
			}
			total += size
		}
		if total < 5*tebibyte/100*97 {
			t.Errorf("%d parts, beginning with %d, hold only %d bytes", mostParts, chunk, total)
		}
	}
}

// TestUploadMemoryIsBounded has more uploads than memory: they take turns, and none holds more than its share.
func TestUploadMemoryIsBounded(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	s.opt.Config.UploadMemory = 3 * tinyChunk
	tiny(s, b)
	content := noise(1, 2*tinyChunk+7)
	d := digest.FromBytes(content)
	var reading, most atomic.Int32
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			body := &countedBody{Reader: bytes.NewReader(content), reading: &reading, most: &most}
			o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
			var err error
			if i%2 == 0 {
				err = s.PutBlob(t.Context(), o, d, body, -1)
			} else {
				var u storage.Upload
				if u, err = s.StartUpload(t.Context(), o, digest.SHA256); err == nil {
					err = s.FinishUpload(t.Context(), o, u.ID, 0, body, int64(len(content)), d)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := most.Load(); n > 3 || n == 0 {
		t.Errorf("%d bodies were read at once, in memory for 3", n)
	}
	if !s.budget.sem.TryAcquire(s.budget.limit) {
		t.Error("memory was not given back")
	}
	left(t, s, uploadsDir, multipartDir)
}

// TestPartsThatGrowAreAccountedFor sends so many parts that they grow eight times as large: the memory that they need is taken, and waited for.
func TestPartsThatGrowAreAccountedFor(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	const chunk, limit = 1 << 10, 64 << 10
	s.opt.Config.UploadMemory = limit
	tiny(s, b)
	s.smallest, b.smallest, s.opt.Config.ChunkSize, s.budget = chunk, chunk, chunk, newBudget(limit, chunk)
	content := noise(2, (1+2+4)*doubleAfter*chunk+100<<10)
	d := digest.FromBytes(content)
	free := int64(limit)
	body := io.MultiReader(bytes.NewReader(content[:len(content)-10]), readerFunc(func([]byte) (int, error) {
		for free = limit; free > 0 && !s.budget.sem.TryAcquire(free); free-- {
		}
		s.budget.sem.Release(free)
		return 0, io.EOF
	}), bytes.NewReader(content[len(content)-10:]))
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	if err := s.PutBlob(t.Context(), o, d, body, -1); err != nil {
		t.Fatal(err)
	}
	if taken := limit - free; taken < 8*chunk || taken > 16*chunk {
		t.Errorf("%d bytes are accounted for while parts of %d are received", taken, 8*chunk)
	}
	if !s.budget.sem.TryAcquire(limit) {
		t.Error("memory was not given back")
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

// TestSlowBodyHoldsOnePart receives the second part of a slow body: the memory of the first, which
// S3 has, is free.
func TestSlowBodyHoldsOnePart(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	tiny(s, b)
	content := noise(3, 3*tinyChunk)
	limit := s.budget.limit
	const at = tinyChunk + tinyChunk/2
	body := io.MultiReader(bytes.NewReader(content[:at]), readerFunc(func([]byte) (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.budget.sem.Acquire(ctx, limit-tinyChunk); err != nil { // the part is sent in the background
			return 0, errors.New("a sent part is held in memory")
		}
		s.budget.sem.Release(limit - tinyChunk)
		return 0, io.EOF
	}), bytes.NewReader(content[at:]))
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	if err := s.PutBlob(t.Context(), o, digest.FromBytes(content), body, int64(len(content))); err != nil {
		t.Error(err)
	}
	if !s.budget.sem.TryAcquire(limit) {
		t.Error("memory was not given back")
	}
}

type readerFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// countedBody counts how many bodies have been begun and are not read to their end.
type countedBody struct {
	io.Reader
	reading, most *atomic.Int32
	begun, ended  bool
}

func (c *countedBody) Read(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		n := c.reading.Add(1)
		for {
			m := c.most.Load()
			if n <= m || c.most.CompareAndSwap(m, n) {
				break
			}
		}
	}
	n, err := c.Reader.Read(p)
	if err != nil && !c.ended {
		c.ended = true
		c.reading.Add(-1)
	}
	return n, err
}

// TestNothingIsLeftOpen fails each request of a large push in turn, until none is left to fail.
func TestNothingIsLeftOpen(t *testing.T) {
	content := noise(1, tinyChunk+100<<10)
	d := digest.FromBytes(content)
	broken := errors.New("the engine broke down")
	for _, how := range []string{"at once", "in chunks"} {
		for n := 1; ; n++ {
			b := newMemoryBucket()
			s := openMemory(t, b, nil)
			tiny(s, b)
			var sent atomic.Int32
			b.before = func(_ context.Context, verb, _ string) error {
				if verb != "delete" && verb != "abort" && sent.Add(1) == int32(n) {
					return broken
				}
				return nil
			}
			o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
			push := func() error {
				if how == "at once" {
					return s.PutBlob(t.Context(), o, d, bytes.NewReader(content), int64(len(content)))
				}
				u, err := s.StartUpload(t.Context(), o, digest.SHA256)
				if err == nil {
					_, err = s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content[:100<<10]), 100<<10)
				}
				if err == nil {
					err = s.FinishUpload(t.Context(), o, u.ID, 100<<10, bytes.NewReader(content[100<<10:]), -1, d)
				}
				if err != nil && u.ID != "" {
					if cerr := s.CancelUpload(t.Context(), o, u.ID); cerr != nil {
						t.Errorf("%s, request %d: cancel: %v", how, n, cerr)
					}
				}
				return err
			}
			err := push()
			b.before = nil
			if err == nil {
				if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s, request %d: acknowledged, but %d bytes and %v came back", how, n, len(got), err)
				}
			}
			left(t, s, uploadsDir, multipartDir)
			if sent.Load() < int32(n) {
				break // it took fewer requests than that
			}
			if perr := push(); perr != nil {
				t.Errorf("%s, request %d: pushed again: %v", how, n, perr)
			}
		}
	}
}

// TestSettle plays the clocks of a push that looked before a collection announced itself.
func TestSettle(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, func(o *Options) { o.Settle = time.Hour })
	looks := func() int { return b.counts["list"] }
	before := looks()
	for range 10 {
		if w, err := s.look(t.Context()); err != nil || w.active {
			t.Fatal(w, err)
		}
	}
	if looks() != before+1 {
		t.Errorf("%d looks within a twelfth of the time to settle", looks()-before)
	}
	for name, c := range map[string]struct {
		ago    time.Duration
		active bool
		again  bool
	}{
		"quick": {29 * time.Minute, false, false}, "slow": {31 * time.Minute, false, true}, "slow, but careful": {2 * time.Hour, true, false},
	} {
		if got := s.stale(watch{at: moment{time.Now().Add(-c.ago), time.Now()}, active: c.active}); got != c.again {
			t.Errorf("%s: %v", name, got)
		}
	}
	s.runs.last = watch{at: moment{time.Now().Add(-6 * time.Minute), time.Now()}}
	b.set(runsDir+"x", nil)
	runs := 0
	err := s.guarded(t.Context(), func(w watch) error {
		runs++
		if !w.active {
			t.Error("an announcement is not seen")
		}
		return nil
	})
	if err != nil || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
}
