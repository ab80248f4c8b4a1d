// Package filesystem keeps a store in a directory, in the layout of CNCF distribution v3.1, so that either may serve what the other wrote
// (in turns, never at once).
//
//	docker/registry/v2/blobs/sha256/ab/abcd…/data                                contents, once
//	docker/registry/v2/repositories/<name>/_layers/sha256/<hex>/link             a blob of the repository
//	docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link a manifest of it
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link    what a tag points to; beside it index/, what it ever did
//	packhouse/v1/…                                                               ours: uploads, stage, index, refs, trash, …
//
// # Writing
//
// Bytes go to stage and are hashed on the way. On a journaling file system the change is then written to the journal, durably, its names are
// given, and the answer is. Elsewhere: contents durable, names given, names durable, answer. What fails before the last step is discarded; what
// was renamed and not durable is in doubt and is written again by the next push.
//
// # Reading
//
// Blobs are checked when they are read for the first time since they changed (inode, size and change time tell), and are plain files from then
// on. Manifests are checked whenever they are loaded into memory, where a bounded number stays. Whether something exists is asked of the disk,
// never of a cache.
//
// # Locks
//
// One process owns the root. In it, locks by digest keep collection and pushes apart, locks by tag serialize moves of a tag.
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
)

// Options of a store. Zero values mean the defaults.
type Options struct {
	Root     string           // the directory; made when missing
	ReadOnly bool             // nothing is written, several readers may share the root
	Log      *slog.Logger     // default: nowhere
	Now      func() time.Time // default: time.Now

	// Uptime returns a time that no step of the clock changes. Default: since Open, by the monotonic reading of Now.
	Uptime func() time.Duration

	Wait  time.Duration // how long to wait for an offline command that owns the root; default: not at all
	Work  string        // name of the offline command that opens the store, which yields to a server; empty: a server opens it
	Yield func()        // called once if Work is set and a server waits for the root

	Window         time.Duration // how long a touch protects; default 2 h. Touches younger than a quarter of it are not repeated
	ProbeEvery     time.Duration // how often Health has a trial write made; default 10 s
	UploadsPerUser int           // sessions open at once; default 32
	HeadRoom       int64         // bytes that pushes leave free; default 1 % of the file system, from 16 MiB to 1 GiB
	Barrier        string        // BarrierAuto (default) or BarrierFiles
	Journal        int64         // bytes of one of its two segments; default 4 MiB
	ManifestCache  int64         // bytes of manifests kept in memory; default 4 MiB
	TagCache       int           // names of tags kept sorted in memory; default 1,000,000
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
	if o.UploadsPerUser <= 0 {
		o.UploadsPerUser = 32
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
	pending  pathSet // directories made and not yet durable
	doubt    pathSet // names given whose barrier failed
	verified verified
	room     room
	probe    probe

	sessions  sessions
	manifests *manifestCache
	pointers  *pointerCache
	catalogue *catalogue
	tagLists  *tagLists
	referrers *referrerIndex
	gc        gcState
	steps     clockSteps
	scrubTurn chan struct{}
	verifying atomic.Bool // a large blob is being checked in the background

	touchFailed atomic.Bool // the last touch by a read failed, and it was logged

	replayed  replayed
	opened    time.Time
	settled   chan struct{}         // closed after the first attempt to make durable what was there at the start
	unsettled atomic.Pointer[error] // why that failed, or nil in it

	trouble    trouble
	displacing sync.Mutex   // what has the wrong type is moved by one goroutine at a time
	pins       atomic.Int64 // files kept because their blocks cannot be written

	life       sync.RWMutex // held shared by changes; Close takes it
	closed     bool
	ctx        context.Context // ends with Close: background work
	cancel     context.CancelFunc
	starting   sync.Mutex // nothing is started after Close
	background sync.WaitGroup
	state      runState
}

var errClosed = fmt.Errorf("%w: it is closed", storage.ErrUnavailable)

// Open opens the store in a directory. It takes ownership (*storage.OwnedError), refuses a directory that holds something else
// (*storage.ForeignError), and does not walk what is stored.
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

// OpenDisk opens the store on a disk, which it closes when it is closed itself, but not when opening fails.
func OpenDisk(ctx context.Context, d disk.Disk, o Options) (*Store, error) {
	o.setDefaults()
	s := &Store{opt: o, log: o.Log, now: o.Now, barrier: &barrier{d}, settled: make(chan struct{})}
	s.disk, s.opened = reporting{d, s.verified.endEpoch}, o.Now()
	s.trouble.log = o.Log
	s.locks.seed = maphash.MakeSeed()
	s.steps.begin(s.now(), o.Uptime())
	s.gc.turn = make(chan struct{}, 1)
	s.scrubTurn = make(chan struct{}, 1)
	s.run = newID()[:16] + "-"
	s.manifests = newManifestCache(o.ManifestCache)
	s.pointers = newPointerCache()
	s.catalogue = newCatalogue(s)
	s.tagLists = newTagLists(s, o.TagCache)
	s.referrers = newReferrerIndex(s)
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

// start runs work beside everything else until it is done or the store closes.
func (s *Store) start(work func(context.Context)) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.ctx.Err() == nil {
		s.background.Go(func() { work(s.ctx) })
	}
}

// enter begins a change; leave ends it.
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
		s.shutIdle(s.now().AddDate(100, 0, 0)) // all of them
		s.referrers.save()
		var err error
		if j := s.journal.Swap(nil); j != nil {
			err = mapped(j.close())
		}
		errs = append(errs, err, s.stopped(err == nil && *s.unsettled.Load() == nil))
	}
	errs = append(errs, s.disk.Close())
	return errors.Join(errs...)
}

var _ storage.Store = (*Store)(nil)
