package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// loose fills a bucket with blobs that nothing refers to, older than the window, and returns them in the order in which they are deleted.
func loose(b *memoryBucket, n int) (all []digest.Digest) {
	was := b.clock
	b.clock = func() time.Time { return was().Add(-24 * time.Hour) }
	defer func() { b.clock = was }()
	for i := range n {
		content := []byte(fmt.Sprint("loose ", i))
		d := digest.FromBytes(content)
		b.set(blobKey(d), content)
		b.set(layerLink("a", d), []byte(d))
		b.set(repositoryEntry("a"), []byte("a"))
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}

// TestACollectorThatWasStoppedDeletesNothingMore stops the collecting process in the middle of its deletions for longer than anybody believes in it,
// as SIGSTOP does, or a hypervisor that moves a machine. Meanwhile another one takes its announcement for that of a dead process and removes it, so
// that pushes look at no markers, and one of them needs a blob that was condemned.
func TestACollectorThatWasStoppedDeletesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		all := loose(b, sweepWide+1)
		last, repo := all[sweepWide], storagetest.Repo(t, "a") // which is only begun when another one is done with
		of := func() *Store {
			s := newStore(t.Context(), b, Options{Config: config.S3Storage{Bucket: "b"}, Window: window, Settle: time.Minute})
			s.traits = Traits{true, true, true, true, true, true}
			close(s.indexed)
			return s
		}
		collector, pusher := of(), of()
		var wake time.Time
		var mu sync.Mutex
		stopped := make(chan struct{})
		b.before = func(ctx context.Context, verb, key string) error {
			if ctx.Value(actorKey{}) != "collect" {
				return nil
			}
			mu.Lock()
			if wake.IsZero() && verb == "delete" {
				wake = time.Now().Add(25 * time.Minute)
				close(stopped)
			}
			until, stands := wake, !wake.IsZero()
			mu.Unlock()
			if strings.HasPrefix(key, runsDir) || strings.HasPrefix(key, leaseDir) {
				until = until.Add(time.Second) // it learns last that nobody believes in it any more
			}
			if stands {
				time.Sleep(time.Until(until))
			}
			return nil
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = collector.Collect(context.WithValue(t.Context(), actorKey{}, "collect"), storage.CollectOptions{}, nil)
		}()
		<-stopped
		time.Sleep(abandoned + time.Minute)
		if err := pusher.forgetAbandoned(t.Context()); err != nil || len(b.keys(runsDir)) > 0 {
			t.Fatalf("the announcement of the process that stands still is there: %v", err)
		}
		if _, err := pusher.StatBlob(t.Context(), repo, last, true); err != nil {
			t.Fatalf("needed while the collector stood still: %v", err)
		}
		<-done
		if _, err := pusher.StatBlob(t.Context(), repo, last, false); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	})
}

// TestADeletionThatArrivesLate keeps the first attempt of a collector to delete a blob on the way, until the second one has deleted it and the
// collection is over. Who pushes the blob again meanwhile must not lose it to the first.
func TestADeletionThatArrivesLate(t *testing.T) {
	t.Parallel()
	for what, key := range map[string]func(d digest.Digest) string{
		"data": blobKey,
		"link": func(d digest.Digest) string { return layerLink("a", d) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, newMemoryBucket())
			d, repo, content := loose(f.b, 1)[0], storagetest.Repo(t, "a"), []byte("loose 0")
			quick := func(ahead time.Duration) *Store {
				s := openEngine(t, f.config(), func(o *Options) {
					o.Settle, o.Now = 20*time.Millisecond, func() time.Time { return time.Now().Add(ahead) }
				})
				s.client.transport.pause = time.Millisecond
				return s
			}
			collector := quick(0)
			arrive := f.delayed(collector.client, func(op string, r *http.Request) bool {
				return op == "DeleteObject" && strings.HasSuffix(r.URL.Path, key(d))
			})
			r, err := collector.Collect(t.Context(), storage.CollectOptions{}, nil)
			if err != nil || r.BlobsRemoved != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := storagetest.TryBlob(quick(0), repo, content); !errors.Is(err, storage.ErrBusy) {
				t.Errorf("pushed while the blob may still be deleted: %v", err)
			}
			arrive()
			// Nothing that was sent can still arrive.
			later := quick(abandoned + time.Second)
			if err := storagetest.TryBlob(later, repo, content); err != nil {
				t.Fatalf("afterwards: %v", err)
			}
			if _, err := later.StatBlob(t.Context(), repo, d, false); err != nil {
				t.Errorf("acknowledged and lost: %v", err)
			}
			if w, err := later.look(t.Context()); err != nil || w.active {
				t.Errorf("pushes still look at markers: %v", err)
			}
			if r, err := later.Collect(t.Context(), storage.CollectOptions{}, nil); err != nil || r.Skipped != "" {
				t.Errorf("%+v, %v", r, err)
			}
			if left := append(f.b.keys(runsDir), f.b.keys(markersDir)...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestACollectionThatIsStoppedEndsWhatItBegan cancels a collection in the middle of a deletion: a request that nobody waits for may be carried out
// at any time.
func TestACollectionThatIsStoppedEndsWhatItBegan(t *testing.T) {
	b := newMemoryBucket()
	all := loose(b, 3*sweepWide*sweptTogether)
	s := newStoreOn(b)
	s.opt.Window, s.opt.Settle = window, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "delete" && strings.HasPrefix(key, theirs) {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	r, err := s.Collect(ctx, storage.CollectOptions{}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
	b.before = nil
	half, gone := 0, 0
	for _, d := range all {
		_, link := b.objects[layerLink("a", d)]
		_, data := b.objects[blobKey(d)]
		if link != data {
			half++
		}
		if !data {
			gone++
		}
	}
	if half > 0 || gone == 0 || gone > sweepWide*sweptTogether || r.BlobsRemoved != gone {
		t.Errorf("%d are gone, the report says %d, of %d one half", gone, r.BlobsRemoved, half)
	}
	if left := b.keys(runsDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, key := range b.keys(markersDir) {
		if strings.Contains(string(b.objects[key].body), deleting) {
			t.Errorf("it left %s behind at deleting", key)
		}
	}
}

// TestAPushOnAMachineThatSlept stops the clock that counts the seconds, as a machine does that is put to sleep or moved, in the middle of a push.
// Meanwhile a collection came and went.
func TestAPushOnAMachineThatSlept(t *testing.T) {
	b := newMemoryBucket()
	var ahead atomic.Int64
	b.clock = func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(ahead.Load())) }
	of := func() *Store {
		s := newStore(t.Context(), b, Options{Config: config.S3Storage{Bucket: "b"}, Window: window, Settle: 50 * time.Millisecond, Now: b.clock})
		s.traits = Traits{true, true, true, true, true, true}
		close(s.indexed)
		return s
	}
	pusher, collector := of(), of()
	pusher.opt.Settle = time.Hour // so that the clock that stands still never says that anything is old
	image := storagetest.NewImage(t, "one", nil)
	var slept atomic.Bool
	b.before = func(_ context.Context, verb, key string) error {
		if verb != "put" || key != blobKey(image.Digest) || !slept.CompareAndSwap(false, true) {
			return nil
		}
		ahead.Store(int64(window + time.Minute))
		if r, err := collector.Collect(t.Context(), storage.CollectOptions{}, nil); err != nil || r.BlobsRemoved != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		return nil
	}
	err := image.TryPush(t, pusher, "a", "v1")
	if !slept.Load() {
		t.Fatal("it did not sleep")
	}
	if err != nil {
		if missing := (*storage.MissingError)(nil); !errors.As(err, &missing) && !errors.Is(err, storage.ErrBlobUnknown) && !errors.Is(err, storage.ErrBusy) {
			t.Errorf("refused with %v", err)
		}
		return
	}
	if err := image.TryCheck(t, collector, "a", "v1"); err != nil {
		t.Errorf("acknowledged and lost: %v", err)
	}
}
