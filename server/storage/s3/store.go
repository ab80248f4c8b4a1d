// Package s3 stores a registry in a bucket, in the layout of CNCF distribution v3.1, so that either
// can serve what the other wrote (in turns, never at once). Any number of processes can share one
// bucket: all state is in the bucket.
//
//	docker/registry/v2/…            as in package filesystem
//	packhouse/v1/uploads/…          upload sessions: one record each, replaced with If-Match, and the parts received
//	packhouse/v1/index/…            the repositories and their tags, flat, sorted by name
//	packhouse/v1/refs/…             referrers: one complete descriptor each
//	packhouse/v1/gc, lease/…        announcements and markers of garbage collections; leases
//
// # Writing
//
// An object appears whole or not at all, and is durable once S3 acknowledges it. What remains is
// the order: content before links, links before what makes them visible, an existing tag last. An
// upload whose digest is known goes straight to its final key; a chunked one becomes part objects,
// which S3 itself assembles at the end.
//
// # Reading
//
// Existence is checked in the bucket each time, with one HEAD of the link; only content addressed
// by digest is cached. A blob is verified when this process first reads it, and the result is
// cached by ETag; ranges of a verified blob are passed through.
//
// # Collection
//
// Garbage collection runs while other replicas accept pushes. Its safety depends on neither clocks
// nor the lease but on the order of reads and writes: see guard.go for the push side and sweep.go
// for the collector.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"packhouse/server/config"
	"packhouse/server/lru"
	"packhouse/server/storage"
	"packhouse/server/storage/quota"
)

// Options configures a store. Zero values mean the defaults.
type Options struct {
	Config   config.S3Storage
	ReadOnly bool             // nothing is written
	Log      *slog.Logger     // default: discard
	Now      func() time.Time // default: time.Now; corrected by the S3 service's clock

	Window         time.Duration // how long a touch protects; default 2 h. Touches younger than a quarter of it are not repeated
	UploadsPerUser int           // uploads in progress per user in this process; 0: only limited by memory
	UploadWait     time.Duration // how long a request waits for other uploads; default 25 s
	ManifestCache  int64         // bytes of manifests kept in memory; default 16 MiB
	// Settle is how long a collection waits between announcing itself and the first survey; default
	// 60 s. Pushes check for announcements twelve times as often, and check again if they take half
	// as long. It must be the same for every process that shares the bucket.
	Settle time.Duration
}

const (
	defaultChunk  = 10 << 20
	smallestChunk = 5 << 20 // minimum of S3 for all parts but the last
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
	if o.UploadWait <= 0 {
		o.UploadWait = quota.DefaultWait
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
	client *client // nil if the bucket does not use the SDK
	log    *slog.Logger
	id     string // of this process, in leases and announcements
	traits Traits

	budget      *budget
	recordEvery int64
	smallest    int64 // minimum size in bytes of a part that is not the last
	copyPiece   int64 // see the constant
	rangedFirst int64
	mostFacts   int64 // bytes that a survey holds in memory
	mostSwept   int   // digests that a collection deletes between two surveys
	manifests   *lru.Cache[string, cachedManifest]
	referrers   *lru.Cache[string, storage.Referrer]
	verified    *lru.Cache[string, seen]     // digest → data verified as intact
	damaged     *lru.Cache[string, found]    // digest → data verified as damaged
	ranges      *lru.Cache[string, []string] // repository → ends of the ranges of its manifests and tags
	known       *lru.Cache[string, moment]   // repository → when its index entry was written
	runs        runState
	quota       *quota.Users
	work        *quota.Work
	health      health
	locks       keyLocks
	*indexProgress
	collecting turn // serializes collections and reindexing in this process
	scrubs     turn // serializes scrubs

	verifying atomic.Bool // a large blob is being verified in the background
	life      life
	ctx       context.Context // of background work; canceled by Close
	cancel    context.CancelFunc

	without removed // empty except in tests

	derivedRecords
}

var (
	_         storage.Store = (*Store)(nil)
	errClosed               = errors.New("storage is closed")
)

// Open opens the store in a bucket. It first proves that the bucket exists, is writable and
// consistent, and supports conditional writes. If the service does not support them, Open logs that
// and disables what needs them: see Traits.
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

// newStore returns a store on any kind of bucket, without probing it.
func newStore(ctx context.Context, b bucket, o Options) *Store {
	o.setDefaults()
	s := &Store{opt: o, bucket: b, log: o.Log, id: newID(), indexProgress: newIndexProgress(), collecting: make(turn, 1), scrubs: make(turn, 1)}
	s.derivedRecords = derivedRecords{s}
	s.recordEvery, s.mostFacts, s.mostSwept = defaultRecordEvery, mostFacts, mostSwept
	s.smallest, s.copyPiece, s.rangedFirst = smallestChunk, copyPiece, rangedFirst
	s.runs.turn, s.health.turn = make(turn, 1), make(turn, 1)
	s.budget = newBudget(o.Config.UploadMemory, o.Config.ChunkSize)
	s.quota = quota.New(quota.Limits{Uploads: o.UploadsPerUser, Wait: o.UploadWait, Now: o.Now})
	s.work = quota.NewWork()
	s.manifests = newCache[cachedManifest](o.ManifestCache)
	s.referrers = newCache[storage.Referrer](o.ManifestCache / 4)
	s.verified, s.damaged = newCache[seen](mostRemembered), newCache[found](mostRemembered/16)
	s.known = newCache[moment](mostRemembered / 4)
	s.ranges = newCache[[]string](mostRanges)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// openBucket opens the store on any kind of bucket.
func openBucket(ctx context.Context, b bucket, o Options) (*Store, error) {
	s := newStore(ctx, b, o)
	fail := func(err error) (*Store, error) {
		s.cancel()
		return nil, err
	}
	silent := time.AfterFunc(longSilence, func() {
		s.log.Warn("the S3 service takes long to answer", "engine", o.Config.RegionEndpoint, "region", o.Config.Region, "bucket", o.Config.Bucket)
	})
	defer silent.Stop()
	if o.ReadOnly {
		// A read-only store cannot be probed, except for reading.
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
			s.log.Warn("this S3 service is weaker than it should be", "what", line)
		}
	}
	if err := s.openIndex(ctx); err != nil {
		return fail(err)
	}
	return s, nil
}

// Traits returns what probing the service at startup found.
func (s *Store) Traits() Traits { return s.traits }

// Requests returns how many requests were sent so far, by S3 operation, including retries.
func (s *Store) Requests() map[string]int64 {
	if s.client == nil {
		return map[string]int64{}
	}
	return s.client.transport.requests()
}

// now returns the time by the S3 service's clock, which sets the times of objects.
func (s *Store) now() time.Time { return s.opt.Now().Add(s.bucket.skew()) }

// running returns a context for maintenance that is also canceled when the store closes.
func (s *Store) running(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Space implements storage.Upkeep. The capacity of a bucket is unknown.
func (s *Store) Space(context.Context) (storage.Space, error) { return storage.Space{}, nil }

// cleanup returns a context for work that must be done even if its request was canceled.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
}

const cleanupTimeout = time.Minute

// longSilence is how long the service may take to respond at startup before a warning is logged:
// requests are retried for minutes before they fail.
const longSilence = 10 * time.Second
