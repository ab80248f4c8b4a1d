package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/singleflight"

	"packhouse/packs"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// Options of records. Only Blobs is needed.
type Options struct {
	Blobs   storage.Blobs
	Derived storage.Derived  // where records are kept; nil: in memory
	Log     *slog.Logger     // nil: nowhere
	Now     func() time.Time // nil: time.Now
	Limits  packs.Limits     // of an archive that is read; zero: 2 GiB, 20,000 files
	Memory  int64            // bytes of records and documents kept in memory; 0: 64 MiB
	Timeout time.Duration    // for making one record; 0: 10 minutes
	AtOnce  int              // archives read at once; 0: 2
	Waiting int              // records that wait to be made behind an answer; 0: 100. Others are made when they are asked for
}

// Records makes and keeps records. Its methods may be called at once from many goroutines.
type Records struct {
	o      Options
	memory *memory
	flight singleflight.Group
	slots  chan struct{}
	queue  chan struct{}

	searching sync.Mutex

	ctx    context.Context //nolint:containedctx // ends with Close: what is made outlives who asked for it
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	made   sync.WaitGroup
}

// New returns records of the archives in o.Blobs.
func New(o Options) *Records {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 2
	}
	if o.Waiting <= 0 {
		o.Waiting = 100
	}
	r := &Records{o: o, memory: newMemory(o.Memory), slots: make(chan struct{}, o.AtOnce), queue: make(chan struct{}, o.Waiting)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends what is being made and waits for it. The store may be closed afterwards.
func (r *Records) Close() {
	r.mu.Lock()
	r.closed = true
	r.cancel()
	r.mu.Unlock()
	r.made.Wait()
}

var errClosed = errors.New("records are closed")

// enter begins work that Close waits for.
func (r *Records) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.made.Add(1)
	return true
}

// Get returns the record of an archive that a repository links to, and makes it where there is none. storage.ErrBlobUnknown where the
// repository has no such archive. An archive that cannot be read is no error: its record says why.
func (r *Records) Get(ctx context.Context, repo reference.Repository, archive digest.Digest) (*Record, error) {
	if _, err := r.o.Blobs.StatBlob(ctx, repo, archive, false); err != nil {
		return nil, err
	}
	if rec := r.remembered(archive); rec != nil {
		return rec, nil
	}
	made := r.flight.DoChan(string(archive), func() (any, error) {
		if !r.enter() {
			return nil, errClosed
		}
		defer r.made.Done()
		ctx, cancel := context.WithTimeout(r.ctx, r.o.Timeout)
		defer cancel()
		if rec := r.read(ctx, archive); rec != nil {
			return rec, nil
		}
		return r.extract(ctx, repo, archive)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case result := <-made:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*Record), nil //nolint:forcetypeassert // what the function above returns
	}
}

// Peek returns the record of an archive only if there is one already, else nil.
func (r *Records) Peek(ctx context.Context, repo reference.Repository, archive digest.Digest) *Record {
	if _, err := r.o.Blobs.StatBlob(ctx, repo, archive, false); err != nil {
		return nil
	}
	if rec := r.remembered(archive); rec != nil {
		return rec
	}
	return r.read(ctx, archive)
}

// Behind makes a record when there is time for it, and calls then (which may be nil) with it. Nobody waits.
func (r *Records) Behind(repo reference.Repository, archive digest.Digest, then func(context.Context, *Record)) {
	select {
	case r.queue <- struct{}{}:
	default:
		return // whoever asks for it first waits for it
	}
	if !r.enter() {
		<-r.queue
		return
	}
	go func() {
		defer r.made.Done()
		defer func() { <-r.queue }()
		rec, err := r.Get(r.ctx, repo, archive)
		switch {
		case err == nil && then != nil:
			then(r.ctx, rec)
		case err != nil && r.ctx.Err() == nil:
			r.o.Log.LogAttrs(r.ctx, slog.LevelDebug, "a pack's archive could not be looked into", slog.String("repository", repo.String()),
				slog.String("archive", archive.String()), slog.Any("error", err))
		}
	}()
}

// Keep makes the record of an archive that was read already, while it was pushed.
func (r *Records) Keep(ctx context.Context, archive digest.Digest, c *packs.Contents) *Record {
	rec, kept := fromContents(archive, c)
	r.keep(ctx, rec, kept)
	return rec
}

// Document returns a file that is kept by itself; nil where the pack has none. Of a long one the first 4 MiB are kept.
func (r *Records) Document(ctx context.Context, repo reference.Repository, rec *Record, document string) ([]byte, error) {
	d, ok := rec.Document(document)
	if !ok {
		return nil, nil
	}
	key := name(rec.Archive, documents[document])
	if content, ok := r.memory.get(key).([]byte); ok {
		return content, nil
	}
	if r.o.Derived != nil {
		content, err := r.o.Derived.ReadDerived(ctx, key)
		if err == nil && digest.SHA256.FromBytes(content).Encoded() == d.SHA256 {
			r.memory.put(key, content, int64(len(content)))
			return content, nil
		}
	}
	file, ok := rec.FileOf(d.SHA256)
	if !ok { // it was cut
		file, ok = rec.File(document)
	}
	if !ok {
		return nil, nil
	}
	var content []byte
	err := r.Open(ctx, repo, rec, file, func(from io.Reader) (err error) {
		content, err = io.ReadAll(io.LimitReader(from, d.Size))
		return err
	})
	if err != nil {
		return nil, err
	}
	r.memory.put(key, content, int64(len(content)))
	return content, nil
}

// remembered finds a record in memory.
func (r *Records) remembered(archive digest.Digest) *Record {
	rec, _ := r.memory.get(name(archive, ".json")).(*Record)
	return rec
}

// read finds a record where it is kept. One that cannot be read is made again.
func (r *Records) read(ctx context.Context, archive digest.Digest) *Record {
	if r.o.Derived == nil {
		return nil
	}
	content, err := r.o.Derived.ReadDerived(ctx, name(archive, ".json"))
	if err != nil {
		if !errors.Is(err, storage.ErrNotDerived) {
			r.o.Log.LogAttrs(ctx, slog.LevelWarn, "a derived record cannot be read, it is made again", slog.Any("error", err))
		}
		return nil
	}
	rec, err := parse(archive, content)
	if err != nil {
		r.o.Log.LogAttrs(ctx, slog.LevelDebug, "a derived record is made again", slog.Any("error", err))
		return nil
	}
	r.memory.put(name(archive, ".json"), rec, 2*int64(len(content)))
	return rec
}

// extract reads an archive and makes its record.
func (r *Records) extract(ctx context.Context, repo reference.Repository, archive digest.Digest) (*Record, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	blob, err := r.o.Blobs.OpenBlob(ctx, repo, archive)
	if err != nil {
		return nil, err
	}
	defer blob.Close() //nolint:errcheck // read only
	content := blob.Content()
	contents, refused := packs.ReadArchive(ctx, content, r.o.Limits, nil)
	if _, err := io.Copy(io.Discard, content); err != nil { // the store tells at the end whether the bytes are the right ones
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if refused == nil {
		return r.Keep(ctx, archive, contents), nil
	}
	problem, ok := errors.AsType[packs.Problem](refused)
	if !ok {
		return nil, refused
	}
	rec := &Record{Extractor: Extractor, Archive: archive, Refused: &problem}
	r.keep(ctx, rec, nil)
	return rec, nil
}

// keep keeps a record and its documents, for good where that is possible.
func (r *Records) keep(ctx context.Context, rec *Record, kept map[string][]byte) {
	content, err := json.Marshal(rec)
	if err != nil {
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "a derived record cannot be written", slog.Any("error", err))
		return
	}
	for document, text := range kept {
		key := name(rec.Archive, documents[document])
		r.memory.put(key, text, int64(len(text)))
		r.write(ctx, key, text)
	}
	r.memory.put(name(rec.Archive, ".json"), rec, 2*int64(len(content)))
	if len(content) <= storage.MaxDerived {
		r.write(ctx, name(rec.Archive, ".json"), content)
	}
}

func (r *Records) write(ctx context.Context, key string, content []byte) {
	if r.o.Derived == nil {
		return
	}
	if err := r.o.Derived.WriteDerived(ctx, key, content); err != nil && !unwritable(err) && ctx.Err() == nil {
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "a derived record cannot be written, it is kept in memory", slog.Any("error", err))
	}
}
