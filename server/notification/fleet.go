package notification

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	writeEvery = time.Second      // how long an event may wait before it is written down
	beatEvery  = 30 * time.Second // how often a process that has records says that it lives
	deadAfter  = 2 * time.Minute  // without which it is taken for dead
	youngest   = 5 * time.Second  // a record whose process is not listed may be of one whose word came while that was listed
	lookFirst  = 10 * time.Second // when the records of others are looked at again after the start; the pauses double,
	lookEvery  = time.Minute      // up to this
	ownerName  = "owner."         // what the records begin with that say who lives; those of a queue have its name there
	closeGrace = 10 * time.Second // for writing down what waits when the server stops
)

// fleet keeps the queues of one process in records, and takes over those of processes that are no more.
//
//	<endpoint>.<owner>.<number>   events, one a line
//	owner.<owner>                 the owner lives; it comes before the first record and goes when none is left, or with the owner
//
// An owner is one endpoint of one process. One that leaves the configuration leaves its records behind as a process that stops does: others
// that still have the endpoint take them over, and so does this one when it comes back.
type fleet struct {
	records Records
	log     *slog.Logger
	now     func() time.Time
	looked  time.Time
	pause   time.Duration // until the next look
	broken  bool          // records cannot be written; told once

	mu      sync.Mutex
	members map[string]*member // by the name of the endpoint's directory
	hurried bool               // somebody has come: the next look is due
}

// member is one endpoint of a fleet.
type member struct {
	dir, id string    // of the endpoint; as an owner
	end     *endpoint // under the lock of the fleet, as leaving
	queue   *shared
	beat    time.Time // when it last said that it lives; zero: it did not. Of whoever goes round
	leaving bool      // what waits is written down, and then it is gone
}

func newFleet(records Records, log *slog.Logger) *fleet {
	return &fleet{records: records, log: log, members: map[string]*member{}, now: time.Now}
}

// join takes an endpoint in, with what waits for it where it has not quite left yet.
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

// part has an endpoint leave, which the next round does.
func (f *fleet) part(e *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[directoryOf(e.name)]; m != nil && m.end == e {
		m.leaving = true
	}
}

// all returns the members, and whether any of them stays.
func (f *fleet) all() (members []*member, stays bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		members, stays = append(members, m), stays || !m.leaving
	}
	return members, stays
}

// staying returns the member of a directory and its endpoint, unless it leaves.
func (f *fleet) staying(dir string) (*member, *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[dir]; m != nil && !m.leaving {
		return m, m.end
	}
	return nil, nil
}

// run writes down what waits, until ctx is done.
func (f *fleet) run(ctx context.Context, sleep func(context.Context, time.Duration)) {
	for ctx.Err() == nil {
		if f.due() {
			if err := f.adopt(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("look for events that other servers left for webhooks", "error", err)
			}
		}
		f.round(ctx, false)
		sleep(ctx, writeEvery)
	}
}

// due tells whether it is time to look for the records of others.
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

// close writes down what is not delivered, and leaves it to whoever comes next.
func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	f.round(ctx, true)
	members, _ := f.all()
	for _, m := range members {
		f.sayLost(m)
		f.silence(ctx, m)
	}
}

// sayLost tells of events that go with their queue: they could not be written down.
func (f *fleet) sayLost(m *member) {
	if lost := m.queue.unwritten(); lost > 0 {
		f.log.Error("events for a webhook are lost: they are not in records", "record", m.dir, "dropped", lost)
	}
}

// round writes what has waited, removes what is delivered, and says that the owners live as long as they have records.
func (f *fleet) round(ctx context.Context, all bool) {
	members, _ := f.all()
	var err error
	for _, m := range members {
		err = f.tend(ctx, m, all, err)
	}
	if err != nil && !f.broken && ctx.Err() == nil {
		f.log.Error("events for webhooks wait in memory only: they cannot be written down", "error", err)
	}
	f.broken = err != nil
}

// tend goes round one member. Where records could not be written a moment ago it does not try.
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
		f.sayLost(m)
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

// dismiss ends the membership of one that leaves, unless it has come back meanwhile. What it has is written down by then.
func (f *fleet) dismiss(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !m.leaving {
		return false
	}
	delete(f.members, m.dir)
	return true
}

// live says that a member lives, where it has not just done so.
func (f *fleet) live(ctx context.Context, m *member) error {
	if !m.beat.IsZero() && f.now().Sub(m.beat) < beatEvery {
		return nil
	}
	at := f.now()
	if err := f.records.Put(ctx, ownerName+m.id, []byte("lives")); err != nil {
		return fmt.Errorf("say that this server lives: %w", err)
	}
	m.beat = at
	return nil
}

// silence takes the word back that a member lives. Where that fails it counts for another two minutes.
func (f *fleet) silence(ctx context.Context, m *member) {
	if m.beat.IsZero() {
		return
	}
	if err := f.records.Delete(ctx, ownerName+m.id); err != nil {
		f.log.Debug("leave the queue of a webhook to others", "error", err)
		return
	}
	m.beat = time.Time{}
}

// adopt takes over the events of processes that are no more. One process does at a time. Each record is written anew under a name of this
// process before the old one goes: a process that dies in between makes its events come twice.
func (f *fleet) adopt(ctx context.Context) error {
	if _, stays := f.all(); !stays {
		return nil
	}
	left, err := f.left(ctx)
	if err != nil || len(left) == 0 {
		return err
	}
	held, release, ok, err := f.records.Alone(ctx, "notifications")
	if err != nil || !ok {
		return err
	}
	defer release()
	if left, err = f.left(held); err != nil { // somebody may have been quicker
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
		return nil // it has left in the meantime
	}
	content, err := f.records.Get(ctx, name)
	if err != nil {
		f.log.Warn("read events that another server left for a webhook", "record", name, "error", err)
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
	f.log.Info("took over events that were left for a webhook", "endpoint", end.name, "bytes", len(content))
	return nil
}

// left lists the records of processes that are no more, in the order in which they were written, and removes the last word of those processes.
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
				_ = f.records.Delete(ctx, r.Name) // it is tried again
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
