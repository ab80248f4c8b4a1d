package notification

import (
	"fmt"
	"path"

	"packhouse/server/config"
)

// Change is a prepared configuration. Call either Commit or Abandon before preparing another change.
//
// An endpoint is identified by its name. One that stays keeps its pending events and their order. Its running request
// completes with the old settings; the new ones apply from the next attempt on. One that is removed or disabled gets
// nothing more after its running request. Its pending events stay on disk, or in the records, and are delivered when an
// endpoint of this name returns; queues in memory are lost.
type Change struct {
	notifier *Notifier
	next     []*endpoint // in the order of the configuration
	settings []config.Endpoint
	added    map[*endpoint]bool
}

// Prepare opens the queues of a new configuration. Nothing changes until Commit. It returns an error if a queue cannot be
// opened.
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

// find returns the endpoint in use with a name, or nil.
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

// openQueue opens the queue of an endpoint. If an endpoint of that name is being removed, openQueue first waits for its
// last request, for a short time.
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
		return nil, nil //nolint:nilnil // the fleet provides the queue on Commit
	case n.options.Dir == "":
		return newMemory(segmentBytes * maxSegments), nil
	}
	return openJournal(queueDir{n.root, path.Join(n.options.Below, directoryOf(name))}, segmentBytes, maxSegments)
}

// Abandon closes what Prepare opened.
func (c *Change) Abandon() {
	for e := range c.added {
		if j, ok := e.queue.(*journal); ok {
			j.abandon()
		}
	}
}

// Commit applies the configuration. It does not fail or block.
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
			n.log.Info("applied new settings of a webhook", "endpoint", e.name, "pending", e.queue.len())
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

// join adds an endpoint. The caller holds the lock.
func (n *Notifier) join(e *endpoint) {
	if n.fleet != nil {
		n.fleet.join(e)
	}
	if waiting := e.queue.len(); waiting > 0 {
		n.log.Info("a webhook has pending events from before the start", "endpoint", e.name, "pending", waiting)
	}
	n.begin(e)
}

// part removes an endpoint after its last request. The caller holds the lock.
func (n *Notifier) part(e *endpoint) {
	if e.ended == nil || e.idle { // no request is running
		n.release(e)
		return
	}
	n.leaving[e.name] = e
	e.retire()
}

// left records that delivery to an endpoint has ended: the endpoint was removed, or the server stops.
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

// release closes the queue of a removed endpoint. The caller holds the lock.
func (n *Notifier) release(e *endpoint) {
	e.client.CloseIdleConnections()
	pending := e.queue.len()
	if n.fleet != nil {
		n.fleet.part(e)
	} else if err := e.queue.close(); err != nil {
		n.log.Error("close queue of notifications", "endpoint", e.name, "error", err)
	}
	if _, lost := e.queue.(*memory); lost && pending > 0 {
		n.log.Warn("dropped events of a removed webhook: they were in memory", "endpoint", e.name, "dropped", pending)
		return
	}
	attrs := []any{"endpoint", e.name, "kept", pending}
	if j, ok := e.queue.(*journal); ok {
		attrs = append(attrs, "directory", j.dir.path())
	}
	n.log.Info("removed a webhook", attrs...)
}
