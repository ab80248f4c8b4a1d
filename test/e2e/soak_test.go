package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// soak is how long a soak loads the server.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return 30 * time.Second
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return length
}

// ledger is what the server acknowledged.
type ledger struct {
	mu     sync.Mutex
	pushed []pushed
	blobs  []pushed // pushed in pieces, without a manifest
	odd    []error  // refusals that no kill explains
	wanted int      // layers wanted again after their manifest was deleted
	gone   int      // of them those that were collected by then
}

func (l *ledger) count(gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted++
	if gone {
		l.gone++
	}
}

func (l *ledger) enter(p pushed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.manifest == "" {
		l.blobs = append(l.blobs, p)
	} else {
		l.pushed = append(l.pushed, p)
	}
}

func (l *ledger) complain(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd = append(l.odd, err)
}

// entries returns what came since a mark, and the next mark.
func (l *ledger) entries(from [2]int) ([]pushed, [2]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(append([]pushed(nil), l.pushed[from[0]:]...), l.blobs[from[1]:]...)
	return all, [2]int{len(l.pushed), len(l.blobs)}
}

// TestKilledUnderLoadKeepsItsWord kills the server without warning, again and
// again, while clients push, and after each start reads back every digest and
// tag that was acknowledged with a 2xx (P1).
func TestKilledUnderLoadKeepsItsWord(t *testing.T) {
	const workers = 6
	in := install(t)
	// Every kill leaves uploads open that nobody will finish.
	in.env = []string{"REGISTRY_HTTP_LIMITS_UPLOADSPERUSER=100000"}
	length := soak(t)
	end := time.Now().Add(length)
	var book ledger
	var mark [2]int
	kills := 0
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))

	for serial := uint64(0); time.Now().Before(end) || kills < 2; serial++ {
		s := in.serve()
		client := in.client()
		stop := make(chan struct{})
		var load sync.WaitGroup
		for worker := range workers {
			load.Go(func() { in.load(client, &book, stop, serial*1_000_000+uint64(worker)*100_000) })
		}
		time.Sleep(time.Duration(300+random.IntN(1200)) * time.Millisecond) // kill at a random moment of the load
		eventually(t, "enough pushes to prove something", patience, func() bool {
			acknowledged, _ := book.entries(mark)
			return len(acknowledged) >= 10
		})
		s.kill()
		close(stop)
		load.Wait()
		kills++

		s = in.serve()
		var fresh []pushed
		fresh, mark = book.entries(mark)
		in.readAllBack(fresh)
		s.kill()
		if t.Failed() {
			return
		}
	}

	s := in.serve()
	all, _ := book.entries([2]int{})
	in.readAllBack(all)
	s.stop()
	for i, err := range book.odd {
		t.Errorf("refused while the server was up: %v", err)
		if i == 9 {
			break
		}
	}
	t.Logf("%d kills in %v; %d pushes acknowledged, each read back", kills, length, len(all))
}

// load pushes until it is stopped, by every way there is to push.
func (in *installation) load(client *http.Client, book *ledger, stop <-chan struct{}, serial uint64) {
	for i := uint64(0); ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		seed := serial + i
		repository := fmt.Sprintf("soak/%c", 'a'+rune(seed%4))
		size := 1 << (seed % 18)
		layer := noise(seed, size+100+int(seed%97))
		if i%5 == 0 {
			// The same for all workers: the races of equal content.
			layer = noise(serial/1_000_000, 50_000)
		}
		var err error
		if i%4 == 3 {
			var digest string
			if digest, err = pushBlobInPieces(in, client, writer, repository, layer, 3); err == nil {
				book.enter(pushed{repository: repository, blobs: map[string]bool{digest: true}})
			}
		} else {
			result := pushArtifact(in, client, writer, repository, fmt.Sprintf("t-%d", seed), layer)
			err = result.err
			if len(result.blobs) > 0 {
				book.enter(result)
			}
		}
		if err == nil {
			continue
		}
		// A connection that broke is what kill does; an answer that refuses is not.
		if refused := (*refusedError)(nil); errors.As(err, &refused) {
			book.complain(err)
		}
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// readAllBack demands everything that was acknowledged of the running server.
func (in *installation) readAllBack(all []pushed) {
	client := in.client()
	work := make(chan pushed)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for p := range work {
				if err := p.readBack(in, client, reader); err != nil {
					in.t.Errorf("after the kill: %v", err)
				}
			}
		})
	}
	for _, p := range all {
		work <- p
	}
	close(work)
	readers.Wait()
}
