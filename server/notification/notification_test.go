package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/config"
)

// receiver is a webhook that answers as the test says.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	ids      []string
	requests int
	header   http.Header
	answer   func(n int, ids []string) int // status of the n-th request, from 1
	got      chan struct{}                 // one for each request that was answered with 200
}

func newReceiver(t *testing.T, answer func(n int, ids []string) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer, got: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var envelope Envelope
		if err := json.Unmarshal(body, &envelope); err != nil {
			t.Errorf("not an envelope: %v: %s", err, body)
		}
		var ids []string
		for _, e := range envelope.Events {
			ids = append(ids, e.ID)
		}
		r.mu.Lock()
		r.requests++
		r.header = q.Header
		status := 200
		if r.answer != nil {
			status = r.answer(r.requests, ids)
		}
		if status == 200 {
			r.ids = append(r.ids, ids...)
		}
		r.mu.Unlock()
		w.WriteHeader(status)
		if status == 200 {
			r.got <- struct{}{}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// pauses remembers how long was waited, and waits for nothing.
type pauses struct {
	mu  sync.Mutex
	all []time.Duration
}

func (p *pauses) sleep(_ context.Context, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
}

// logged collects a log.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// notifying opens a notifier and runs it until the test ends, or stop is called. A request that is under way then comes to its end, unless the test
// says how long that may take.
func notifying(t *testing.T, o Options) (n *Notifier, stop func()) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.grace == 0 {
		o.grace = patience
	}
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			<-done
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return n, stop
}

func to(url string, change ...func(*config.Endpoint)) config.Notifications {
	e := config.Endpoint{Name: "hook", URL: url, Timeout: patience, Threshold: 3, Backoff: time.Second}
	for _, c := range change {
		c(&e)
	}
	return config.Notifications{Endpoints: []config.Endpoint{e}}
}

// delivered waits until the receiver has taken count events.
func (r *receiver) delivered(t *testing.T, count int) []string {
	t.Helper()
	for len(r.seen()) < count {
		select {
		case <-r.got:
		case <-time.After(patience):
			t.Fatalf("%d of %d events arrived", len(r.seen()), count)
		}
	}
	return r.seen()
}

func numbered(count int) (ids []string) {
	for i := range count {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

// TestDelivery: in order, in the form of distribution, with the headers of the configuration, and only what is wanted.
func TestDelivery(t *testing.T) {
	r := newReceiver(t, nil)
	n, _ := notifying(t, Options{Config: to(r.URL, func(e *config.Endpoint) {
		e.Headers = map[string][]string{"Authorization": {"Bearer s3cret"}}
		e.IgnoreActions, e.IgnoreMediaTypes = []string{"pull"}, []string{"application/octet-stream"}
	})})
	n.Notify(Event{ID: "pull", Action: "pull"})
	n.Notify(Event{ID: "octets", Action: "push", Target: Target{MediaType: "application/octet-stream"}})
	for _, id := range numbered(250) {
		n.Notify(Event{ID: id, Action: "push"})
	}
	if got := r.delivered(t, 250); !slices.Equal(got, numbered(250)) {
		t.Errorf("got %v", got)
	}
	if r.header.Get("Content-Type") != MediaType || r.header.Get("Authorization") != "Bearer s3cret" {
		t.Errorf("headers %v", r.header)
	}
}

// TestRetries: what fails is sent again, after a moment below the threshold, and after a back-off that doubles above it.
func TestRetries(t *testing.T) {
	r := newReceiver(t, func(n int, _ []string) int {
		if n <= 6 {
			return 500
		}
		return 200
	})
	var p pauses
	var log logged
	n, stop := notifying(t, Options{Config: to(r.URL+"/?token=s3cret", func(e *config.Endpoint) {
		e.Headers = map[string][]string{"Authorization": {"Bearer s3cret"}}
	}), Sleep: p.sleep, Log: slog.New(slog.NewTextHandler(&log, nil))})
	n.Notify(Event{ID: "1"})
	r.delivered(t, 1)
	stop()
	want := []time.Duration{firstPause, firstPause, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
	if !slices.Equal(p.all, want) {
		t.Errorf("pauses %v, want %v", p.all, want)
	}
	if s := n.Stats()[0]; s.Delivered != 1 || s.Failed != 6 || s.Failing != "" || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
	for _, said := range []string{"a webhook fails", "answers again", "endpoint=hook"} {
		if strings.Count(log.String(), said) < 1 {
			t.Errorf("the log does not say %q: %s", said, log.String())
		}
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log tells a secret: %s", log.String())
	}
}

// TestNothingThere: the error of a receiver that is not there names neither address nor password.
func TestNothingThere(t *testing.T) {
	r := newReceiver(t, nil)
	address := strings.Replace(r.URL, "http://", "http://user:s3cret@", 1)
	r.Close()
	var log logged
	waited := make(chan struct{}, 100)
	n, stop := notifying(t, Options{
		Config: to(address + "/s3cret?token=s3cret"), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sleep: func(ctx context.Context, _ time.Duration) {
			select {
			case waited <- struct{}{}:
			case <-ctx.Done():
			}
		},
	})
	n.Notify(Event{ID: "1"})
	for range 5 {
		<-waited
	}
	s := n.Stats()[0]
	stop()
	if !strings.Contains(s.Failing, "refused") || s.Pending != 1 {
		t.Errorf("%+v", s)
	}
	if strings.Contains(log.String()+s.Failing, "s3cret") {
		t.Errorf("a secret is told: %s", log.String())
	}
}

// TestRestart: what was not delivered is delivered after a restart, and nothing twice that was.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	down := true
	r := newReceiver(t, func(int, []string) int {
		if down {
			return 503
		}
		return 200
	})
	hold := make(chan struct{}, 100)
	waiting := func(ctx context.Context, _ time.Duration) {
		hold <- struct{}{}
		<-ctx.Done()
	}
	n, stop := notifying(t, Options{Config: to(r.URL), Dir: dir, Sleep: waiting})
	for _, id := range numbered(10) {
		n.Notify(Event{ID: id})
	}
	<-hold
	stop()
	if got := r.seen(); len(got) != 0 {
		t.Fatalf("delivered while it was down: %v", got)
	}
	r.mu.Lock()
	down = false
	r.mu.Unlock()
	n, stop = notifying(t, Options{Config: to(r.URL), Dir: dir})
	n.Notify(Event{ID: "10"})
	if got := r.delivered(t, 11); !slices.Equal(got, numbered(11)) {
		t.Errorf("after the restart: %v", got)
	}
	stop()
	n, _ = notifying(t, Options{Config: to(r.URL), Dir: dir})
	n.Notify(Event{ID: "11"})
	if got := r.delivered(t, 12); !slices.Equal(got, numbered(12)) {
		t.Errorf("after another: %v", got)
	}
}

// TestForgotten verifies that a queue without an endpoint is logged and kept.
func TestForgotten(t *testing.T) {
	dir := t.TempDir()
	var log logged
	for _, name := range []string{"old", "new"} {
		c := to("http://127.0.0.1:1/", func(e *config.Endpoint) { e.Name = name })
		n, err := Open(Options{Config: c, Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		n.Notify(Event{ID: name})
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if said := log.String(); strings.Count(said, "belongs to no configured webhook") != 1 || !strings.Contains(said, directoryOf("old")) {
		t.Errorf("said %s", said)
	}
	if _, err := os.Stat(filepath.Join(dir, directoryOf("old"), "00000001.jsonl")); err != nil {
		t.Error(err)
	}
}

// TestPoison: an event that the receiver refuses for what it is does not hold up the others.
func TestPoison(t *testing.T) {
	r := newReceiver(t, func(_ int, ids []string) int {
		if slices.Contains(ids, "7") {
			return 422
		}
		return 200
	})
	var p pauses
	n, err := Open(Options{Config: to(r.URL), Sleep: p.sleep, Log: slog.New(slog.DiscardHandler), grace: patience})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range numbered(20) {
		n.Notify(Event{ID: id})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	got := r.delivered(t, 19)
	cancel()
	<-done
	if want := slices.DeleteFunc(numbered(20), func(id string) bool { return id == "7" }); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if s := n.Stats()[0]; s.Dropped != 1 || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// TestNoRedirect: credentials do not travel to where a receiver points.
func TestNoRedirect(t *testing.T) {
	elsewhere := newReceiver(t, nil)
	r := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer r.Close()
	tried := make(chan struct{}, 1)
	n, stop := notifying(t, Options{Config: to(r.URL), Sleep: func(ctx context.Context, _ time.Duration) {
		select {
		case tried <- struct{}{}:
		default:
		}
		<-ctx.Done()
	}})
	n.Notify(Event{ID: "1"})
	<-tried
	stop()
	if elsewhere.requests != 0 {
		t.Error("followed")
	}
}
