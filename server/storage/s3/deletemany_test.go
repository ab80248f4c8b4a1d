package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/storage"
)

// TestDeletionOfMany deletes with few requests where the service can, and one by one where it cannot.
func TestDeletionOfMany(t *testing.T) {
	errHeld := errors.New("held")
	for name, one := range map[string]struct {
		before        func(op string, w http.ResponseWriter, r *http.Request) bool
		fails         string // a key that cannot be deleted
		together, one int    // requests
	}{
		"as S3": {together: 3},
		"without DeleteObjects": {before: func(op string, w http.ResponseWriter, _ *http.Request) bool {
			if op == "DeleteObjects" {
				refuse(w, 501, "NotImplemented")
			}
			return op == "DeleteObjects"
		}, together: 1, one: 2500},
		"that confirms nothing": {before: func(op string, w http.ResponseWriter, _ *http.Request) bool {
			if op == "DeleteObjects" {
				fmt.Fprint(w, "<DeleteResult></DeleteResult>")
			}
			return op == "DeleteObjects"
		}, together: 3, one: 2500},
		"with a key that stays": {fails: "key 1700", together: 3, one: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newMemoryBucket()
			f := startFake(t, b)
			f.before = one.before
			cfg := f.config()
			cfg.MaxRetries = 1
			c, err := newClient(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for i := range 2500 {
				keys = append(keys, fmt.Sprintf("key %d", i))
				b.set(keys[i], []byte("x"))
			}
			b.before = func(_ context.Context, verb, key string) error {
				if verb == "delete" && key == one.fails {
					return errHeld
				}
				return nil
			}
			failed := c.deleteMany(t.Context(), keys)
			want := 0
			if one.fails != "" {
				want = 1
			}
			if len(failed) != want || want == 1 && failed[one.fails] == nil || len(b.keys("")) != want {
				t.Errorf("failed: %v, left: %d", failed, len(b.keys("")))
			}
			together, single := len(f.requests("DeleteObjects")), len(f.requests("DeleteObject"))
			if together < one.together || together > 2*one.together || single < one.one || single > 2*one.one {
				t.Errorf("%d and %d requests, want %d and %d", together, single, one.together, one.one)
			}
		})
	}
}

// TestCollectionDeletesManyAtOnce counts the requests that a dead blob costs: two markers and a
// share of the deletions.
func TestCollectionDeletesManyAtOnce(t *testing.T) {
	b := newMemoryBucket()
	f := startFake(t, b)
	loose(b, 600)
	s, err := Open(t.Context(), Options{
		Config: f.config(), Window: 2 * time.Hour, Settle: time.Millisecond,
		Now: func() time.Time { return time.Now().Add(3 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.life.background.Wait()
	before := f.count()
	r, err := s.Collect(t.Context(), storage.CollectOptions{}, nil)
	if err != nil || r.BlobsRemoved != 600 || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := f.count() - before; n > 1300 {
		t.Errorf("%d requests for 600 blobs", n)
	}
}

// meetingOf returns a function that waits until atOnce of its callers wait together, and never
// afterwards.
func meetingOf(atOnce int32) func() error {
	var under atomic.Int32
	met := make(chan struct{})
	return func() error {
		if under.Add(1) == atOnce {
			close(met)
		}
		select {
		case <-met:
			return nil
		case <-time.After(time.Minute):
			return errors.New("too few at once")
		}
	}
}

// TestCollectionWritesManyMarkersAtOnce has each write of a marker wait until 64 are under way, in
// both phases of a collection.
func TestCollectionWritesManyMarkersAtOnce(t *testing.T) {
	const atOnce, dead = 64, 4 * 128
	b := newMemoryBucket()
	loose(b, dead)
	s := openMemory(t, b, func(o *Options) {
		o.Window, o.Settle = 2*time.Hour, time.Millisecond
		o.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	})
	defer s.Close()
	var mu sync.Mutex
	writes := map[string]int{}
	first, second := meetingOf(atOnce), meetingOf(atOnce)
	b.before = func(_ context.Context, verb, key string) error {
		if verb != "put" || !strings.HasPrefix(key, markersDir) {
			return nil
		}
		mu.Lock()
		writes[key]++
		again := writes[key] > 1
		mu.Unlock()
		if again {
			return second()
		}
		return first()
	}
	r, err := s.Collect(t.Context(), storage.CollectOptions{}, nil)
	if err != nil || r.BlobsRemoved != dead || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestListingThatIsCutOff lists although the connection breaks within the answer.
func TestListingThatIsCutOff(t *testing.T) {
	b := newMemoryBucket()
	f := startFake(t, b)
	for i := range 20 {
		b.set(fmt.Sprint("key ", i), []byte("x"))
	}
	var cut atomic.Int32
	how := map[string]func(w http.ResponseWriter){
		"within its length": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>key 1")
			panic(http.ErrAbortHandler)
		},
		"without a length": func(w http.ResponseWriter) {
			fmt.Fprint(w, "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>key 1</Key></Contents>")
		},
		"before its body": func(http.ResponseWriter) {},
	}
	for name, broken := range how {
		t.Run(name, func(t *testing.T) {
			cut.Store(0)
			f.before = func(op string, w http.ResponseWriter, _ *http.Request) bool {
				if !strings.HasPrefix(op, "List") || cut.Add(1) > 2 {
					return false
				}
				broken(w)
				return true
			}
			c, err := newClient(t.Context(), f.config())
			if err != nil {
				t.Fatal(err)
			}
			if p, err := c.list(t.Context(), "", "", 1000, false); err != nil || len(p.objects) != 20 {
				t.Errorf("%d objects, %v", len(p.objects), err)
			}
		})
	}
}
