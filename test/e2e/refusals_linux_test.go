package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"packhouse/test/e2e/blockdevice"
)

// TestRandomlyRefusedWrites lets the device refuse one in eight writes of blob data under load,
// while pages are evicted again and again. Requests may fail. What was acknowledged must be served
// once the device accepts every write (P1), and at no time may a read succeed with wrong bytes (P2).
func TestRandomlyRefusedWrites(t *testing.T) {
	for _, name := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuseWrites(t, startOutage(t, name))
		})
	}
}

func refuseWrites(t *testing.T, o *outage) {
	mark := []byte("content of a blob")
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(12, 4))
	o.fault = &blockdevice.Fault{Action: blockdevice.Fail, Match: func(op blockdevice.Operation) bool {
		if !blockdevice.WithBlock(mark)(op) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(8) == 0
	}}
	o.volume.Image.Inject(o.fault)
	stop := make(chan struct{})
	var evicting sync.WaitGroup
	evicting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				_ = o.volume.Sync() // whether it reports a failure depends on who asked before
				_ = o.volume.Evict(storeOnVolume)
			}
		}
	})
	book, refused := loadRefused(t, o, mark, 4*time.Second)
	close(stop)
	evicting.Wait()
	o.fault.Lift()
	eventually(t, "health after the last refusal", patience, func() bool { return o.health() == http.StatusOK })

	objects := 0
	for _, when := range []string{"after the refusals", "after a restart"} {
		for _, h := range book {
			e := h.expect(o.volume.Image.Position())
			objects += e.objects()
			for _, err := range e.verify(o.installation, o.client, h.repository) {
				t.Errorf("%s: %v", when, err)
			}
		}
		o.server.stop()
		o.remount(t)
		o.serve()
	}
	t.Logf("%d writes and %d requests refused, %d acknowledged objects read", o.fault.Hits(), refused, objects)
	if o.fault.Hits() == 0 || objects == 0 {
		t.Errorf("%d writes refused and %d acknowledged objects prove nothing", o.fault.Hits(), objects)
	}
}

// loadRefused changes repositories for some time, with requests that may be refused. It returns
// what was acknowledged, and how many changes were not.
func loadRefused(t *testing.T, o *outage, mark []byte, length time.Duration) (book []*history, refused int) {
	t.Helper()
	end := time.Now().Add(length)
	var mu sync.Mutex
	var working sync.WaitGroup
	for n := range 3 {
		h := &history{repository: fmt.Sprintf("refused/r%d", n)}
		book = append(book, h)
		w := &worker{in: o.installation, client: o.client, device: o.volume.Image, history: h, marked: mark}
		w.random = rand.New(rand.NewPCG(12, uint64(n)))
		working.Go(func() {
			for ; time.Now().Before(end); w.serial++ {
				err := w.change()
				if r := (*refusedError)(nil); errors.As(err, &r) {
					mu.Lock()
					refused++
					mu.Unlock()
				} else if err != nil {
					t.Errorf("change %d of %s: %v", w.serial, h.repository, err)
					return
				}
				if err := readRecent(o, h); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	return book, refused
}

// readRecent reads the blob of the last acknowledged step with one. It may be absent for the moment
// while the server repairs it, but must not have wrong bytes.
func readRecent(o *outage, h *history) error {
	for _, s := range slices.Backward(h.steps) {
		if s.blob == "" || s.acked == never {
			continue
		}
		got, err := o.request(o.client, reader, "GET", "/v2/"+h.repository+"/blobs/"+s.blob, nil)
		if err == nil && got.status == http.StatusOK && digestOf(got.body) != s.blob {
			return fmt.Errorf("blob %s@%s is served with wrong bytes", h.repository, s.blob)
		}
		return nil
	}
	return nil
}
