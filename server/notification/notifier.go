package notification

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"packhouse/server/config"
)

// Options is what a notifier is made of.
type Options struct {
	Config config.Notifications
	Dir    string // of the queues; empty: they are in memory
	// Records keeps what is not delivered at once, for this process and others; nil: Dir does, or nothing.
	Records Records
	Log     *slog.Logger
	Client  *http.Client                               // nil: one that follows no redirects, so that headers go nowhere else
	Sleep   func(ctx context.Context, d time.Duration) // nil: until d has passed or ctx is done
}

// Notifier delivers events to the endpoints of a configuration.
type Notifier struct {
	endpoints []*endpoint
	fleet     *fleet // nil: no queue is shared
	log       *slog.Logger
	sleep     func(ctx context.Context, d time.Duration)
}

// Stat is how delivery to one endpoint goes.
type Stat struct {
	Endpoint  string
	Pending   int    // events that wait
	Delivered int    // events, since the start
	Failed    int    // attempts
	Dropped   int    // events that were lost: the queue was full or could not be written, or the receiver refused them for what they are
	Failing   string // why nothing gets through since the threshold was reached; empty: it does
}

// Open opens the queues. Nothing is sent before Run. An error where a queue cannot be opened.
func Open(o Options) (*Notifier, error) {
	n := &Notifier{log: o.Log}
	if o.Client == nil {
		o.Client = &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	n.sleep = o.Sleep
	if o.Records != nil {
		n.fleet = newFleet(o.Records, o.Log)
	}
	for _, c := range o.Config.Endpoints {
		if c.Disabled {
			continue
		}
		e := &endpoint{config: c, client: o.Client, log: o.Log, sleep: o.Sleep, wake: make(chan struct{}, 1), stat: Stat{Endpoint: c.Name}}
		switch {
		case n.fleet != nil:
			e.queue = n.fleet.queue(e)
		case o.Dir == "":
			e.queue = newMemory(segmentBytes * maxSegments)
		default:
			j, err := openJournal(filepath.Join(o.Dir, directoryOf(c.Name)), segmentBytes, maxSegments)
			if err != nil {
				return nil, fmt.Errorf("endpoint %q: %w", c.Name, err)
			}
			e.queue = j
		}
		if waiting := e.queue.len(); waiting > 0 {
			o.Log.Info("events of before wait for a webhook", "endpoint", c.Name, "pending", waiting)
		}
		n.endpoints = append(n.endpoints, e)
	}
	n.tellForgotten(o)
	return n, nil
}

// tellForgotten names queues on disk that no endpoint delivers from: one was removed, renamed or disabled. They stay, as what is in them
// may be wanted when the endpoint comes back.
func (n *Notifier) tellForgotten(o Options) {
	entries, err := os.ReadDir(o.Dir)
	if o.Dir == "" || err != nil {
		return
	}
	used := map[string]bool{}
	for _, e := range n.endpoints {
		used[directoryOf(e.config.Name)] = true
	}
	for _, entry := range entries {
		if entry.IsDir() && !used[entry.Name()] {
			n.log.Info("a queue of events belongs to no webhook that is in use; remove it if none comes back", "directory", filepath.Join(o.Dir, entry.Name()))
		}
	}
}

// Notify queues an event for every endpoint that wants it. It waits for nobody but the disk that holds the queues.
func (n *Notifier) Notify(ev Event) {
	var line []byte
	for _, e := range n.endpoints {
		if !e.wants(&ev) {
			continue
		}
		if line == nil {
			var err error
			if line, err = encode(&ev); err != nil {
				n.log.Error("an event cannot be written", "error", err)
				return
			}
		}
		e.add(line)
	}
}

// Run delivers until ctx is done, and then lets the requests that run come to their end for a moment. What is not delivered stays in the
// queues on disk.
func (n *Notifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, e := range n.endpoints {
		all.Go(func() { e.run(ctx) })
	}
	if n.fleet != nil {
		all.Go(func() { n.fleet.run(ctx, n.sleep) })
	}
	all.Wait()
}

// Close closes the queues. Events that come afterwards are lost.
func (n *Notifier) Close() error {
	if n.fleet != nil {
		n.fleet.close()
	}
	var first error
	for _, e := range n.endpoints {
		if err := e.queue.close(); err != nil && first == nil {
			first = fmt.Errorf("close queue of notifications: %w", err)
		}
	}
	return first
}

// Stats tells how delivery goes, in the order of the configuration.
func (n *Notifier) Stats() []Stat {
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
