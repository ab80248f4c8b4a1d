package record

import (
	"context"
	"log/slog"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// background runs jobs in the background, one at a time.
type background struct {
	mu      sync.Mutex
	most    int
	waiting []job
	names   map[string]bool // of waiting and running jobs
	running bool
}

type job struct {
	name string
	do   func(context.Context)
}

// Run runs do in the background, after earlier jobs, and returns at once. It returns false, without
// running do, if a job with that name is waiting or running, if too many jobs are waiting, or after
// Close.
func (r *Records) Run(name string, do func(context.Context)) bool {
	b := &r.behind
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names[name] || len(b.waiting) >= b.most {
		return false
	}
	if !b.running {
		if !r.enter() {
			return false
		}
		b.running = true
		go r.work()
	}
	b.names[name] = true
	b.waiting = append(b.waiting, job{name, do})
	return true
}

// work runs jobs until none is waiting.
func (r *Records) work() {
	defer r.made.Done()
	b := &r.behind
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 || r.ctx.Err() != nil {
			b.running = false
			clear(b.names)
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.mu.Unlock()
		next.do(r.ctx)
		b.mu.Lock()
		delete(b.names, next.name)
		b.mu.Unlock()
	}
}

// Behind creates the record of an archive in the background and calls then, which may be nil, with
// its summary.
func (r *Records) Behind(repo reference.Repository, archive digest.Digest, then func(context.Context, *Summary)) {
	r.Run("record/"+repo.String()+"/"+archive.String(), func(ctx context.Context) {
		s, err := r.Make(ctx, repo, archive)
		switch {
		case err == nil && then != nil:
			then(ctx, s)
		case err != nil && ctx.Err() == nil:
			r.o.Log.LogAttrs(ctx, slog.LevelDebug, "read archive of pack", slog.String("repository", repo.String()),
				slog.String("archive", archive.String()), slog.Any("error", err))
		}
	})
}

// Make returns the summary of an archive's record. It creates the record if necessary.
func (r *Records) Make(ctx context.Context, repo reference.Repository, archive digest.Digest) (*Summary, error) {
	if s := r.Summary(ctx, repo, archive); s != nil {
		return s, nil
	}
	ctx, end := r.Lease(ctx)
	defer end()
	rec, err := r.Get(ctx, repo, archive)
	if err != nil {
		return nil, err
	}
	return rec.Summary(), nil
}

// completePath returns the name of the note that all records of this extractor exist.
func completePath() string { return folder(Extractor) + "complete" }

// Complete reports whether SetComplete was called for this extractor.
func (r *Records) Complete(ctx context.Context) bool {
	if r.o.Derived == nil {
		return false
	}
	_, err := r.o.Derived.ReadDerived(ctx, completePath(), longestNote)
	return err == nil
}

// SetComplete stores the note that all records exist.
func (r *Records) SetComplete(ctx context.Context) {
	r.write(ctx, completePath(), []byte("complete\n"))
}

// RemoveOld removes the records of an archive by earlier extractors.
func (r *Records) RemoveOld(ctx context.Context, archive digest.Digest) {
	if r.o.Derived == nil {
		return
	}
	for v := 1; v < Extractor; v++ {
		if _, err := r.o.Derived.ReadDerived(ctx, nameOf(v, archive, ".json"), 0); err != nil && !isTooBig(err) {
			continue
		}
		for _, end := range append([]string{".json"}, ends()...) {
			r.remove(ctx, nameOf(v, archive, end))
		}
	}
}
