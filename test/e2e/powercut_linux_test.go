package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"packhouse/test/e2e/blockdevice"
)

// TestPowerCutLosesNothingAcknowledged pushes to a store on a recorded device and then mounts what
// the device may hold after a power cut at many points: everything before the last flush, and a
// random part of what was written after it. Some starts after a cut are cut, too. Whatever was
// acknowledged before the cut must be there (P1), and nothing may have wrong bytes (P2).
func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	for _, c := range []struct {
		fileSystem string
		states     int
	}{{"ext4", 20}, {"xfs", 10}, {"btrfs", 10}} {
		t.Run(c.fileSystem, func(t *testing.T) {
			t.Parallel()
			cutPower(t, fileSystem(t, c.fileSystem), c.states)
		})
	}
}

func cutPower(t *testing.T, f blockdevice.FileSystem, states int) {
	v := createVolume(t, f)
	in := installOn(t, v)
	client := in.client()
	s := in.serve()
	// The first push creates directories that every store has.
	if first := pushArtifact(in, client, admin, "cut/first", "v1", noise(1, 10)); first.err != nil {
		t.Fatalf("push: %v", first.err)
	}
	if err := v.Sync(); err != nil {
		t.Fatal(err)
	}
	cutter := v.Image.Record()
	began := v.Image.Position()
	book := loadUntilCut(t, in, v.Image, 3*time.Second)
	ended := v.Image.Position()
	s.kill()
	client.CloseIdleConnections()
	if err := v.Unmount(); err != nil {
		t.Fatal(err)
	}

	random := rand.New(rand.NewPCG(12, 1))
	objects, atRisk, recoveries := 0, 0, states/5
	for _, cut := range chooseCuts(random, cutter, book, states, began, ended) {
		cut.Tear = f.Tear
		atRisk += cutter.AtRisk(cut.At)
		image := cutter.State(cut, random)
		if recoveries > 0 {
			recoveries--
			again := cutRecovery(t, in, f, image.Clone(), random)
			objects += verifyCut(t, in, f, again, cut, book)
		}
		objects += verifyCut(t, in, f, image, cut, book)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d states of %d operations, %d writes at risk, %d acknowledged objects read", states, ended, atRisk, objects)
	if atRisk == 0 || objects < states {
		t.Errorf("%d writes at risk and %d acknowledged objects in %d states prove nothing", atRisk, objects, states)
	}
}

// chooseCuts returns cuts in ascending order. Half of them are right behind an acknowledgement and
// lose everything that was not flushed, which is the hardest case for what was acknowledged. The
// other half are where many writes are at risk, and keep some of them, in any order.
func chooseCuts(random *rand.Rand, cutter *blockdevice.Cutter, book []*history, count, from, to int) []blockdevice.Cut {
	var acknowledged []int
	for _, h := range book {
		acknowledged = append(acknowledged, h.acknowledged()...)
	}
	slices.Sort(acknowledged)
	keeps := []float64{0.1, 0.5, 0.9, 1}
	cuts := make([]blockdevice.Cut, count)
	for i := range cuts {
		if i%2 == 0 {
			cuts[i].At = acknowledged[random.IntN(len(acknowledged))]
			continue
		}
		for range 8 {
			if at := from + random.IntN(to-from+1); cutter.AtRisk(at) >= cutter.AtRisk(cuts[i].At) {
				cuts[i].At = at
			}
		}
		cuts[i].Keep = keeps[random.IntN(len(keeps))]
	}
	slices.SortFunc(cuts, func(a, b blockdevice.Cut) int { return a.At - b.At })
	return cuts
}

// cutRecovery starts a server on what a cut left, and returns what a second cut leaves during its
// start, while it replays its journal.
func cutRecovery(
	t *testing.T, in *installation, f blockdevice.FileSystem, image *blockdevice.Image, random *rand.Rand,
) *blockdevice.Image {
	t.Helper()
	v, err := blockdevice.Open(f, image)
	if err != nil {
		t.Fatalf("mount after a cut: %v", err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("close volume: %v", err)
		}
	}()
	cutter := image.Record()
	in.moveTo(v)
	in.serve().kill()
	cut := blockdevice.Cut{At: random.IntN(image.Position() + 1), Keep: random.Float64(), Tear: f.Tear}
	return cutter.State(cut, random)
}

// verifyCut serves the store that a cut left and returns how many acknowledged objects it has.
func verifyCut(
	t *testing.T, in *installation, f blockdevice.FileSystem,
	image *blockdevice.Image, cut blockdevice.Cut, book []*history,
) (objects int) {
	t.Helper()
	v, err := blockdevice.Open(f, image)
	if err != nil {
		t.Errorf("mount after %+v: %v", cut, err)
		return 0
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("close volume: %v", err)
		}
	}()
	in.moveTo(v)
	s := in.serve()
	defer s.kill()
	client := in.client()
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var checking sync.WaitGroup
	for _, h := range book {
		checking.Go(func() {
			e := h.expect(cut.At)
			wrong := e.verify(in, client, h.repository)
			mu.Lock()
			defer mu.Unlock()
			objects += e.objects()
			for _, err := range wrong {
				t.Errorf("after %+v: %v", cut, err)
			}
		})
	}
	checking.Wait()
	if again := pushArtifact(in, client, admin, "cut/after", "v1", noise(7, 1000)); again.err != nil {
		t.Errorf("push after %+v: %v", cut, again.err)
	}
	if t.Failed() {
		t.Logf("the server said after %+v:\n%s", cut, s.log.tail())
	}
	return objects
}

// loadUntilCut changes repositories for some time and returns what was acknowledged.
func loadUntilCut(t *testing.T, in *installation, device *blockdevice.Image, length time.Duration) []*history {
	t.Helper()
	const workers = 4
	end := time.Now().Add(length)
	book := make([]*history, workers)
	var working sync.WaitGroup
	for n := range book {
		book[n] = &history{repository: fmt.Sprintf("cut/r%d", n)}
		w := &worker{in: in, client: in.client(), device: device, history: book[n]}
		w.random = rand.New(rand.NewPCG(12, uint64(n)))
		working.Go(func() {
			const most = 200 // bounds the time that verifying takes
			for w.serial = 0; w.serial < most && (time.Now().Before(end) || w.serial < 20); w.serial++ {
				if err := w.change(); err != nil {
					t.Errorf("change %d of %s: %v", w.serial, w.history.repository, err)
					return
				}
			}
		})
	}
	working.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return book
}

// worker changes one repository.
type worker struct {
	in      *installation
	client  *http.Client
	device  *blockdevice.Image
	history *history
	random  *rand.Rand
	serial  int
	tagged  []step // what deletions can choose from
	marked  []byte // what each block of content begins with; empty means nothing
}

// mark writes w.marked into the start of every block of content, so that a fault can find it.
func (w *worker) mark(content []byte) {
	for at := 0; at < len(content); at += 4096 {
		copy(content[at:], w.marked)
	}
}

// record runs a step and notes when it started and, if it succeeded, when it was acknowledged.
func (w *worker) record(s step, run func() error) error {
	s.started = w.device.Position()
	number := w.history.begin(s)
	if err := run(); err != nil {
		return err
	}
	w.history.acknowledge(number, w.device.Position())
	return nil
}

// change makes one random change: mostly an artifact under a tag of its own or one that moves,
// and at times a deletion.
func (w *worker) change() error {
	if len(w.tagged) > 3 && w.random.IntN(6) == 0 {
		return w.remove()
	}
	content := noise(uint64(w.random.Uint32()), w.size())
	w.mark(content)
	if w.random.IntN(4) == 0 {
		return w.record(step{blob: digestOf(content)}, func() error {
			_, err := pushBlobInPieces(w.in, w.client, admin, w.history.repository, content, 3)
			return err
		})
	}
	config := []byte("{}")
	for _, blob := range [][]byte{content, config} {
		if err := w.record(step{blob: digestOf(blob)}, func() error {
			_, err := pushBlob(w.in, w.client, admin, w.history.repository, blob)
			return err
		}); err != nil {
			return err
		}
	}
	manifest, err := manifestOf(config, content)
	if err != nil {
		return err
	}
	s := step{manifest: digestOf(manifest), tag: fmt.Sprintf("moving-%d", w.random.IntN(2))}
	if w.random.IntN(2) == 0 {
		s.tag = fmt.Sprintf("v%d", w.serial)
		w.tagged = append(w.tagged, s)
	}
	return w.record(s, func() error {
		return putManifest(w.in, w.client, admin, w.history.repository, s.tag, config, content).err
	})
}

// remove deletes a tag, or the manifest with its tag.
func (w *worker) remove() error {
	chosen := w.random.IntN(len(w.tagged))
	s := w.tagged[chosen]
	w.tagged = slices.Delete(w.tagged, chosen, chosen+1)
	s.deleted = true
	reference := s.manifest
	if w.random.IntN(2) == 0 {
		reference, s.manifest = s.tag, ""
	}
	return w.record(s, func() error {
		got, err := w.in.request(w.client, admin, "DELETE", "/v2/"+w.history.repository+"/manifests/"+reference, nil)
		if err == nil && got.status != http.StatusAccepted {
			err = &refusedError{"delete " + reference, got}
		}
		return err
	})
}

// size returns the size of a blob: most are small enough to be in the store's journal.
func (w *worker) size() int {
	if w.random.IntN(5) == 0 {
		return 66_000 + w.random.IntN(200_000)
	}
	return 1 + w.random.IntN(20_000)
}
