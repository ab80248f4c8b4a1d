package notification

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// folder is a shared store with one folder of records in memory, with a clock.
type folder struct {
	mu       sync.Mutex
	content  map[string][]byte
	written  map[string]time.Time
	now      time.Time
	requests map[string]int
	fail     func(verb, name string) error
	taken    bool // the lease is
}

func newFolder() *folder {
	return &folder{content: map[string][]byte{}, written: map[string]time.Time{}, now: time.Unix(1e9, 0), requests: map[string]int{}}
}

func (f *folder) Records(string) storage.Records { return f }

func (f *folder) enter(verb, name string) (leave func(), err error) {
	f.mu.Lock()
	f.requests[verb]++
	if f.fail != nil {
		if err := f.fail(verb, name); err != nil {
			f.mu.Unlock()
			return nil, err
		}
	}
	return f.mu.Unlock, nil
}

func (f *folder) Get(_ context.Context, name string) ([]byte, error) {
	leave, err := f.enter("get", name)
	if err != nil {
		return nil, err
	}
	defer leave()
	content, ok := f.content[name]
	if !ok {
		return nil, errors.New("no such record")
	}
	return content, nil
}

func (f *folder) Put(_ context.Context, name string, content []byte) error {
	leave, err := f.enter("put", name)
	if err != nil {
		return err
	}
	defer leave()
	f.content[name], f.written[name] = slices.Clone(content), f.now
	return nil
}

func (f *folder) Delete(_ context.Context, name string) error {
	leave, err := f.enter("delete", name)
	if err != nil {
		return err
	}
	defer leave()
	delete(f.content, name)
	return nil
}

func (f *folder) List(context.Context) ([]storage.Record, error) {
	leave, err := f.enter("list", "")
	if err != nil {
		return nil, err
	}
	defer leave()
	var all []storage.Record
	for name := range f.content {
		all = append(all, storage.Record{Name: name, Age: f.now.Sub(f.written[name])})
	}
	slices.SortFunc(all, func(a, b storage.Record) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (f *folder) Lease(ctx context.Context, _ string) (context.Context, func(), bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.taken {
		return nil, nil, false, nil
	}
	f.taken = true
	return ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.taken = false
	}, true, nil
}

func (f *folder) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *folder) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *folder) names() (all []string) {
	listed, _ := f.List(context.Background())
	for _, r := range listed {
		all = append(all, r.Name)
	}
	return all
}

// process is a server that shares a folder. Nothing of it runs by itself.
func (f *folder) process(t *testing.T, endpoints ...string) *Notifier {
	t.Helper()
	o := Options{Shared: f, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Sleep: func(context.Context, time.Duration) {}}
	for _, name := range endpoints {
		o.Config.Endpoints = append(o.Config.Endpoints, config.Endpoint{Name: name, URL: "http://127.0.0.1:1/"})
	}
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	n.fleet.now = f.clock
	return n
}

func told(n *Notifier, from, to int) {
	for i := from; i < to; i++ {
		n.Notify(Event{ID: fmt.Sprintf("e%03d", i), Action: "push"})
	}
}

// waiting lists the events of the first endpoint.
func waiting(t *testing.T, n *Notifier) (ids []string) {
	t.Helper()
	lines, err := n.endpoints[0].queue.head(1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		_, rest, _ := strings.Cut(string(l), `"id":"`)
		ids = append(ids, rest[:4])
	}
	return ids
}

func TestASharedQueueCostsNothingWhileItIsDelivered(t *testing.T) {
	f := newFolder()
	n := f.process(t, "hook")
	for round := range 20 {
		told(n, round*10, round*10+10)
		if _, err := n.endpoints[0].queue.head(100); err != nil {
			t.Fatal(err)
		}
		if err := n.endpoints[0].queue.done(10); err != nil {
			t.Fatal(err)
		}
		n.fleet.round(t.Context(), false)
	}
	if len(f.requests) != 0 {
		t.Errorf("requests: %v", f.requests)
	}
	// One that does not answer: one record for all that came within a round, however many, and the word that the process lives.
	told(n, 0, 500)
	for range 5 {
		n.fleet.round(t.Context(), false)
	}
	if f.requests["put"] != 2 || len(f.requests) != 1 {
		t.Errorf("requests: %v", f.requests)
	}
	// Delivered at last, nothing is left.
	_, _ = n.endpoints[0].queue.head(500)
	_ = n.endpoints[0].queue.done(500)
	n.fleet.round(t.Context(), false)
	if len(f.names()) != 0 || f.requests["delete"] != 2 {
		t.Errorf("%v, requests: %v", f.names(), f.requests)
	}
}

// TestEventsOutliveTheirProcess has processes end in every way. Another one delivers what they left, in order.
func TestEventsOutliveTheirProcess(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(f *folder, n *Notifier)
		wait time.Duration
		want int
	}{
		"stopped": {func(_ *folder, n *Notifier) { _ = n.Close() }, time.Minute, 7},
		"killed": {func(_ *folder, n *Notifier) {
			n.fleet.round(context.Background(), false)
			n.fleet.round(context.Background(), false)
		}, 3 * time.Minute, 7},
		"killed within the first second": {func(*folder, *Notifier) {}, 3 * time.Minute, 0},
		"alive": {func(f *folder, n *Notifier) {
			n.fleet.round(context.Background(), true)
			f.wait(2 * time.Minute)
			n.fleet.round(context.Background(), false)
		}, time.Minute, 0},
	} {
		f := newFolder()
		one, two := f.process(t, "hook", "other"), f.process(t, "hook")
		told(one, 0, 7)
		_, _ = one.endpoints[1].queue.head(7)
		_ = one.endpoints[1].queue.done(7) // the other one answers
		c.end(f, one)
		f.wait(c.wait)
		if err := two.fleet.adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := waiting(t, two)
		if len(got) != c.want || !slices.IsSorted(got) {
			t.Errorf("%s: %v wait, want %d", name, got, c.want)
		}
		// The third process is no wiser: what was taken over is not taken over again.
		three := f.process(t, "hook")
		if err := three.fleet.adopt(t.Context()); err != nil || len(waiting(t, three)) != 0 {
			t.Errorf("%s: taken twice: %v, %v", name, waiting(t, three), err)
		}
		_ = two.endpoints[0].queue.done(len(got))
		two.fleet.round(t.Context(), false)
		for _, r := range f.names() {
			if c.want > 0 && strings.HasPrefix(r, directoryOf("hook")) {
				t.Errorf("%s: left behind: %s", name, r)
			}
		}
	}
}

// TestTakingOverMayBreakOff fails each request of taking over in turn: nothing is lost, and what comes twice bears the same id.
func TestTakingOverMayBreakOff(t *testing.T) {
	for n := 1; ; n++ {
		f := newFolder()
		one, two, three := f.process(t, "hook"), f.process(t, "hook"), f.process(t, "hook")
		told(one, 0, 3)
		one.fleet.round(t.Context(), true)
		f.wait(time.Hour)
		asked := 0
		f.fail = func(verb, name string) error {
			if asked++; asked == n {
				return errors.New(verb + " " + name + " fails")
			}
			return nil
		}
		_ = two.fleet.adopt(t.Context())
		f.fail = nil
		f.wait(time.Hour) // two is killed
		if err := three.fleet.adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, id := range waiting(t, three) {
			seen[id] = true
		}
		if len(seen) != 3 {
			t.Errorf("request %d failed: %v", n, waiting(t, three))
		}
		if asked < n {
			break
		}
	}
}

func TestASharedQueueWithoutItsRecords(t *testing.T) {
	f := newFolder()
	n := f.process(t, "hook")
	f.fail = func(string, string) error { return errors.New("the bucket is gone") }
	told(n, 0, 5)
	for range 3 {
		n.fleet.round(t.Context(), false)
	}
	if got := waiting(t, n); len(got) != 5 {
		t.Errorf("wait in memory: %v", got)
	}
	f.fail = nil
	n.fleet.round(t.Context(), false)
	if len(f.names()) != 2 {
		t.Errorf("written down once it is back: %v", f.names())
	}
}

func TestASharedQueueIsBounded(t *testing.T) {
	q := newShared("a.b", 1000)
	dropped := 0
	for i := range 50 {
		d, err := q.add(fmt.Appendf(nil, "%0100d", i))
		if err != nil {
			t.Fatal(err)
		}
		if dropped += d; i == 20 {
			r, _ := q.pick(true)
			q.written(r, nil)
		}
	}
	garbage, inUse := q.turn()
	if q.len() != 10 || dropped != 40 || len(garbage) != 1 || inUse {
		t.Errorf("%d wait, %d dropped, garbage %v, in use: %v", q.len(), dropped, garbage, inUse)
	}
	// An event that is dropped while it is being delivered is not counted against the next.
	lines, _ := q.head(2)
	_, _ = q.add(fmt.Appendf(nil, "%0100d", 50))
	_ = q.done(len(lines))
	if next, _ := q.head(1); !strings.HasSuffix(string(next[0]), "42") {
		t.Errorf("next is %s", next[0])
	}
	// What is too large for a record waits in memory.
	big := newShared("a.b", 10<<20)
	_, _ = big.add(make([]byte, recordBytes+1))
	_, _ = big.add([]byte("small"))
	if r, content := big.pick(true); r == nil || string(content) != "small\n" {
		t.Errorf("%v %d", r, len(content))
	}
}

// TestSharedQueuesDeliver runs two processes for real: the first one is stopped while the receiver is down.
func TestSharedQueuesDeliver(t *testing.T) {
	f := newFolder()
	down := true
	var mu sync.Mutex
	r := newReceiver(t, func(int, []string) int {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return 503
		}
		return 200
	})
	start := func() (*Notifier, func()) {
		n, err := Open(Options{
			Config: config.Notifications{Endpoints: []config.Endpoint{{Name: "hook", URL: r.URL, Timeout: patience, Threshold: 1, Backoff: time.Millisecond}}},
			Shared: f, Log: slog.New(slog.DiscardHandler),
			Sleep: func(ctx context.Context, _ time.Duration) { sleep(ctx, 2*time.Millisecond) },
		})
		if err != nil {
			t.Fatal(err)
		}
		n.fleet.now = f.clock
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.Run(ctx); close(done) }()
		return n, func() {
			cancel()
			<-done
			_ = n.Close()
		}
	}
	one, stop := start()
	told(one, 0, 20)
	stop()
	f.wait(time.Hour)
	mu.Lock()
	down = false
	mu.Unlock()
	two, stop := start()
	defer stop()
	told(two, 20, 25)
	for {
		r.mu.Lock()
		ids := slices.Compact(slices.Sorted(slices.Values(r.ids)))
		r.mu.Unlock()
		if len(ids) == 25 {
			break
		}
		<-r.got
	}
}
