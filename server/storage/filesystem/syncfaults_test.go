package filesystem_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"packhouse/racetest"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestSyncsFailForAWhile makes about half of 24 syncs fail during pushes and
// checkpoints, in many patterns. Once they succeed again, so do pushes.
func TestSyncsFailForAWhile(t *testing.T) {
	inABubble(func(t *testing.T) {
		for seed := range racetest.Sample[uint64](400, 20) {
			memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})
			f := &faulty{Disk: memory, err: errDevice, only: "sync", stays: true}
			s, err := filesystem.OpenDisk(context.Background(), f, filesystem.Options{Barrier: filesystem.BarrierAuto, Journal: smallJournal})
			if err != nil {
				t.Fatal(err)
			}
			push := func(i int) error {
				return storagetest.TryBlob(s, storagetest.Repo(t, "a"), bytes.Repeat([]byte{byte(i)}, 2000))
			}
			if err := push(0); err != nil {
				t.Fatal(err)
			}
			elapse(time.Hour) // the work of the start is done
			pattern := rand.New(rand.NewPCG(seed, 1))
			f.mu.Lock()
			f.at, f.mask = f.calls+1, pattern.Uint64()&(1<<24-1)|1
			end := f.at + 24
			f.mu.Unlock()
			for i := 1; f.count() < end && i < 100; i++ {
				_ = push(i)
				if i%3 == 0 {
					elapse(time.Minute) // for a checkpoint
				}
			}
			if f.count() < end {
				t.Errorf("pattern %d: only %d syncs", seed, f.count())
			}
			for i := 100; i < 103; i++ {
				if err := push(i); err != nil {
					t.Errorf("pattern %d: pushes still fail: %v", seed, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("pattern %d: at the end: %v", seed, err)
			}
		}
	})(t)
}
