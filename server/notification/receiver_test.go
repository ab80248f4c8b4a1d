package notification

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/config"
)

// TestHardReceivers: whatever a receiver does, an attempt comes to an end, and what it says of itself is bounded.
func TestHardReceivers(t *testing.T) {
	endless := func(w http.ResponseWriter) {
		for chunk := make([]byte, 32<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	slowly := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{'x'})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string // empty: it was taken
	}{
		"never answers":              {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "context deadline exceeded"},
		"takes it, without end":      {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, ""},
		"takes it, word by word":     {slowly, ""},
		"refuses it, without end":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); endless(w) }, "status 500"},
		"refuses it, word by word":   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503); slowly(w, r) }, "status 503"},
		"headers without end":        {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "server response headers exceeded"},
		"hangs up":                   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"redirects":                  {http.RedirectHandler("/elsewhere?token=canary", http.StatusFound).ServeHTTP, "status 302, and redirects are not followed"},
		"wants another method":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) }, "status 405"},
		"takes it without a content": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hangs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // until then the server does not notice that the client has left
				tc.answer(w, r)
			}))
			hangs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			hangs.Start()
			defer hangs.Close()
			timeout := patience
			if strings.Contains(name, "never") || strings.Contains(name, "word by word") {
				timeout = 500 * time.Millisecond // what begins to answer only then, on a machine that is busy, is asked again
			}
			n, stop := notifying(t, Options{Config: to(hangs.URL, func(e *config.Endpoint) { e.Threshold, e.Timeout = 1, timeout }), Sleep: func(ctx context.Context, _ time.Duration) {
				sleep(ctx, 10*time.Millisecond)
			}})
			n.Notify(Event{ID: "0"})
			var s Stat
			until(t, tc.says, func() bool {
				s = n.Stats()[0]
				if strings.Contains(s.Failing, "canary") || len(s.Failing) > 300 {
					t.Fatalf("%+v", s)
				}
				return tc.says == "" && s.Delivered == 1 || tc.says != "" && strings.Contains(s.Failing, tc.says)
			})
			stop()
			if tc.says != "" && s.Delivered != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestReceiverMoves: after a failure the name of a receiver is asked for again, though its old address still answers, or keeps its connection.
func TestReceiverMoves(t *testing.T) {
	was, is := newReceiver(t, func(int, []string) int { return 503 }), newReceiver(t, nil)
	var dialed atomic.Int64
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := was.Listener.Addr().String()
		if dialed.Add(1) > 1 {
			address = is.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
	mine := func() *http.Client { return client }
	n, stop := notifying(t, Options{Config: to("http://hooks.example.com/"), Client: mine, Sleep: func(context.Context, time.Duration) {}})
	n.Notify(Event{ID: "0"})
	is.delivered(t, 1)
	stop()
	if was.requests != 1 {
		t.Errorf("%d requests to where it was", was.requests)
	}
}

// TestRetryAfter verifies both forms, that invalid values are ignored, and that the pause is bounded.
func TestRetryAfter(t *testing.T) {
	date := time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC)
	for asked, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "0": 0, "nonsense": 0, "99999999999": longestPause, "99999999999999999999999": 0,
		date.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		date.Add(-time.Hour).Format(http.TimeFormat):       0,
		date.Add(time.Hour).Format(http.TimeFormat):        longestPause,
	} {
		h := http.Header{"Date": {date.Format(http.TimeFormat)}, "Retry-After": {asked}}
		if got := retryAfter(h); got != want {
			t.Errorf("%q: %s, want %s", asked, got, want)
		}
		h.Del("Date")
		if got := retryAfter(h); strings.Contains(asked, "GMT") && got != 0 {
			t.Errorf("%q without a clock: %s", asked, got)
		}
	}
}

// TestDamagedEntry: an event that a disk has damaged spoils none beside it, whatever a receiver says to what it cannot read.
func TestDamagedEntry(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(queueAt(t, filepath.Join(dir, directoryOf("hook"))), segmentBytes, maxSegments)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`{"id":"0"}`, `{"id":"1"}`, "\x00\x00\x00", `{"id":"2"`, `{"id":"3"}`, ``} {
		if _, err := j.add([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, nil)
	var log logged
	n, stop := notifying(t, Options{Config: to(r.URL), Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	n.Notify(Event{ID: "4"})
	if got := r.delivered(t, 4); !slices.Equal(got, []string{"0", "1", "3", "4"}) {
		t.Errorf("got %v", got)
	}
	stop()
	if s := n.Stats()[0]; s.Dropped != 3 || s.Pending != 0 || strings.Count(log.String(), "is damaged") != 3 {
		t.Errorf("%+v: %s", s, log.String())
	}
}

// TestRemovedQueue verifies that after the files of a queue were removed, later events survive a restart and lost ones are
// counted.
func TestRemovedQueue(t *testing.T) {
	for _, segments := range []int{1, 3} {
		t.Run(fmt.Sprint(segments), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "queue")
			j, err := openJournal(queueAt(t, dir), 20, 10)
			if err != nil {
				t.Fatal(err)
			}
			add := func(i int) (dropped int) {
				t.Helper()
				dropped, err := j.add(fmt.Appendf(nil, "event-%03d", i))
				if err != nil {
					t.Fatal(err)
				}
				return dropped
			}
			for i := range 2 * segments { // two in each
				add(i)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			dropped := 0
			for rounds := 0; ; rounds++ {
				lines, err := j.head(1)
				if err != nil || len(lines) != 1 {
					t.Fatalf("%q, %v", lines, err)
				}
				if err := j.done(1); err == nil {
					break
				} else if rounds > segments {
					t.Fatal(err)
				}
			}
			dropped += add(100)
			if want := 2 * (segments - 1); dropped != want {
				t.Errorf("%d are said to be lost, want %d", dropped, want)
			}
			waits := j.len()
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			if j, err = openJournal(queueAt(t, dir), 20, 10); err != nil {
				t.Fatal(err)
			}
			defer j.close()
			lines, err := j.head(10)
			if err != nil || waits != 2 || j.len() != 2 || string(lines[0]) != fmt.Sprintf("event-%03d", 2*segments-1) {
				t.Errorf("after a restart %d wait, %q, %v", j.len(), lines, err)
			}
		})
	}
}

// TestManyAtOnce verifies that changes, events and failures at the same time lose and misdirect no event.
func TestManyAtOnce(t *testing.T) {
	r, other := newReceiver(t, nil), newReceiver(t, nil)
	n, _ := notifying(t, Options{Config: hooks(r.URL, "stays"), Dir: t.TempDir()})
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 200 {
			n.Notify(Event{ID: fmt.Sprint(i)})
		}
	})
	group.Go(func() {
		for i := range 20 {
			c := hooks(r.URL, "stays")
			c.Endpoints[0].Backoff = time.Duration(i+1) * time.Millisecond
			if i%2 == 0 {
				c.Endpoints = append(c.Endpoints, hooks(other.URL, "comes and goes").Endpoints...)
			}
			reload(t, n, c)
		}
	})
	group.Wait()
	if got := r.delivered(t, 200); !slices.Equal(got, numbered(200)) {
		t.Errorf("got %v", got)
	}
	if got := other.seen(); len(got) != len(slices.Compact(slices.Sorted(slices.Values(got)))) {
		t.Errorf("twice: %v", got)
	}
}
