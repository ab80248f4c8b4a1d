package notification

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/config"
)

// patience is for what a machine that is busy with other things may take its time for.
const patience = time.Minute

// hooks makes a configuration of endpoints that all post to one address.
func hooks(url string, names ...string) (c config.Notifications) {
	for _, name := range names {
		e := to(url).Endpoints[0]
		e.Name = name
		c.Endpoints = append(c.Endpoints, e)
	}
	return c
}

// reload takes another configuration up.
func reload(t *testing.T, n *Notifier, c config.Notifications) {
	t.Helper()
	change, err := n.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
}

// held is a Sleep that returns when its context ends, and reports each pause.
func held() (pauses chan time.Duration, sleep func(context.Context, time.Duration)) {
	pauses = make(chan time.Duration, 1000)
	return pauses, func(ctx context.Context, d time.Duration) {
		pauses <- d
		<-ctx.Done()
	}
}

// next waits for something that another goroutine sends.
func next[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come about", what)
	}
	return v
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) { // polling: files have no signal
		if time.Since(began) > patience {
			buf := make([]byte, 1<<20)
			t.Fatalf("%s did not come about:\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// queues are the three places where events wait.
var queues = map[string]func(t *testing.T, o *Options){
	"disk":   func(t *testing.T, o *Options) { o.Dir = t.TempDir() },
	"bucket": func(_ *testing.T, o *Options) { o.Shared = newFolder() },
	"memory": func(*testing.T, *Options) {},
}

// TestChangedAddress: what waits for an endpoint goes to its new address at once, in order and once, with what came in between; the pause
// that the old one had earned is not waited out.
func TestChangedAddress(t *testing.T) {
	for place, at := range queues {
		t.Run(place, func(t *testing.T) {
			down := newReceiver(t, func(int, []string) int { return 503 })
			up := newReceiver(t, nil)
			pausing, sleep := held()
			o := Options{Config: to(down.URL, func(e *config.Endpoint) { e.Threshold = 1 }), Sleep: sleep}
			at(t, &o)
			n, stop := notifying(t, o)
			for _, id := range numbered(5) {
				n.Notify(Event{ID: id})
			}
			for n.Stats()[0].Failing == "" {
				next(t, pausing, "a pause")
			}
			reload(t, n, to(up.URL, func(e *config.Endpoint) { e.Headers = map[string][]string{"X-New": {"1"}} }))
			n.Notify(Event{ID: "5"})
			if got := up.delivered(t, 6); !slices.Equal(got, numbered(6)) {
				t.Errorf("got %v", got)
			}
			stop()
			if s := n.Stats()[0]; len(n.Stats()) != 1 || s.Failing != "" || s.Pending != 0 || s.Delivered != 6 {
				t.Errorf("%+v", s)
			}
			if up.header.Get("X-New") != "1" {
				t.Errorf("headers %v", up.header)
			}
		})
	}
}

// TestUnchangedEndpoint: taking up the same configuration, or other events to ignore, does not disturb the back-off.
func TestUnchangedEndpoint(t *testing.T) {
	down := newReceiver(t, func(int, []string) int { return 503 })
	pausing, sleep := held()
	c := to(down.URL, func(e *config.Endpoint) { e.Threshold = 1 })
	n, _ := notifying(t, Options{Config: c, Sleep: sleep})
	n.Notify(Event{ID: "0", Action: "pull"})
	next(t, pausing, "the pause after a failure")
	reload(t, n, to(down.URL, func(e *config.Endpoint) { e.Threshold = 1 }))
	reload(t, n, to(down.URL, func(e *config.Endpoint) { e.Threshold, e.IgnoreActions = 1, []string{"pull"} }))
	n.Notify(Event{ID: "1", Action: "pull"})
	n.Notify(Event{ID: "2", Action: "push"})
	if s := n.Stats()[0]; s.Pending != 2 || s.Failing == "" || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
	select {
	case <-pausing:
		t.Error("it was tried again")
	default:
	}
}

// TestRefusedBySettingsOfBefore: an event that was refused while other settings counted is not given up for it.
func TestRefusedBySettingsOfBefore(t *testing.T) {
	up := newReceiver(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusUnprocessableEntity)
	}))
	defer wrong.Close()
	n, stop := notifying(t, Options{Config: to(wrong.URL, func(e *config.Endpoint) { e.Threshold = 1 })})
	n.Notify(Event{ID: "0"})
	next(t, asked, "the request")
	reload(t, n, to(up.URL))
	close(answer)
	if got := up.delivered(t, 1); !slices.Equal(got, numbered(1)) {
		t.Errorf("got %v", got)
	}
	stop()
	if s := n.Stats()[0]; s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAddedAndRemoved: one that comes gets what happens from then on; one that goes gets nothing more and keeps what waits, unless that was
// in memory; those beside it notice nothing.
func TestAddedAndRemoved(t *testing.T) {
	for place, at := range queues {
		t.Run(place, func(t *testing.T) {
			stays, comes := newReceiver(t, nil), newReceiver(t, nil)
			gone := newReceiver(t, func(int, []string) int { return 503 })
			pausing := make(chan struct{}, 1000)
			o := Options{Config: hooks(stays.URL, "stays"), Sleep: func(ctx context.Context, d time.Duration) {
				if d == writeEvery { // of the fleet
					sleep(ctx, time.Millisecond)
					return
				}
				pausing <- struct{}{}
				<-ctx.Done()
			}}
			o.Config.Endpoints = append(o.Config.Endpoints, hooks(gone.URL, "goes").Endpoints...)
			at(t, &o)
			n, _ := notifying(t, o)
			for _, id := range numbered(3) {
				n.Notify(Event{ID: id})
			}
			next(t, pausing, "a failure")
			stays.delivered(t, 3)

			both := hooks(stays.URL, "stays")
			both.Endpoints = append(both.Endpoints, hooks(comes.URL, "comes").Endpoints...)
			reload(t, n, both)
			n.Notify(Event{ID: "3"})
			stays.delivered(t, 4)
			if got := comes.delivered(t, 1); !slices.Equal(got, []string{"3"}) {
				t.Errorf("the one that came got %v", got)
			}
			if s := n.Stats(); len(s) != 2 || s[0].Endpoint != "stays" || s[1].Endpoint != "comes" {
				t.Errorf("%+v", s)
			}

			// It comes back, to a receiver that answers.
			back := newReceiver(t, nil)
			all := hooks(stays.URL, "stays")
			all.Endpoints = append(all.Endpoints, hooks(back.URL, "goes").Endpoints...)
			if place == "bucket" { // what it left is written down, and lies there for a while
				until(t, "the end of its queue", func() bool {
					all, _ := n.fleet.all()
					return len(all) == 2
				})
				o.Shared.(*folder).wait(time.Minute)
			}
			reload(t, n, all)
			n.Notify(Event{ID: "4"})
			want := numbered(5)
			want = append(want[:3:3], "4")
			if place == "memory" {
				want = []string{"4"}
			}
			got := back.delivered(t, len(want))
			slices.Sort(got) // in a bucket what was taken over comes when it is found
			if !slices.Equal(got, want) {
				t.Errorf("the one that came back got %v, want %v", got, want)
			}
			if got := stays.delivered(t, 5); !slices.Equal(got, numbered(5)) {
				t.Errorf("the one that stayed got %v", got)
			}
		})
	}
}

// TestComesBackAtOnce: an endpoint that is taken out and put back while its last request is under way gets each event once, in order, and
// the change does not wait for a receiver that hangs.
func TestComesBackAtOnce(t *testing.T) {
	for place, at := range queues {
		if place == "memory" {
			continue // what waits is lost with the endpoint
		}
		t.Run(place, func(t *testing.T) {
			asked, answer := make(chan struct{}, 10), make(chan struct{})
			r := newReceiver(t, func(int, []string) int {
				asked <- struct{}{}
				<-answer
				return 200
			})
			o := Options{Config: to(r.URL)}
			at(t, &o)
			n, stop := notifying(t, o)
			n.Notify(Event{ID: "0"})
			next(t, asked, "the request")
			for _, id := range numbered(5)[1:] {
				n.Notify(Event{ID: id})
			}
			reload(t, n, config.Notifications{})
			if s := n.Stats(); len(s) != 0 {
				t.Errorf("%+v", s)
			}
			change := make(chan *Change)
			go func() {
				c, err := n.Prepare(to(r.URL))
				if err != nil {
					t.Error(err)
				}
				change <- c
			}()
			close(answer) // the request ends well
			next(t, change, "the change").Commit()
			n.Notify(Event{ID: "5"})
			got := r.delivered(t, 6)
			if place == "bucket" {
				slices.Sort(got)
			}
			if !slices.Equal(got, numbered(6)) {
				t.Errorf("got %v", got)
			}
			stop()
		})
	}
}

// TestHangingReceiverHoldsUpNoChange: its request is cut off after a moment, and the event comes again.
func TestHangingReceiverHoldsUpNoChange(t *testing.T) {
	asked, forever := make(chan struct{}, 10), make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-forever
	}))
	defer hangs.Close()
	defer close(forever)
	up := newReceiver(t, nil)
	n, _ := notifying(t, Options{Config: to(hangs.URL, func(e *config.Endpoint) { e.Timeout = time.Hour }), Dir: t.TempDir(), grace: time.Millisecond})
	n.Notify(Event{ID: "0"})
	next(t, asked, "the request")
	reload(t, n, config.Notifications{})
	reload(t, n, to(up.URL))
	if got := up.delivered(t, 1); !slices.Equal(got, numbered(1)) {
		t.Errorf("got %v", got)
	}
}

// TestAbandonedChange leaves no trace, neither in what is delivered nor on disk; nor does one that cannot be prepared.
func TestAbandonedChange(t *testing.T) {
	r, dir := newReceiver(t, nil), t.TempDir()
	n, stop := notifying(t, Options{Config: hooks(r.URL, "a"), Dir: dir})
	before := entries(t, dir)
	change, err := n.Prepare(hooks("http://127.0.0.1:1/", "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	change.Abandon()
	if err := os.WriteFile(filepath.Join(dir, directoryOf("c")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Prepare(hooks("http://127.0.0.1:1/", "b", "c")); err == nil || !strings.Contains(err.Error(), `endpoint "c"`) {
		t.Errorf("%v", err)
	}
	_ = os.Remove(filepath.Join(dir, directoryOf("c")))
	if after := entries(t, dir); !slices.Equal(before, after) {
		t.Errorf("on disk: %v", after)
	}
	n.Notify(Event{ID: "0"})
	r.delivered(t, 1)
	stop()
	if s := n.Stats(); len(s) != 1 || s[0].Delivered != 1 {
		t.Errorf("%+v", s)
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// TestEndpointsShareNoConnections: a failure of one endpoint closes no
// connection of another, whose request could fail and be repeated.
func TestEndpointsShareNoConnections(t *testing.T) {
	up, down := newReceiver(t, nil), newReceiver(t, func(int, []string) int { return http.StatusServiceUnavailable })
	var conns atomic.Int64
	counting := httptest.NewUnstartedServer(up.Config.Handler)
	counting.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	counting.Start()
	defer counting.Close()
	pausing, sleep := held()
	c := hooks(counting.URL, "up")
	c.Endpoints = append(c.Endpoints, hooks(down.URL, "down").Endpoints...)
	n, _ := notifying(t, Options{Config: c, Sleep: sleep})
	n.Notify(Event{ID: "0"})
	up.delivered(t, 1)
	next(t, pausing, "the failure of the other endpoint")
	n.Notify(Event{ID: "1"})
	up.delivered(t, 2)
	if got := conns.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// TestChangesLeakNothing: as many changes as one likes leave as many goroutines as there were.
func TestChangesLeakNothing(t *testing.T) {
	for place, at := range queues {
		t.Run(place, func(t *testing.T) {
			r := newReceiver(t, nil)
			o := Options{Config: hooks(r.URL, "stays"), Log: slog.New(slog.DiscardHandler)}
			at(t, &o)
			n, stop := notifying(t, o)
			n.Notify(Event{ID: "0"})
			r.delivered(t, 1)
			cycle := func(first int) {
				for i := range 20 {
					reload(t, n, hooks(r.URL, "stays", "comes", "goes"))
					n.Notify(Event{ID: "x"})
					r.delivered(t, first+3*(i+1))
					reload(t, n, hooks(r.URL+"/other", "stays"))
				}
			}
			cycle(1)
			before := runtime.NumGoroutine()
			cycle(61)
			until(t, "the end of all that was begun", func() bool { return runtime.NumGoroutine() <= before+3 }) // of the receiver's connections
			stop()
			reload(t, n, hooks(r.URL, "late")) // after the end nothing begins
			if got := r.seen(); len(got) != 121 {
				t.Errorf("%d events were delivered", len(got))
			}
		})
	}
}

// TestChangeBeforeRun: the configuration may change between New and Run of a server.
func TestChangeBeforeRun(t *testing.T) {
	r := newReceiver(t, nil)
	n, err := Open(Options{Config: hooks("http://127.0.0.1:1/", "a", "b"), Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n.Notify(Event{ID: "0"})
	reload(t, n, hooks(r.URL, "a"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	r.delivered(t, 1)
	cancel()
	<-done
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
