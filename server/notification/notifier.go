package notification

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/trust"
)

// Options configures a Notifier.
type Options struct {
	Config config.Notifications
	Dir    string // root directory of the store that contains the queues; empty: the queues are in memory
	Below  string // slash-separated path of the queues below Dir, in which no link is followed; empty: Dir itself
	// Shared stores undelivered events for this process and others. Nil: Dir does, if it is set.
	Shared storage.Shared
	Log    *slog.Logger
	Client func() *http.Client                        // returns the client of one endpoint; nil: newClient
	Sleep  func(ctx context.Context, d time.Duration) // nil: sleep until d has passed or ctx is done

	grace time.Duration // for the running request when delivery ends; 0: stoppingGrace
}

// Notifier delivers events to the endpoints of a configuration.
type Notifier struct {
	options Options
	root    *trust.Dir // Options.Dir; nil: the queues are in memory
	fleet   *fleet     // nil: no queue is shared
	log     *slog.Logger

	mu        sync.RWMutex
	endpoints []*endpoint          // in the order of the configuration
	leaving   map[string]*endpoint // by name: removed from the configuration while a request is running
	running   context.Context      //nolint:containedctx // of Run, for endpoints that are added later; nil: Run was not called
	over      bool                 // no delivery is started any more
	closed    bool
	deliver   sync.WaitGroup
}

// Stat is the state of delivery to one endpoint.
type Stat struct {
	Endpoint  string
	Pending   int    // queued events
	Delivered int    // events since the start
	Failed    int    // attempts since the start
	Dropped   int    // events since the start: the queue was full or could not be written, or the receiver rejected them
	Failing   string // the last error if the threshold has been reached; empty otherwise
}

// newClient returns a client with its own connections. Endpoints must not share
// them: closing the idle connections after one endpoint's failure can fail a
// request of another that has just been answered, and its events would be sent
// twice. Redirects are not followed, so headers go nowhere else.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Open opens the queues and returns a Notifier, which sends nothing before Run. It returns an error if a queue cannot be
// opened.
func Open(o Options) (*Notifier, error) {
	if o.Client == nil {
		o.Client = newClient
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.grace <= 0 {
		o.grace = stoppingGrace
	}
	n := &Notifier{options: o, log: o.Log, leaving: map[string]*endpoint{}}
	if o.Shared != nil {
		n.fleet = newFleet(o.Shared, o.Log)
	}
	if o.Dir != "" {
		root, err := openQueues(o.Dir)
		if err != nil {
			return nil, err
		}
		n.root = root
	}
	change, err := n.Prepare(o.Config)
	if err != nil {
		if n.root != nil {
			_ = n.root.Close()
		}
		return nil, err
	}
	change.Commit()
	n.logUnused()
	return n, nil
}

// logUnused logs the queues on disk without an endpoint, which was removed, renamed or disabled. They are kept in case the
// endpoint returns.
func (n *Notifier) logUnused() {
	if n.root == nil {
		return
	}
	dir := n.root
	if n.options.Below != "" {
		below, err := n.root.Sub(n.options.Below)
		if err != nil {
			return
		}
		defer below.Close()
		dir = below
	}
	names, err := dir.Names()
	if err != nil {
		return
	}
	slices.Sort(names)
	used := map[string]bool{}
	for _, e := range n.endpoints {
		used[directoryOf(e.name)] = true
	}
	for _, name := range names {
		if used[name] {
			continue
		}
		if queue, err := dir.Sub(name); err == nil {
			_ = queue.Close()
			n.log.Info("a queue of events belongs to no configured webhook; remove the directory if none will use it again", "directory", dir.Entry(name))
		}
	}
}

// Notify queues an event for every endpoint that wants it. It waits only for the disk with the queues.
func (n *Notifier) Notify(ev Event) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var line []byte
	for _, e := range n.endpoints {
		if !e.wants(&ev) {
			continue
		}
		if line == nil {
			var err error
			if line, err = encode(&ev); err != nil {
				n.log.Error("encode event", "error", err)
				return
			}
		}
		e.add(line)
	}
}

// Run delivers until ctx is done, and then waits a short time for running requests. Undelivered events stay in the queues
// on disk. Call Run at most once.
func (n *Notifier) Run(ctx context.Context) {
	n.mu.Lock()
	if n.over {
		n.mu.Unlock()
		return
	}
	n.running = ctx
	for _, e := range n.endpoints {
		n.begin(e)
	}
	n.mu.Unlock()
	if n.fleet != nil {
		n.deliver.Go(func() { n.fleet.run(ctx, n.options.Sleep) })
	}
	<-ctx.Done()
	n.stop()
	n.deliver.Wait()
}

// begin starts delivery to an endpoint if Run was called. The caller holds the lock.
func (n *Notifier) begin(e *endpoint) {
	if n.running == nil || n.over {
		return
	}
	run := e.begin(n.running)
	n.deliver.Go(func() {
		run()
		n.left(e)
	})
}

func (n *Notifier) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
}

// Close closes the queues. Call it after Run has returned; later events are lost.
func (n *Notifier) Close() error {
	n.stop()
	if n.fleet != nil {
		n.fleet.close()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	var first error
	for _, e := range n.endpoints {
		e.client.CloseIdleConnections()
		if err := e.queue.close(); err != nil && first == nil {
			first = fmt.Errorf("close queue of notifications: %w", err)
		}
	}
	return first
}

// Stats returns the state of each endpoint, in the order of the configuration.
func (n *Notifier) Stats() []Stat {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all := make([]Stat, 0, len(n.endpoints))
	for _, e := range n.endpoints {
		e.mu.Lock()
		s := e.stat
		e.mu.Unlock()
		s.Pending = e.queue.len()
		all = append(all, s)
	}
	return all
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Faults describes the endpoints whose deliveries fail.
func (n *Notifier) Faults() []string {
	var faults []string
	for _, e := range n.Stats() {
		if e.Failing != "" {
			faults = append(faults, fmt.Sprintf("webhook %q takes no events (%s); %d wait", e.Endpoint, e.Failing, e.Pending))
		}
	}
	return faults
}
