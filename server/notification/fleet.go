package notification

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"packhouse/server/storage"
)

const (
	writeEvery = time.Second      // interval at which pending events are recorded
	beatEvery  = 30 * time.Second // interval of an owner's heartbeat while it has records
	deadAfter  = 2 * time.Minute  // age of the heartbeat from which an owner counts as dead
	youngest   = 5 * time.Second  // age up to which a record without a heartbeat is left alone: List may have missed the heartbeat
	lookFirst  = 10 * time.Second // first interval between searches for records of others; it doubles up to lookEvery
	lookEvery  = time.Minute
	ownerName  = "owner."         // prefix of heartbeats
	closeGrace = 10 * time.Second // for recording pending events when the server stops
)

// fleet writes the queues of one process to records, and takes over those of processes that have ended.
//
//	<endpoint>.<owner>.<number>   events, one per line
//	owner.<owner>                 the owner's heartbeat, written before its first record and deleted after its last one
//
// An owner is one endpoint of one process. If an endpoint is removed from the configuration, its records stay, as they do
// when a process stops. Processes that still have the endpoint take them over; so does this one when the endpoint returns.
type fleet struct {
	store   storage.Shared
	records storage.Records
	log     *slog.Logger
	now     func() time.Time
	looked  time.Time     // of the last search for records of others
	pause   time.Duration // until the next search
	broken  bool          // records cannot be written, which is logged once

	mu      sync.Mutex
	members map[string]*member // by the name of the endpoint's directory
	hurried bool               // an endpoint was added: search at once
}

// member is one endpoint of a fleet.
type member struct {
	dir, id string    // of the endpoint; as an owner
	end     *endpoint // under the lock of the fleet, as leaving
	queue   *shared
	beat    time.Time // of the last heartbeat; zero: none. Only the goroutine that calls round uses it
	leaving bool      // it is removed after its pending events are recorded
}

// fleetName is the name of the folder of the records, and of the lease of the process that takes some over.
const fleetName = "notifications"

func newFleet(store storage.Shared, log *slog.Logger) *fleet {
	return &fleet{store: store, records: store.Records(fleetName), log: log, members: map[string]*member{}, now: time.Now}
}

// join adds an endpoint. One that is just leaving keeps its queue.
func (f *fleet) join(e *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir := directoryOf(e.name)
	f.hurried = true
	if m := f.members[dir]; m != nil {
		m.leaving, m.end, e.queue = false, e, m.queue
		return
	}
	id := NewID()
	q := newShared(dir+"."+id, segmentBytes*maxSegments)
	f.members[dir] = &member{dir: dir, id: id, end: e, queue: q}
	e.queue = q
}

// part marks an endpoint for removal by the next round.
func (f *fleet) part(e *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[directoryOf(e.name)]; m != nil && m.end == e {
		m.leaving = true
	}
}

// all returns the members, and whether any of them is not leaving.
func (f *fleet) all() (members []*member, stays bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		members, stays = append(members, m), stays || !m.leaving
	}
	return members, stays
}

// staying returns the member of a directory and its endpoint, or nil if it is leaving.
func (f *fleet) staying(dir string) (*member, *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[dir]; m != nil && !m.leaving {
		return m, m.end
	}
	return nil, nil
}

// run records pending events and takes over those of others until ctx is done.
func (f *fleet) run(ctx context.Context, sleep func(context.Context, time.Duration)) {
	for ctx.Err() == nil {
		if f.due() {
			if err := f.adopt(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("take over events of other servers for webhooks", "error", err)
			}
		}
		f.round(ctx, false)
		sleep(ctx, writeEvery)
	}
}

// due reports whether it is time to search for the records of others.
func (f *fleet) due() bool {
	f.mu.Lock()
	hurried := f.hurried
	f.hurried = false
	f.mu.Unlock()
	if hurried {
		f.looked, f.pause = time.Time{}, 0
	}
	if !f.looked.IsZero() && f.now().Sub(f.looked) < f.pause {
		return false
	}
	f.looked, f.pause = f.now(), min(max(lookFirst, 2*f.pause), lookEvery)
	return true
}

// close records undelivered events for the next process.
func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	f.round(ctx, true)
	members, _ := f.all()
	for _, m := range members {
		f.logLost(m)
		f.silence(ctx, m)
	}
}

// logLost logs the events that are lost with their queue because they could not be recorded.
func (f *fleet) logLost(m *member) {
	if lost := m.queue.unwritten(); lost > 0 {
		f.log.Error("dropped events for a webhook: they could not be recorded", "record", m.dir, "dropped", lost)
	}
}

// round records pending events, deletes the records of delivered ones, and writes the heartbeats of owners with records.
func (f *fleet) round(ctx context.Context, all bool) {
	members, _ := f.all()
	var err error
	for _, m := range members {
		err = f.tend(ctx, m, all, err)
	}
	if err != nil && !f.broken && ctx.Err() == nil {
		f.log.Error("events for webhooks are in memory only: they cannot be recorded", "error", err)
	}
	f.broken = err != nil
}

// tend is round for one member. With the error of another member, it writes nothing.
func (f *fleet) tend(ctx context.Context, m *member, all bool, err error) error {
	leaves := f.leaves(m)
	for err == nil {
		r, content := m.queue.pick(all || leaves)
		if r == nil {
			break
		}
		if err = f.live(ctx, m); err == nil {
			err = f.records.Put(ctx, r.name, content)
		}
		m.queue.written(r, err)
	}
	garbage, used := m.queue.turn()
	for _, name := range garbage {
		if derr := f.records.Delete(ctx, name); derr != nil {
			f.log.Debug("remove delivered events", "record", name, "error", derr)
			m.queue.waste(name)
		}
	}
	switch {
	case err != nil:
	case leaves && f.dismiss(m):
		f.logLost(m)
		f.silence(ctx, m)
	case used:
		err = f.live(ctx, m)
	case !m.beat.IsZero():
		f.silence(ctx, m)
	}
	return err
}

func (f *fleet) leaves(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return m.leaving
}

// dismiss removes a member, unless its endpoint has returned in the meantime. Its pending events are recorded by then.
func (f *fleet) dismiss(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !m.leaving {
		return false
	}
	delete(f.members, m.dir)
	return true
}

// live writes the heartbeat of a member if it is due.
func (f *fleet) live(ctx context.Context, m *member) error {
	if !m.beat.IsZero() && f.now().Sub(m.beat) < beatEvery {
		return nil
	}
	at := f.now()
	if err := f.records.Put(ctx, ownerName+m.id, []byte("lives")); err != nil {
		return fmt.Errorf("write heartbeat: %w", err)
	}
	m.beat = at
	return nil
}

// silence deletes the heartbeat of a member. If that fails, the heartbeat counts for two more minutes.
func (f *fleet) silence(ctx context.Context, m *member) {
	if m.beat.IsZero() {
		return
	}
	if err := f.records.Delete(ctx, ownerName+m.id); err != nil {
		f.log.Debug("delete heartbeat", "error", err)
		return
	}
	m.beat = time.Time{}
}

// adopt takes over the events of processes that have ended. Only one process does so at a time. It copies each record
// before it deletes the old one; if the process dies in between, the events are delivered twice.
func (f *fleet) adopt(ctx context.Context) error {
	if _, stays := f.all(); !stays {
		return nil
	}
	left, err := f.left(ctx)
	if err != nil || len(left) == 0 {
		return err
	}
	held, release, ok, err := f.store.Lease(ctx, fleetName)
	if err != nil || !ok {
		return err
	}
	defer release()
	if left, err = f.left(held); err != nil { // another process may have taken some over
		return err
	}
	for _, name := range left {
		if err := f.takeOver(held, name); err != nil {
			return fmt.Errorf("take over %s: %w", name, err)
		}
	}
	return nil
}

// takeOver takes one record over.
func (f *fleet) takeOver(ctx context.Context, name string) error {
	dir, _, _ := strings.Cut(name, ".")
	m, end := f.staying(dir)
	if m == nil {
		return nil // the endpoint was removed in the meantime
	}
	content, err := f.records.Get(ctx, name)
	if err != nil {
		f.log.Warn("read events of another server for a webhook", "record", name, "error", err)
		return nil
	}
	if len(content) > 0 {
		if err := f.live(ctx, m); err != nil {
			return err
		}
		mine := m.queue.next()
		if err := f.records.Put(ctx, mine, content); err != nil {
			return err
		}
		end.taken(m.queue.take(mine, content))
	}
	if err := f.records.Delete(ctx, name); err != nil {
		return err
	}
	f.log.Info("took over events of another server for a webhook", "endpoint", end.name, "bytes", len(content))
	return nil
}

// left returns the records of processes that have ended, in the order in which they were written, and deletes the old
// heartbeats of those processes.
func (f *fleet) left(ctx context.Context) (names []string, err error) {
	all, err := f.records.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	lives := map[string]bool{}
	members, _ := f.all()
	for _, m := range members {
		lives[m.id] = true
	}
	for _, r := range all {
		if owner, ok := strings.CutPrefix(r.Name, ownerName); ok && r.Age < deadAfter {
			lives[owner] = true
		}
	}
	for _, r := range all {
		if owner, ok := strings.CutPrefix(r.Name, ownerName); ok {
			if !lives[owner] && r.Age > 24*time.Hour {
				_ = f.records.Delete(ctx, r.Name) // the next search retries
			}
			continue
		}
		p := strings.Split(r.Name, ".")
		if len(p) != 3 || lives[p[1]] || r.Age <= youngest {
			continue
		}
		if m, _ := f.staying(p[0]); m != nil {
			names = append(names, r.Name)
		}
	}
	return names, nil
}
