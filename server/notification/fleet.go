package notification

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
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
//	<endpoint>.<process>.<number>   events, one a line
//	owner.<process>                 the process lives; it comes before the first record and goes when none is left, or with the process
type fleet struct {
	records Records
	id      string
	log     *slog.Logger
	queues  map[string]*shared   // by the name of the endpoint's directory
	ends    map[string]*endpoint // likewise
	beat    time.Time            // when the process last said that it lives; zero: it did not
	looked  time.Time
	pause   time.Duration // until the next look
	broken  bool          // records cannot be written; told once
	now     func() time.Time
}

func newFleet(records Records, log *slog.Logger) *fleet {
	return &fleet{
		records: records, id: NewID(), log: log, queues: map[string]*shared{}, ends: map[string]*endpoint{}, now: time.Now,
	}
}

// queue makes the queue of an endpoint.
func (f *fleet) queue(e *endpoint) queue {
	dir := directoryOf(e.config.Name)
	q := newShared(dir+"."+f.id, segmentBytes*maxSegments)
	f.queues[dir], f.ends[dir] = q, e
	return q
}

// run writes down what waits, until ctx is done.
func (f *fleet) run(ctx context.Context, sleep func(context.Context, time.Duration)) {
	for ctx.Err() == nil {
		if f.looked.IsZero() || f.now().Sub(f.looked) >= f.pause {
			f.looked, f.pause = f.now(), min(max(lookFirst, 2*f.pause), lookEvery)
			if err := f.adopt(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("look for events that other servers left for webhooks", "error", err)
			}
		}
		f.round(ctx, false)
		sleep(ctx, writeEvery)
	}
}

// close writes down what is not delivered, and leaves it to whoever comes next.
func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	f.round(ctx, true)
	if !f.beat.IsZero() {
		if err := f.records.Delete(ctx, ownerName+f.id); err != nil {
			f.log.Debug("leave the queues of webhooks to others", "error", err)
		}
	}
}

// round writes what has waited, removes what is delivered, and says that this process lives as long as it has records.
func (f *fleet) round(ctx context.Context, all bool) {
	used, err := false, error(nil)
	for _, q := range f.queues {
		for err == nil {
			r, content := q.pick(all)
			if r == nil {
				break
			}
			if err = f.live(ctx); err == nil {
				err = f.records.Put(ctx, r.name, content)
			}
			q.written(r, err)
		}
		garbage, inUse := q.turn()
		used = used || inUse
		for _, name := range garbage {
			if derr := f.records.Delete(ctx, name); derr != nil {
				f.log.Debug("remove delivered events", "record", name, "error", derr)
				q.waste(name)
			}
		}
	}
	switch {
	case used && err == nil:
		err = f.live(ctx)
	case !used && !f.beat.IsZero() && f.records.Delete(ctx, ownerName+f.id) == nil:
		f.beat = time.Time{}
	}
	if err != nil && !f.broken && ctx.Err() == nil {
		f.log.Error("events for webhooks wait in memory only: they cannot be written down", "error", err)
	}
	f.broken = err != nil
}

// live says that this process lives, where it has not just done so.
func (f *fleet) live(ctx context.Context) error {
	if !f.beat.IsZero() && f.now().Sub(f.beat) < beatEvery {
		return nil
	}
	at := f.now()
	if err := f.records.Put(ctx, ownerName+f.id, []byte("lives")); err != nil {
		return fmt.Errorf("say that this server lives: %w", err)
	}
	f.beat = at
	return nil
}

// adopt takes over the events of processes that are no more. One process does at a time. Each record is written anew under a name of this
// process before the old one goes: a process that dies in between makes its events come twice.
func (f *fleet) adopt(ctx context.Context) error {
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
		dir, _, _ := strings.Cut(name, ".")
		q := f.queues[dir]
		content, err := f.records.Get(held, name)
		if err != nil {
			f.log.Warn("read events that another server left for a webhook", "record", name, "error", err)
			continue
		}
		if len(content) > 0 {
			if err := f.live(held); err != nil {
				return err
			}
			mine := q.next()
			if err := f.records.Put(held, mine, content); err != nil {
				return fmt.Errorf("take over %s: %w", name, err)
			}
			f.ends[dir].taken(q.take(mine, content))
		}
		if err := f.records.Delete(held, name); err != nil {
			return fmt.Errorf("take over %s: %w", name, err)
		}
		f.log.Info("took over events that another server left for a webhook", "endpoint", f.ends[dir].config.Name, "bytes", len(content))
	}
	return nil
}

// left lists the records of processes that are no more, in the order in which they were written, and removes the last word of those processes.
func (f *fleet) left(ctx context.Context) (names []string, err error) {
	all, err := f.records.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	lives := map[string]bool{f.id: true}
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
		if len(p) == 3 && f.queues[p[0]] != nil && !lives[p[1]] && r.Age > youngest {
			names = append(names, r.Name)
		}
	}
	return names, nil
}
