package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// sickStore is a store whose health the test decides.
type sickStore struct {
	storage.Store
	health error

	mu                          sync.Mutex
	collected, purged, scrubbed []time.Time
	failing                     error
}

// fail makes every chore fail from now on.
func (s *sickStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// done returns when each chore was done.
func (s *sickStore) done() (collected, purged, scrubbed []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collected, s.purged, s.scrubbed
}

func (s *sickStore) Health(context.Context) error { return s.health }

func (s *sickStore) Close() error { return nil }

func (s *sickStore) Collect(_ context.Context, o storage.CollectOptions, _ func(storage.Verdict)) (storage.CollectReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collected = append(s.collected, time.Now())
	return storage.CollectReport{BytesFreed: int64(o.Window)}, s.failing
}

func (s *sickStore) PurgeUploads(context.Context, time.Duration, bool) (storage.PurgeReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged = append(s.purged, time.Now())
	return storage.PurgeReport{}, s.failing
}

func (s *sickStore) Scrub(_ context.Context, _ storage.ScrubOptions, report func(storage.Damage)) (storage.ScrubReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrubbed = append(s.scrubbed, time.Now())
	report(storage.Damage{What: "a bit fell over"})
	return storage.ScrubReport{}, s.failing
}

// TestHealthNeedsNoCredentials: not even wrong ones are looked at.
func TestHealthNeedsNoCredentials(t *testing.T) {
	f := newFixture(t)
	for range 100 {
		r := httptest.NewRequest(http.MethodGet, "/health", nil)
		r.SetBasicAuth("admin", "wrong")
		w := httptest.NewRecorder()
		if f.server.ServeHTTP(w, r); w.Code != 200 {
			t.Fatalf("%d", w.Code)
		}
	}
	if s := f.server.auth.Stats(); s.Hashes != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestProbes: a file that takes the server out of service, an address and a page that have to answer.
func TestProbes(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Probe") != "1" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer page.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const often = 10 * time.Millisecond
	f := newFixture(t, func(f *fixture, c *config.Config) {
		c.Health.File = []config.FileHealth{{File: f.path("maintenance"), Interval: often}}
		c.Health.TCP = []config.TCPHealth{{Addr: l.Addr().String(), Interval: often, Threshold: 2}}
		c.Health.HTTP = []config.HTTPHealth{{URI: page.URL, Headers: map[string][]string{"x-probe": {"1"}}, Interval: often, Threshold: 1}}
	})
	base, client := f.run(), f.client()
	health := func(want string) {
		t.Helper()
		f.eventually(want, func() bool { return f.ask(client, http.MethodGet, base+"/health", "", nil).body == want })
	}
	health(`{"status":"UP"}`)
	f.write("maintenance", nil)
	health(`{"status":"DOWN","codes":["file"]}`)
	l.Close()
	health(`{"status":"DOWN","codes":["file","tcp"]}`)
	page.Close()
	health(`{"status":"DOWN","codes":["file","http","tcp"]}`)
	os.Remove(f.path("maintenance"))
	health(`{"status":"DOWN","codes":["http","tcp"]}`)
}

// TestUpkeep: the chores are done at their intervals, a failure ends none of them, and a reload changes them.
func TestUpkeep(t *testing.T) {
	f := newFixture(t)
	synctest.Test(t, func(t *testing.T) {
		sick := &sickStore{}
		s := &Server{store: sick, log: f.server.log, now: time.Now, metrics: f.server.metrics}
		c := *f.server.current.Load().config
		c.Storage.Maintenance.GC.Interval = time.Hour
		c.Storage.Maintenance.Scrub.Interval = 0
		c.Storage.Maintenance.UploadPurging.Interval = 2 * time.Hour
		s.current.Store(&state{config: &c})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		s.startUpkeep(ctx, &group)
		began := time.Now()

		time.Sleep(firstUpkeep - time.Second)
		if collected, _, _ := sick.done(); len(collected) != 0 {
			t.Error("it began at once")
		}
		time.Sleep(10*time.Hour + firstUpkeep)
		collected, purged, scrubbed := sick.done()
		if n := len(collected); n < 9 || n > 12 {
			t.Errorf("%d collections in ten hours", n)
		}
		if n := len(purged); n < 5 || n > 7 {
			t.Errorf("%d purges in ten hours", n)
		}
		if first := collected[0].Sub(began); first < firstUpkeep || first > 2*firstUpkeep {
			t.Errorf("the first after %s", first)
		}
		if len(scrubbed) != 0 {
			t.Error("scrubbed although it is off")
		}

		sick.fail(errors.New("the disk is tired"))
		n := len(collected)
		changed := c
		changed.Storage.Maintenance.Scrub.Interval = time.Hour
		changed.Storage.Maintenance.UploadPurging.Enabled = false
		s.current.Store(&state{config: &changed})
		time.Sleep(5 * time.Hour)
		if collected, _, scrubbed = sick.done(); len(collected) < n+4 || len(scrubbed) < 4 {
			t.Errorf("%d collections, %d scrubs after a failure and a reload", len(collected)-n, len(scrubbed))
		}
		cancel()
		group.Wait()
		if !strings.Contains(f.log.String(), "the disk is tired") || !strings.Contains(f.log.String(), "a bit fell over") {
			t.Errorf("the log is silent:\n%s", f.log)
		}
	})
}

func TestReadOnlyServerLeavesTheStoreAlone(t *testing.T) {
	f := newFixture(t)
	synctest.Test(t, func(t *testing.T) {
		sick := &sickStore{}
		c := *f.server.current.Load().config
		c.Storage.Maintenance.ReadOnly.Enabled = true
		s := &Server{store: sick, log: f.server.log, now: time.Now, metrics: f.server.metrics}
		s.current.Store(&state{config: &c})
		var group sync.WaitGroup
		s.startUpkeep(t.Context(), &group)
		group.Wait()
		if len(sick.collected)+len(sick.purged)+len(sick.scrubbed) != 0 {
			t.Error("something was done")
		}
	})
}
