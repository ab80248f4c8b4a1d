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

// notifying opens a notifier and runs it until the test ends, or stop is called.
func notifying(t *testing.T, o Options) (n *Notifier, stop func()) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
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
	e := config.Endpoint{Name: "hook", URL: url, Timeout: 10 * time.Second, Threshold: 3, Backoff: time.Second}
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
		case <-time.After(20 * time.Second):
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
	for _, said := range []string{"does not take events", "answers again", "endpoint=hook"} {
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

// TestForgotten: a queue that nobody delivers from any more is named, and left alone.
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
	if said := log.String(); strings.Count(said, "belongs to no webhook") != 1 || !strings.Contains(said, directoryOf("old")) {
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
	n, err := Open(Options{Config: to(r.URL), Sleep: p.sleep, Log: slog.New(slog.DiscardHandler)})
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

// TestJournal walks a queue on disk through growth, crashes and damage.
func TestJournal(t *testing.T) {
	dir := t.TempDir()
	open := func() *journal {
		t.Helper()
		j, err := openJournal(dir, 20, 3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.close() })
		return j
	}
	head := func(j *journal, most int) string {
		t.Helper()
		lines, err := j.head(most)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			all = append(all, string(l))
		}
		return strings.Join(all, " ")
	}
	add := func(j *journal, from, to int) (dropped int) {
		t.Helper()
		for i := from; i < to; i++ {
			d, err := j.add(fmt.Appendf(nil, "event-%03d", i))
			if err != nil {
				t.Fatal(err)
			}
			dropped += d
		}
		return dropped
	}
	done := func(j *journal, n int) {
		t.Helper()
		if err := j.done(n); err != nil {
			t.Fatal(err)
		}
	}
	j := open()
	if got := head(j, 5); got != "" || j.len() != 0 {
		t.Errorf("new: %q, %d", got, j.len())
	}
	add(j, 0, 5) // two in each segment
	if got := head(j, 5); got != "event-000 event-001" || j.len() != 5 {
		t.Errorf("head %q of %d", got, j.len())
	}
	done(j, 1)

	j = open() // as after a crash: nothing was closed
	if got := head(j, 5); got != "event-001" || j.len() != 4 {
		t.Errorf("reopened: %q of %d", got, j.len())
	}
	done(j, 1)
	if got := head(j, 1); got != "event-002" || j.len() != 3 {
		t.Errorf("next segment: %q of %d", got, j.len())
	}

	// A crash in the middle of a line.
	f, err := os.OpenFile(filepath.Join(dir, "00000003.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("event-0")
	_ = f.Close()
	j = open()
	add(j, 5, 6)
	if j.len() != 4 {
		t.Errorf("after half a line: %d", j.len())
	}

	// Too many: the oldest go, also those that are being delivered.
	if got := head(j, 5); got != "event-002 event-003" {
		t.Errorf("before: %q", got)
	}
	if dropped := add(j, 6, 9); dropped != 2 {
		t.Errorf("dropped %d", dropped)
	}
	done(j, 2)
	if got := head(j, 5); got != "event-004 event-005" || j.len() != 5 {
		t.Errorf("after: %q of %d", got, j.len())
	}

	// A cursor that makes no sense: rather twice than never.
	for _, cursor := range []string{"", "nonsense", "3 7", "3 -1", "3 9999", "99 0", "99999999999999999999 0"} {
		if err := os.WriteFile(filepath.Join(dir, cursorFile), []byte(cursor), 0o600); err != nil {
			t.Fatal(err)
		}
		if cursor == "99 0" {
			continue // may well be: everything before it was delivered
		}
		if j = open(); j.len() != 5 {
			t.Errorf("cursor %q: %d", cursor, j.len())
		}
	}
	if err := os.Truncate(filepath.Join(dir, "00000004.jsonl"), 0); err != nil {
		t.Fatal(err)
	}
	j = open()
	if got := head(j, 9) + " " + fmt.Sprint(j.len()); got != "event-004 event-005 3" {
		t.Errorf("an empty segment: %q", got)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("1 10\n", "a\nb\n")
	f.Fuzz(func(t *testing.T, cursor, content string) {
		dir := t.TempDir()
		_ = os.WriteFile(filepath.Join(dir, cursorFile), []byte(cursor), 0o600)
		_ = os.WriteFile(filepath.Join(dir, "00000001.jsonl"), []byte(content), 0o600)
		j, err := openJournal(dir, 1<<10, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.close() }()
		if _, err := j.add([]byte("last")); err != nil {
			t.Fatal(err)
		}
		before := j.len()
		lines, err := j.head(1 << 20)
		if err != nil || len(lines) != before || before == 0 || string(lines[len(lines)-1]) != "last" {
			t.Errorf("%d lines of %d: %v", len(lines), before, err)
		}
	})
}

// TestMemory: the same bounds, in memory.
func TestMemory(t *testing.T) {
	m := newMemory(30)
	for i := range 3 {
		if dropped, _ := m.add(fmt.Appendf(nil, "event-%03d", i)); dropped != 0 {
			t.Errorf("dropped %d at %d", dropped, i)
		}
	}
	if lines, _ := m.head(2); len(lines) != 2 {
		t.Errorf("%d", len(lines))
	}
	if dropped, _ := m.add([]byte("event-003")); dropped != 1 {
		t.Errorf("dropped %d", dropped)
	}
	_ = m.done(2)
	lines, _ := m.head(9)
	if len(lines) != 2 || string(lines[0]) != "event-002" || m.bytes != 18 {
		t.Errorf("%q, %d bytes", lines, m.bytes)
	}
}

func TestDirectoryOf(t *testing.T) {
	for _, name := range []string{"../../etc", "/", "a b", strings.Repeat("ä", 500), "", "."} {
		if d := directoryOf(name); strings.ContainsAny(d, "/. ") || len(d) > 60 {
			t.Errorf("%q: %q", name, d)
		}
	}
	if directoryOf("a b") == directoryOf("a_b") {
		t.Error("two share a directory")
	}
}
