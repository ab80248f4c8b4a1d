// Package filesystem stores a registry in a directory, in the layout of CNCF distribution v3.1, so
// that either can serve what the other wrote (in turns, never at once).
//
//	docker/registry/v2/blobs/sha256/ab/abcd…/data                                contents, once
//	docker/registry/v2/repositories/<name>/_layers/sha256/<hex>/link             a blob of the repository
//	docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link a manifest of it
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link    what a tag points to; next to it, index/ has its history
//	packhouse/v1/…                                                               ours: uploads, stage, index, refs, trash, …
//
// # Writing
//
// Bytes go to stage and are hashed on the way. On a journaling file system, the change is then
// written to the journal, durably, its files are renamed to their places, and it is acknowledged.
// Elsewhere: contents durable, files renamed, names durable, acknowledged. If a step before the
// last fails, the change is discarded; what was renamed but is not durable is in doubt and is
// written again by the next push.
//
// # Reading
//
// Blobs are verified when they are first read after a change (detected by inode, size and change
// time), and are plain files from then on. Manifests are verified whenever they are loaded into the
// cache, which is bounded. Existence is checked on disk, never in a cache.
//
// # Locks
//
// One process owns the root. In it, locks by digest keep garbage collection and pushes of the same
// digest apart, and locks by tag serialize moves of a tag.
package filesystem

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/quota"
)

// Options configures a store. Zero values mean the defaults.
type Options struct {
	Root     string           // the directory; created if missing
	ReadOnly bool             // nothing is written; several readers may share the root
	Log      *slog.Logger     // default: discard
	Now      func() time.Time // default: time.Now

	// Uptime returns a time that is unaffected by clock steps. Default: since Open, by the
	// monotonic reading of Now.
	Uptime func() time.Duration

	Wait  time.Duration // how long to wait for an offline command that owns the root; default: do not wait
	Work  string        // name of the offline command that opens the store and yields to a server; empty: a server opens it
	Yield func()        // called once if Work is set and a server waits for the root

	Window         time.Duration // how long a touch protects; default 2 h. Touches younger than a quarter of it are not repeated
	ProbeEvery     time.Duration // interval of the probe writes of Health; default 10 s
	UploadsPerUser int           // uploads in progress per user; 0: only limited by memory and disk
	UploadWait     time.Duration // how long a request waits for other uploads of its user; default 25 s
	HeadRoom       int64         // bytes that pushes leave free; default 1 % of the file system, between 16 MiB and 1 GiB
	Barrier        string        // BarrierAuto (default) or BarrierFiles
	Journal        int64         // bytes per segment of the journal; default 4 MiB
	ManifestCache  int64         // bytes of manifests kept in memory; default 4 MiB
	TagCache       int           // tag names kept sorted in memory; default 1,000,000
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Uptime == nil {
		begin, now := o.Now(), o.Now
		o.Uptime = func() time.Duration { return now().Sub(begin) }
	}
	if o.Window <= 0 {
		o.Window = 2 * time.Hour
	}
	if o.Journal <= 0 {
		o.Journal = segmentSize
	}
	if o.ManifestCache <= 0 {
		o.ManifestCache = 4 << 20
	}
	if o.TagCache <= 0 {
		o.TagCache = 1_000_000
	}
}

// Store is a store in a directory. It implements storage.Store.
type Store struct {
	opt     Options
	disk    disk.Disk
	log     *slog.Logger
	now     func() time.Time
	barrier *barrier
	journal atomic.Pointer[journal] // nil: changes are made durable by barrier
	run     string                  // part of temporary names
	serial  atomic.Uint64

	locks    locks
	pending  pathSet // directories created but not yet durable
	doubt    pathSet // names written whose barrier failed
	verified verified
	room     room
	probe    probe

	sessions  sessions
	quota     *quota.Users
	work      *quota.Work
	manifests *manifestCache
	pointers  *pointerCache
	catalogue *catalogue
	tagLists  *tagLists
	tagIndex  *tagIndex
	referrers *referrerIndex
	needs     *dependencyIndex
	gc        gcState
	steps     clockSteps
	scrubTurn chan struct{}
	verifying atomic.Bool // a large blob is being verified in the background

	touchFailed atomic.Bool // the last touch by a read failed and was logged

	replayed  replayed
	opened    time.Time
	settled   chan struct{}         // closed after the first attempt to make the content found at startup durable
	unsettled atomic.Pointer[error] // result of that attempt

	trouble    trouble
	displacing sync.Mutex   // serializes moving misplaced files
	pins       atomic.Int64 // files kept because their blocks cannot be written

	life       sync.RWMutex // held shared by changes and exclusively by Close
	closed     bool
	ctx        context.Context // of background work; canceled by Close
	cancel     context.CancelFunc
	starting   sync.Mutex // prevents starting background work after Close
	background sync.WaitGroup
	state      runState

	derivedRecords
}

var errClosed = fmt.Errorf("%w: it is closed", storage.ErrUnavailable)

// Open opens the store in a directory. It acquires ownership (*storage.OwnedError), refuses a
// directory with other content (*storage.ForeignError), and does not walk the stored content.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Root == "" {
		return nil, errors.New("open storage: no directory is named")
	}
	d, err := disk.OpenOS(o.Root, o.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", mapped(err))
	}
	s, err := OpenDisk(ctx, d, o)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return s, nil
}

// OpenDisk opens the store on a disk. The store closes the disk in Close, but not if OpenDisk
// fails.
func OpenDisk(ctx context.Context, d disk.Disk, o Options) (*Store, error) {
	o.setDefaults()
	s := &Store{opt: o, log: o.Log, now: o.Now, barrier: &barrier{d}, settled: make(chan struct{})}
	s.derivedRecords = derivedRecords{s}
	s.tagIndex = newTagIndex(s)
	s.disk, s.opened = reporting{d, func() { s.verified.endEpoch(); s.tagIndex.distrust() }}, o.Now()
	s.trouble.log = o.Log
	s.locks.seed = maphash.MakeSeed()
	s.steps.begin(s.now(), o.Uptime())
	s.gc.turn = make(chan struct{}, 1)
	s.scrubTurn = make(chan struct{}, 1)
	s.run = newID()[:16] + "-"
	s.quota = quota.New(quota.Limits{Uploads: o.UploadsPerUser, Free: s.room.free(d), Wait: o.UploadWait, Now: s.now})
	s.work = quota.NewWork()
	s.manifests = newManifestCache(o.ManifestCache)
	s.pointers = newPointerCache()
	s.catalogue = newCatalogue(s)
	s.tagLists = newTagLists(s, o.TagCache)
	s.referrers = newReferrerIndex(s)
	s.needs = newDependencyIndex(s)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.prepare(ctx); err != nil {
		s.cancel()
		return nil, fmt.Errorf("open storage: %w", mapped(err))
	}
	s.start(s.catalogue.reconcile)
	if !o.ReadOnly {
		s.start(s.settle)
		s.start(s.sweepLeftovers)
	}
	return s, nil
}

// start runs work in the background until it returns or the store closes.
func (s *Store) start(work func(context.Context)) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.ctx.Err() == nil {
		s.background.Go(func() { work(s.ctx) })
	}
}

// enter begins a change. The caller must call leave when it is done.
func (s *Store) enter() (leave func(), err error) {
	if s.opt.ReadOnly {
		return nil, storage.ErrReadOnly
	}
	<-s.settled
	if err := *s.unsettled.Load(); err != nil {
		return nil, err
	}
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return nil, errClosed
	}
	return s.life.RUnlock, nil
}

// Close implements storage.Store.
func (s *Store) Close() error {
	s.starting.Lock()
	s.cancel()
	s.starting.Unlock()
	s.life.Lock()
	done := s.closed
	s.closed = true
	s.life.Unlock()
	if done {
		return nil
	}
	s.background.Wait()
	var errs []error
	if !s.opt.ReadOnly {
		s.shutIdle(s.now().AddDate(100, 0, 0)) // all sessions
		s.referrers.save()
		s.needs.save()
		var err error
		if j := s.journal.Swap(nil); j != nil {
			err = mapped(j.close())
			s.tagIndex.end(err == nil)
		} else {
			s.tagIndex.end(false)
		}
		errs = append(errs, err, s.stopped(err == nil && *s.unsettled.Load() == nil))
	}
	errs = append(errs, s.disk.Close())
	return errors.Join(errs...)
}

var _ storage.Store = (*Store)(nil)
