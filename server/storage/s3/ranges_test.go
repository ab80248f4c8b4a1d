package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/storagetest"
)

// busyBucket answers listings after a second and counts those in progress.
type busyBucket struct {
	*memoryBucket
	lists, running, most atomic.Int64
}

func (b *busyBucket) list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	b.lists.Add(1)
	now := b.running.Add(1)
	defer b.running.Add(-1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}
	if err := pause(ctx, time.Second); err != nil {
		return page{}, err
	}
	return b.memoryBucket.list(ctx, prefix, after, limit, folders)
}

// TestWalkRanges verifies that a listing in ranges calls do for the same keys as walk, in the same order,
// in parallel, and after changes.
func TestWalkRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busyBucket{memoryBucket: newMemoryBucket()}
		set := func(from, to int, format string) {
			for i := from; i < to; i++ {
				b.set(fmt.Sprintf(format, i), []byte("x"))
			}
		}
		set(0, 20_000, "p/%06d")
		var ends []string
		list := func(what string, took time.Duration, requests int64, want error) {
			t.Helper()
			var got []string
			began := time.Now()
			b.lists.Store(0)
			next, err := walkRanges(t.Context(), b, "p/", ends, func(o object) error {
				got = append(got, o.key)
				return nil
			})
			if !errors.Is(err, want) || err == nil && !slices.Equal(got, b.keys("p/")) {
				t.Errorf("%s: %d keys, %v, want %d, %v", what, len(got), err, len(b.keys("p/")), want)
			}
			if err == nil && (time.Since(began) != took || b.lists.Load() != requests) {
				t.Errorf("%s: %d requests in %v, want %d in %v", what, b.lists.Load(), time.Since(began), requests, took)
			}
			ends = next
		}
		list("first", 20*time.Second, 20, nil)
		list("again", time.Second, 21, nil)
		if most := b.most.Load(); most != 21 {
			t.Errorf("%d listings at once, want 21", most)
		}
		set(500, 700, "p/%06d-new")
		list("with more keys", 2*time.Second, 22, nil)
		for i := 3000; i < 3005; i++ {
			delete(b.objects, fmt.Sprintf("p/%06d", i))
		}
		list("with fewer keys", time.Second, 21, nil)
		set(5000, 12_000, "p/005000-%06d")
		list("with many more keys", 0, 0, errMoved)
		list("first again", 28*time.Second, 28, nil)
		delete(b.objects, ends[3])
		list("without an end", 0, 0, errMoved)
		if running := b.running.Load(); running != 0 {
			t.Errorf("%d listings go on", running)
		}
	})
}

// TestWalkRangesStops verifies that no request is left when the caller ends a listing early.
func TestWalkRangesStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busyBucket{memoryBucket: newMemoryBucket()}
		var ends []string
		for i := range 40_000 {
			key := fmt.Sprintf("p/%06d", i)
			b.set(key, []byte("x"))
			if i%mostListed == mostListed-1 {
				ends = append(ends, key)
			}
		}
		_, err := walkRanges(t.Context(), b, "p/", ends, func(object) error { return errEnough })
		if !errors.Is(err, errEnough) || b.running.Load() != 0 {
			t.Errorf("%v, %d listings go on", err, b.running.Load())
		}
		if most := b.most.Load(); most > rangesWide {
			t.Errorf("%d listings at once, want at most %d", most, rangesWide)
		}
	})
}

// TestDeletionsInRanges deletes manifests of a large repository that other processes change meanwhile.
func TestDeletionsInRanges(t *testing.T) {
	b := newMemoryBucket()
	s, other := openMemory(t, b, nil), openMemory(t, b, nil)
	defer s.Close()
	defer other.Close()
	repo, image := storagetest.Repo(t, "a"), storagetest.NewImage(t, "many", nil)
	image.Push(t, s, "a", "t")
	for i := range 2500 { // as copies of the tag
		tag := fmt.Sprintf("t%04d", i)
		for _, key := range []string{tagLink("a", tag), tagHistoryLink("a", tag, image.Digest)} {
			b.set(key, []byte(image.Digest))
		}
	}
	remove := func(what string, d digest.Digest) {
		t.Helper()
		if err := s.DeleteManifest(t.Context(), repo, d, false); err != nil {
			t.Errorf("delete %s: %v", what, err)
		}
		for _, key := range b.keys(tagsPrefix("a")) {
			if k, ok := parseRepoKey(key); ok && k.kind == tagKind && string(b.objects[key].body) == string(d) {
				t.Errorf("after deleting %s, %s points to it", what, k.tag)
			}
		}
	}
	first, second := storagetest.NewImage(t, "first", nil), storagetest.NewImage(t, "second", nil)
	first.Push(t, s, "a", "t0500-first", "zz-first")
	remove("the first", first.Digest)
	if ends, _ := s.ranges.Get("a"); len(ends) != 5 {
		t.Errorf("%d ends, want 5", len(ends))
	}
	second.Push(t, other, "a", "a-second", "t0700-second", "t2000", "zz-second")
	remove("the second", second.Digest)
	remove("what most tags point to", image.Digest)
	third := storagetest.NewImage(t, "third", nil)
	third.Push(t, other, "a", "t0001", "t2499")
	remove("the third", third.Digest)
}
