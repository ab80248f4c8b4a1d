package notification

import (
	"fmt"
	"path"

	"packhouse/server/config"
)

// Change is another configuration that can be taken up: Commit does, Abandon does not. One of them is called, and no other change is
// prepared before.
//
// An endpoint is known by its name. One that stays keeps the events that wait for it and their order, and the request that is under way
// comes to its end as it was begun; what is new of it counts from the next attempt on. One that goes, or is disabled, gets nothing more
// once that request has ended. What waits for it stays on disk, or in the records, and is delivered when an endpoint of this name comes
// back; where queues are in memory it is lost.
type Change struct {
	notifier *Notifier
	next     []*endpoint // in the order of the configuration
	settings []config.Endpoint
	added    map[*endpoint]bool
}

// Prepare opens what another configuration needs. Nothing has changed until Commit. An error where a queue cannot be opened.
func (n *Notifier) Prepare(c config.Notifications) (*Change, error) {
	change := &Change{notifier: n, added: map[*endpoint]bool{}}
	for _, s := range c.Endpoints {
		if s.Disabled {
			continue
		}
		e := n.find(s.Name)
		if e == nil {
			q, err := n.openQueue(s.Name)
			if err != nil {
				change.Abandon()
				return nil, fmt.Errorf("endpoint %q: %w", s.Name, err)
			}
			e = &endpoint{
				name: s.Name, queue: q, config: &s, client: n.options.Client(), log: n.log, sleep: n.options.Sleep, grace: n.options.grace,
				wake: make(chan struct{}, 1), stat: Stat{Endpoint: s.Name},
			}
			change.added[e] = true
		}
		change.next, change.settings = append(change.next, e), append(change.settings, s)
	}
	return change, nil
}

// find returns the endpoint of a name that is in use.
func (n *Notifier) find(name string) *endpoint {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, e := range n.endpoints {
		if e.name == name {
			return e
		}
	}
	return nil
}

// openQueue opens the queue of an endpoint. That of one which has just left is closed before; its last request is not waited for for long.
func (n *Notifier) openQueue(name string) (queue, error) {
	n.mu.RLock()
	before := n.leaving[name]
	n.mu.RUnlock()
	if before != nil {
		before.hurry()
		<-before.ended
	}
	switch {
	case n.fleet != nil:
		return nil, nil //nolint:nilnil // the fleet has it, and gives it out when the change is taken up
	case n.options.Dir == "":
		return newMemory(segmentBytes * maxSegments), nil
	}
	return openJournal(queueDir{n.root, path.Join(n.options.Below, directoryOf(name))}, segmentBytes, maxSegments)
}

// Abandon lets go what was opened.
func (c *Change) Abandon() {
	for e := range c.added {
		if j, ok := e.queue.(*journal); ok {
			j.abandon()
		}
	}
}

// Commit takes the configuration up. It does not fail, and waits for nobody.
func (c *Change) Commit() {
	n := c.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		c.Abandon()
		return
	}
	stays := map[*endpoint]bool{}
	for i, e := range c.next {
		stays[e] = true
		if c.added[e] {
			n.join(e)
		} else if e.change(c.settings[i]) {
			n.log.Info("a webhook is called as configured now", "endpoint", e.name, "pending", e.queue.len())
		}
	}
	was := n.endpoints
	n.endpoints = c.next
	for _, e := range was {
		if !stays[e] {
			n.part(e)
		}
	}
}

// join takes an endpoint in. The caller holds the lock.
func (n *Notifier) join(e *endpoint) {
	if n.fleet != nil {
		n.fleet.join(e)
	}
	if waiting := e.queue.len(); waiting > 0 {
		n.log.Info("events of before wait for a webhook", "endpoint", e.name, "pending", waiting)
	}
	n.begin(e)
}

// part has an endpoint leave once its last request has ended. The caller holds the lock.
func (n *Notifier) part(e *endpoint) {
	if e.ended == nil || e.idle { // nothing is under way
		n.release(e)
		return
	}
	n.leaving[e.name] = e
	e.retire()
}

// left notes that nothing is delivered to an endpoint any more: it has left, or the server stops.
func (n *Notifier) left(e *endpoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.idle = true
	if n.leaving[e.name] == e {
		delete(n.leaving, e.name)
		n.release(e)
	}
	close(e.ended)
}

// release lets the queue of an endpoint go that has left. The caller holds the lock.
func (n *Notifier) release(e *endpoint) {
	e.client.CloseIdleConnections()
	pending := e.queue.len()
	if n.fleet != nil {
		n.fleet.part(e)
	} else if err := e.queue.close(); err != nil {
		n.log.Error("close queue of notifications", "endpoint", e.name, "error", err)
	}
	if _, lost := e.queue.(*memory); lost && pending > 0 {
		n.log.Warn("events are lost: their webhook is not in use any more, and they were in memory", "endpoint", e.name, "dropped", pending)
		return
	}
	attrs := []any{"endpoint", e.name, "kept", pending}
	if j, ok := e.queue.(*journal); ok {
		attrs = append(attrs, "directory", j.dir.path())
	}
	n.log.Info("a webhook is not in use any more", attrs...)
}
