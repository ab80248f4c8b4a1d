package record

import (
	"bytes"
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

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// Options configures Records. Only Blobs is required.
type Options struct {
	Blobs   storage.Blobs
	Derived storage.Derived  // stores records; nil: they are in memory
	Log     *slog.Logger     // nil: no log
	Now     func() time.Time // nil: time.Now
	Limits  packs.Limits     // of archives; zero: 2 GiB, 20,000 files
	Memory  int64            // size of the cache in bytes; 0: 4 MiB
	Timeout time.Duration    // for making one record; 0: 10 minutes
	AtOnce  int              // archives read at once; 0: 2
	Waiting int              // waiting background jobs; 0: 1000; other records are created on request
}

// Records creates and stores records. It is safe for concurrent use.
type Records struct {
	o      Options
	memory memory
	flight singleflight.Group

	slots   turns // for reading stored archives
	heavy   turns // for having heavy records in memory
	reading turns // for having large archives in memory during a push
	behind  background

	ctx    context.Context //nolint:containedctx // ends with Close: making a record outlives the request
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
		o.Memory = 4 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 2
	}
	if o.Waiting <= 0 {
		o.Waiting = 1000
	}
	r := &Records{
		o: o, memory: newMemory(o.Memory),
		slots: make(turns, o.AtOnce), heavy: make(turns, heavyAtOnce), reading: make(turns, readAtOnce),
		behind: background{most: o.Waiting, names: map[string]bool{}},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close cancels running work and waits for it. The store may be closed afterwards.
func (r *Records) Close() {
	r.mu.Lock()
	r.closed = true
	r.cancel()
	r.mu.Unlock()
	r.made.Wait()
}

var errClosed = errors.New("records are closed")

// enter registers work that Close waits for. It returns false after Close.
func (r *Records) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.made.Add(1)
	return true
}

// Get returns the record of an archive that a repository links to, creating it if necessary. It
// returns storage.ErrBlobUnknown if the repository does not have the archive. For an archive that
// cannot be read, it returns a record with Refused. The context must have a Lease, which the caller
// ends when it no longer uses the record.
func (r *Records) Get(ctx context.Context, repo reference.Repository, archive digest.Digest) (*Record, error) {
	if _, err := r.o.Blobs.StatBlob(ctx, repo, archive, false); err != nil {
		return nil, err
	}
	rec, end, err := r.find(ctx, archive)
	end()
	if rec != nil || err != nil {
		return rec, err
	}
	end, err = r.Heavy(ctx) // its size is not known yet
	if err != nil {
		return nil, err
	}
	defer end()
	made := r.flight.DoChan(string(archive), func() (any, error) {
		if !r.enter() {
			return nil, errClosed
		}
		defer r.made.Done()
		ctx, cancel := context.WithTimeout(r.ctx, r.o.Timeout)
		defer cancel()
		if rec, _ := r.load(ctx, archive, storage.MaxDerived); rec != nil {
			return rec, nil // it was created meanwhile
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

// Keep stores the record of an archive that was read during its push.
func (r *Records) Keep(ctx context.Context, archive digest.Digest, c *packs.Contents) *Record {
	rec, kept := fromContents(archive, c)
	r.keep(ctx, rec, kept)
	return rec
}

// maxDocument is the maximum size of a document in bytes.
const maxDocument = 1 << 20

// Document returns a stored file, or nil if the pack does not have it. Of a long file, only the
// first bytes are stored.
func (r *Records) Document(ctx context.Context, repo reference.Repository, rec *Record, document string) ([]byte, error) {
	d, ok := rec.Document(document)
	if !ok || d.Size > maxDocument {
		return nil, nil
	}
	key := name(rec.Archive, documents[document])
	if content, ok := r.memory.get(key).([]byte); ok {
		return content, nil
	}
	if r.o.Derived != nil {
		content, err := r.o.Derived.ReadDerived(ctx, key, maxDocument)
		if err == nil && digest.SHA256.FromBytes(content).Encoded() == d.SHA256 {
			r.memory.put(key, content, int64(len(content)))
			return content, nil
		}
	}
	file, ok := rec.FileOf(d.SHA256)
	if !ok { // only its first bytes are stored
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

// remembered returns a record in memory, or nil.
func (r *Records) remembered(archive digest.Digest) *Record {
	rec, _ := r.memory.get(name(archive, ".json")).(*Record)
	return rec
}

// find returns an existing record, or nil. The caller calls end, as for Heavy.
func (r *Records) find(ctx context.Context, archive digest.Digest) (rec *Record, end func(), err error) {
	end = func() {}
	if rec = r.remembered(archive); rec == nil {
		rec, end = r.read(ctx, archive)
		return rec, end, nil
	}
	if rec.size >= heavyFrom {
		end, err = r.Heavy(ctx)
	}
	return rec, end, err
}

// read returns a stored record, or nil if there is none that can be read. The caller calls the
// returned function.
func (r *Records) read(ctx context.Context, archive digest.Digest) (*Record, func()) {
	rec, tooBig := r.load(ctx, archive, heavyFrom)
	if !tooBig {
		return rec, func() {}
	}
	end, err := r.Heavy(ctx)
	if err != nil {
		return nil, func() {}
	}
	rec, _ = r.load(ctx, archive, storage.MaxDerived)
	return rec, end
}

// load reads a stored record of at most most bytes. tooBig reports that the stored record is
// larger.
func (r *Records) load(ctx context.Context, archive digest.Digest, most int64) (rec *Record, tooBig bool) {
	if rec = r.remembered(archive); rec != nil || r.o.Derived == nil {
		return rec, false
	}
	content, err := r.o.Derived.ReadDerived(ctx, name(archive, ".json"), most)
	if err != nil {
		if tooBig = isTooBig(err); !tooBig && !errors.Is(err, storage.ErrNotDerived) {
			r.o.Log.LogAttrs(ctx, slog.LevelWarn, "read record of pack; making it again", slog.Any("error", err))
		}
		return nil, tooBig
	}
	if rec, err = parse(archive, content); err != nil {
		r.o.Log.LogAttrs(ctx, slog.LevelDebug, "parse record of pack; making it again", slog.Any("error", err))
		return nil, false
	}
	r.memory.put(name(archive, ".json"), rec, 2*rec.size)
	return rec, false
}

// extract reads an archive and creates its record.
func (r *Records) extract(ctx context.Context, repo reference.Repository, archive digest.Digest) (*Record, error) {
	end, err := r.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	blob, err := r.o.Blobs.OpenBlob(ctx, repo, archive)
	if err != nil {
		return nil, err
	}
	defer blob.Close() //nolint:errcheck // read only
	content := blob.Content()
	contents, refused := packs.ReadArchive(ctx, content, r.o.Limits, nil)
	if _, err := io.Copy(io.Discard, content); err != nil { // the store verifies the content at its end
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if refused == nil {
		return r.Keep(ctx, archive, contents), nil
	}
	invalid, ok := errors.AsType[*packs.Invalid](refused)
	if !ok {
		return nil, refused
	}
	rec := &Record{Extractor: Extractor, Archive: archive, Refused: new(packs.JSON(invalid.Finding))}
	r.keep(ctx, rec, nil)
	return rec, nil
}

// keep stores a record and its documents, or keeps them in memory if the store cannot be written.
func (r *Records) keep(ctx context.Context, rec *Record, kept map[string][]byte) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // an escape has six bytes
	if err := encoder.Encode(rec); err != nil {
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "encode record of pack", slog.Any("error", err))
		return
	}
	if content.Len() > storage.MaxDerived && rec.Refused == nil {
		*rec = Record{Extractor: Extractor, Archive: rec.Archive, Refused: new(packs.JSON(packs.About(
			finding.Refused, packs.CodeTooLarge, "", "the record of its files has more than 8 MiB",
			"put only charts and manifests into a pack",
		)))}
		r.keep(ctx, rec, nil)
		return
	}
	rec.size = int64(content.Len())
	for document, text := range kept {
		key := name(rec.Archive, documents[document])
		if !r.write(ctx, key, text) { // otherwise it is read on demand
			r.memory.put(key, text, int64(len(text)))
		}
	}
	r.memory.put(name(rec.Archive, ".json"), rec, 2*rec.size)
	r.write(ctx, name(rec.Archive, ".json"), content.Bytes())
}

// write writes a derived object to the store, and reports whether it succeeded.
func (r *Records) write(ctx context.Context, key string, content []byte) bool {
	if r.o.Derived == nil {
		return false
	}
	err := r.o.Derived.WriteDerived(ctx, key, content)
	if err != nil && !unwritable(err) && ctx.Err() == nil {
		r.o.Log.LogAttrs(ctx, slog.LevelWarn, "write record of pack; keeping it in memory", slog.Any("error", err))
	}
	return err == nil
}
