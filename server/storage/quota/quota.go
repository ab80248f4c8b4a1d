// Package quota limits what the uploads in progress of one user hold: how many they are, and the
// memory and disk that they use.
//
//	err := users.Start(ctx, user, id)                  // a new upload session
//	body, err := users.Receive(ctx, user, id, memory)  // a body begins to arrive
//	body.Add(n)                                        // n bytes of it are on disk
//	body.Done()
//	users.End(user, id)                                // the session is finished or dropped
//	body, err := users.Put(ctx, user, memory)          // a blob in one request: all of the above
//
// A session counts while a body arrives and for a short time afterwards. Sessions that a crashed
// client left behind therefore never lock their user out. A request over a limit waits for a bounded
// time before it is refused, because many clients give up after a few seconds of 429.
package quota

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/storage"
)

// Defaults of Limits.
const (
	DefaultMemory = 64 << 20
	DefaultIdle   = 15 * time.Second
	DefaultWait   = 25 * time.Second // longer than DefaultIdle: abandoned sessions lapse meanwhile
)

// mostWaiting is how many requests of one user wait at once. Further ones are refused immediately,
// because each that waits holds memory of the server.
const mostWaiting = 500

// SessionMemory is what a session counts for without a body, in bytes.
const SessionMemory = 32 << 10

// diskShare is the part of the available disk that the uploads of one user may hold: three of four
// bytes.
const diskShare = 3

// Limits are the limits of each user. Zero values mean the defaults.
type Limits struct {
	Uploads int           // sessions at once; 0: no limit
	Memory  int64         // bytes of memory
	Free    func() int64  // bytes of disk that are free, or negative if unknown; nil: no limit
	Idle    time.Duration // how long a session counts without a body
	Wait    time.Duration // how long a request over a limit waits
	Now     func() time.Time
}

func (l *Limits) setDefaults() {
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.Idle <= 0 {
		l.Idle = DefaultIdle
	}
	if l.Wait <= 0 {
		l.Wait = DefaultWait
	}
	if l.Now == nil {
		l.Now = time.Now
	}
}

// Users counts the uploads of each user. It is safe for concurrent use.
type Users struct {
	limits Limits
	puts   atomic.Uint64 // numbers the blobs of Put

	mu     sync.Mutex
	by     map[string]*account
	change chan struct{} // closed and replaced when a limit may have room again
}

// account is what one user holds. It is guarded by Users.mu, except for the doors.
type account struct {
	uploads map[string]*upload
	memory  int64 // sum of upload.memory

	// Only the first in each line waits for room; the others wait for it.
	starts, bodies chan struct{}
	waiting        atomic.Int64 // in both lines
}

// upload is a session, or a blob that is pushed in one request.
type upload struct {
	bodies int       // arriving
	memory int64     // that it counts for
	seen   time.Time // start, or end of the last body
	disk   atomic.Int64
}

// New returns an empty count.
func New(l Limits) *Users {
	l.setDefaults()
	return &Users{limits: l, by: map[string]*account{}, change: make(chan struct{})}
}

// Start counts a new session. It waits while the user is at a limit, and returns
// storage.ErrTooManyUploads after the limit of waiting, or the context's error.
func (u *Users) Start(ctx context.Context, user, id string) error {
	a := u.account(user)
	return u.wait(ctx, a, a.starts, func() error {
		if err := u.mayStart(a); err != nil {
			return err
		}
		a.uploads[id] = &upload{memory: SessionMemory, seen: u.limits.Now()}
		a.memory += SessionMemory
		return nil
	})
}

// Body is a body that arrives.
type Body struct {
	users  *Users
	user   string
	id     string
	of     *upload
	memory int64
	whole  bool // the session ends with it
}

// Receive counts a body that needs memory bytes while it arrives. It waits as Start does. An upload
// without a session is counted until Done. The caller calls Done.
func (u *Users) Receive(ctx context.Context, user, id string, memory int64) (*Body, error) {
	a := u.account(user)
	b := &Body{users: u, user: user, id: id, memory: memory}
	err := u.wait(ctx, a, a.bodies, func() error {
		if a.memory > 0 && a.memory+memory > u.limits.Memory {
			u.expire(a)
		}
		if a.memory > 0 && a.memory+memory > u.limits.Memory {
			return fmt.Errorf("%w: %d bytes of memory are in use by uploads of this user", storage.ErrTooManyUploads, a.memory)
		}
		b.of = a.uploads[id]
		if b.of == nil {
			b.of = &upload{memory: SessionMemory}
			a.uploads[id] = b.of
			a.memory += SessionMemory
		}
		b.of.bodies++
		b.of.memory += memory
		a.memory += memory
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Put counts a blob that is pushed in one request: a session and its body. Done ends both.
func (u *Users) Put(ctx context.Context, user string, memory int64) (*Body, error) {
	id := strconv.FormatUint(u.puts.Add(1), 10)
	if err := u.Start(ctx, user, id); err != nil {
		return nil, err
	}
	b, err := u.Receive(ctx, user, id, memory)
	if err != nil {
		u.End(user, id)
		return nil, err
	}
	b.whole = true
	return b, nil
}

// Add counts n more bytes that the upload holds on disk; n may be negative.
func (b *Body) Add(n int64) { b.of.disk.Add(n) }

// Done ends the count of the body's memory. The session counts a little longer.
func (b *Body) Done() {
	u := b.users
	u.mu.Lock()
	defer u.mu.Unlock()
	b.of.bodies--
	b.of.seen = u.limits.Now()
	a := u.by[b.user]
	if a.uploads[b.id] == b.of {
		b.of.memory -= b.memory
		a.memory -= b.memory
		if b.whole {
			a.drop(b.id)
		}
	}
	u.changed()
}

// End removes an upload from the count.
func (u *Users) End(user, id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a := u.by[user]; a != nil {
		a.drop(id)
		u.changed()
	}
}

func (u *Users) account(user string) *account {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.by[user]
	if a == nil {
		a = &account{uploads: map[string]*upload{}, starts: make(chan struct{}, 1), bodies: make(chan struct{}, 1)}
		u.by[user] = a
	}
	return a
}

// wait calls admit, under the lock, until it returns nil or the time is over, and then returns its
// error. Callers with the same door take turns.
func (u *Users) wait(ctx context.Context, a *account, door chan struct{}, admit func() error) error {
	select {
	case door <- struct{}{}:
		defer func() { <-door }()
		if _, err := u.try(admit); err == nil {
			return nil
		}
		over := time.NewTimer(u.limits.Wait)
		defer over.Stop()
		return u.atDoor(ctx, over, admit)
	default:
	}
	defer a.waiting.Add(-1)
	if a.waiting.Add(1) > mostWaiting {
		return fmt.Errorf("%w: %d others of this user wait", storage.ErrTooManyUploads, mostWaiting)
	}
	over := time.NewTimer(u.limits.Wait)
	defer over.Stop()
	select {
	case door <- struct{}{}:
		defer func() { <-door }()
		return u.atDoor(ctx, over, admit)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-over.C:
		return fmt.Errorf("%w: others of this user wait too", storage.ErrTooManyUploads)
	}
}

// try calls admit under the lock. It also returns a channel that is closed when it is worth trying
// again.
func (u *Users) try(admit func() error) (again <-chan struct{}, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.change, admit()
}

func (u *Users) atDoor(ctx context.Context, over *time.Timer, admit func() error) error {
	for {
		change, err := u.try(admit)
		if err == nil {
			return nil
		}
		lapse := time.NewTimer(u.limits.Idle / 4) // idle sessions lapse without an event
		select {
		case <-change:
		case <-lapse.C:
		case <-over.C:
			lapse.Stop()
			return err
		case <-ctx.Done():
			lapse.Stop()
			return context.Cause(ctx)
		}
		lapse.Stop()
	}
}

// changed wakes the requests that wait. The caller holds the lock.
func (u *Users) changed() {
	close(u.change)
	u.change = make(chan struct{})
}

// mayStart returns the limit that a further session would exceed. The caller holds the lock.
func (u *Users) mayStart(a *account) error {
	err := u.exceeded(a)
	if err != nil {
		u.expire(a)
		err = u.exceeded(a)
	}
	return err
}

func (u *Users) exceeded(a *account) error {
	n := len(a.uploads)
	if n == 0 {
		return nil
	}
	if u.limits.Uploads > 0 && n >= u.limits.Uploads {
		return fmt.Errorf("%w: %d are in progress", storage.ErrTooManyUploads, n)
	}
	if a.memory+SessionMemory > u.limits.Memory {
		return fmt.Errorf("%w: %d bytes of memory are in use by uploads of this user", storage.ErrTooManyUploads, a.memory)
	}
	if u.limits.Free == nil {
		return nil
	}
	var held int64
	for _, one := range a.uploads {
		held += one.disk.Load()
	}
	if held == 0 {
		return nil
	}
	if free := u.limits.Free(); free >= 0 && held/diskShare > free {
		return fmt.Errorf("%w: %d bytes of disk are held by uploads of this user and %d are free", storage.ErrTooManyUploads, held, free)
	}
	return nil
}

// expire removes the uploads that have been idle for a while. The caller holds the lock.
func (u *Users) expire(a *account) {
	since := u.limits.Now().Add(-u.limits.Idle)
	for id, one := range a.uploads {
		if one.bodies == 0 && !one.seen.After(since) {
			a.drop(id)
		}
	}
}

// drop removes an upload. The caller holds the lock.
func (a *account) drop(id string) {
	if one := a.uploads[id]; one != nil {
		a.memory -= one.memory
		delete(a.uploads, id)
	}
}
