// Package s3 keeps a store in a bucket, in the layout of CNCF distribution v3.1, so that either may serve what the other wrote (in turns,
// never at once). Any number of processes share one bucket: all state is in it, none in a process.
//
//	docker/registry/v2/…            as in package filesystem
//	packhouse/v1/uploads/…          sessions: one record each, replaced with If-Match, and the parts that arrived
//	packhouse/v1/index/…            the repositories and their tags, flat, in the order of the names
//	packhouse/v1/refs/…             referrers: one ready descriptor each
//	packhouse/v1/gc, lease/…        announcements and markers of collections; who does what only one may do
//
// # Writing
//
// An object appears whole or not at all, and is durable when S3 says so. What remains is the order: contents before links, links before what is
// found by them, an existing tag last. An upload whose digest is known goes straight to its final key; one in chunks becomes part objects,
// which S3 itself puts together at the end.
//
// # Reading
//
// Existence is asked of the bucket each time, one HEAD of the link; only bytes that a digest names are cached. A blob is hashed when this
// process reads it for the first time, keyed by its ETag; ranges of a verified one are passed through.
//
// # Collection
//
// Runs beside pushes on other replicas and rests on neither clocks nor the lease but on the order of reads and writes: see guard.go for the
// side of a push and sweep.go for the other.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// Options of a store. Zero values mean the defaults.
type Options struct {
	Config   config.S3Storage
	ReadOnly bool             // nothing is written
	Log      *slog.Logger     // default: nowhere
	Now      func() time.Time // default: time.Now; put right by what the engine's clock says

	Window         time.Duration // how long a touch protects; default 2 h. Touches younger than a quarter of it are not repeated
	UploadsPerUser int           // sessions open at once; default 32
	ManifestCache  int64         // bytes of manifests kept in memory; default 16 MiB
	// Settle is how long a collection waits between announcing itself and looking; default 60 s. Pushes look for announcements twelve times
	// as often, and look again when one takes half as long. It must be the same for every process that shares the bucket.
	Settle time.Duration
}

const (
	defaultChunk  = 10 << 20
	smallestChunk = 5 << 20 // S3 takes no smaller parts but the last
	defaultMemory = 64 << 20
)

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Window <= 0 {
		o.Window = 2 * time.Hour
	}
	if o.UploadsPerUser <= 0 {
		o.UploadsPerUser = 32
	}
	if o.ManifestCache <= 0 {
		o.ManifestCache = 16 << 20
	}
	if o.Settle <= 0 {
		o.Settle = time.Minute
	}
	if o.Config.ChunkSize <= 0 {
		o.Config.ChunkSize = defaultChunk
	}
	o.Config.ChunkSize = max(o.Config.ChunkSize, smallestChunk)
	if o.Config.UploadMemory <= 0 {
		o.Config.UploadMemory = defaultMemory
	}
}

// Store is a store in a bucket. It implements storage.Store.
type Store struct {
	opt    Options
	bucket bucket
	client *client // nil where the bucket is not behind the SDK
	log    *slog.Logger
	id     string // of this process, in leases and announcements
	traits Traits

	budget      *budget
	recordEvery int64
	smallest    int64 // bytes of a part that is not the last
	rangedFirst int64
	mostFacts   int64 // bytes that a survey holds in memory
	mostSwept   int   // digests that a collection deletes between two surveys
	manifests   *cache[cachedManifest]
	referrers   *cache[storage.Referrer]
	verified    *cache[seen]   // digest → the data that was found good
	damaged     *cache[found]  // digest → the data that was found bad
	known       *cache[moment] // repository → when its entry of the index was written
	runs        runState
	sessions    userCount
	health      health
	locks       keyLocks
	unindexed   bool          // the bucket has no index and may not get one
	indexed     chan struct{} // closed when the index of repositories is known to have been complete once
	collecting  turn          // one collection or reindexing at a time in this process
	scrubs      turn          // one scrub

	verifying atomic.Bool // a large blob is being checked in the background
	life      life
	ctx       context.Context // ends with Close: background work
	cancel    context.CancelFunc

	without removed // nothing, outside of tests
}

var (
	_         storage.Store = (*Store)(nil)
	errClosed               = errors.New("storage is closed")
)

// Open opens the store in a bucket, after proving what it rests on: that the bucket is there, may be written, shows at once what was written,
// and holds conditions of writes. Where conditions do not hold it says so in the log and goes on without what needs them: see Traits.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.setDefaults()
	if o.Config.Bucket == "" {
		return nil, errors.New("open storage: no bucket is named")
	}
	c, err := newClient(ctx, o.Config)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	s, err := openBucket(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	s.client = c
	return s, nil
}

// newStore makes a store in a bucket of any kind, of which nothing is known yet.
func newStore(ctx context.Context, b bucket, o Options) *Store {
	o.setDefaults()
	s := &Store{opt: o, bucket: b, log: o.Log, id: newID(), indexed: make(chan struct{}), collecting: make(turn, 1), scrubs: make(turn, 1)}
	s.recordEvery, s.mostFacts, s.mostSwept = defaultRecordEvery, mostFacts, mostSwept
	s.smallest, s.rangedFirst = smallestChunk, rangedFirst
	s.runs.turn, s.health.turn = make(turn, 1), make(turn, 1)
	s.budget = newBudget(o.Config.UploadMemory, o.Config.ChunkSize)
	s.manifests = newCache[cachedManifest](o.ManifestCache)
	s.referrers = newCache[storage.Referrer](o.ManifestCache / 4)
	s.verified, s.damaged = newCache[seen](mostRemembered), newCache[found](mostRemembered/16)
	s.known = newCache[moment](mostRemembered / 4)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// openBucket opens the store in a bucket of any kind.
func openBucket(ctx context.Context, b bucket, o Options) (*Store, error) {
	s := newStore(ctx, b, o)
	fail := func(err error) (*Store, error) {
		s.cancel()
		return nil, err
	}
	silent := time.AfterFunc(longSilence, func() {
		s.log.Warn("the S3 engine takes long to answer", "engine", o.Config.RegionEndpoint, "region", o.Config.Region, "bucket", o.Config.Bucket)
	})
	defer silent.Stop()
	if o.ReadOnly {
		// Nothing can be tried out; reading is tried.
		if _, err := b.list(ctx, ours, "", 1, false); err != nil {
			return fail(err)
		}
	} else {
		traits, err := prove(ctx, b)
		if err != nil {
			return fail(err)
		}
		s.traits = traits
		s.health.good(s.opt.Now())
		for _, line := range traits.Weaknesses() {
			s.log.Warn("this S3 engine is weaker than it should be", "what", line)
		}
	}
	if err := s.openIndex(ctx); err != nil {
		return fail(err)
	}
	return s, nil
}

// Traits returns what was found out about the engine at the start.
func (s *Store) Traits() Traits { return s.traits }

// Requests returns how many requests were sent to the engine so far, by S3 operation, attempts that were repeated included.
func (s *Store) Requests() map[string]int64 {
	if s.client == nil {
		return map[string]int64{}
	}
	return s.client.transport.requests()
}

// now is the time by the engine's clock, which stamps the objects.
func (s *Store) now() time.Time { return s.opt.Now().Add(s.bucket.skew()) }

// running is the context of upkeep, which also ends when the store closes.
func (s *Store) running(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Space implements storage.Upkeep. Nobody knows how large a bucket may grow.
func (s *Store) Space(context.Context) (storage.Space, error) { return storage.Space{}, nil }

// cleanup is the context of work that has to be done though its request has ended.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
}

const cleanupTimeout = time.Minute

// longSilence is how long an engine may take at the start before the log says so: requests are repeated for minutes before they fail.
const longSilence = 10 * time.Second
