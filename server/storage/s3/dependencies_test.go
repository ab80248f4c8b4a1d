package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestDeletionListsOnce counts the requests for a deletion that is refused, and for one that
// succeeds, in a repository of many manifests.
func TestDeletionListsOnce(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	ctx, repo := t.Context(), storagetest.Repo(t, "a")
	var all []*storagetest.Image
	for i := range 60 {
		all = append(all, storagetest.NewImage(t, fmt.Sprint(i), nil))
		all[i].Push(t, s, "a", fmt.Sprint("v", i%50), "latest")
	}
	index := storagetest.NewIndex(t, all...)
	index.Push(t, s, "a", "all")
	count := func(want map[string]int, do func() error) error {
		t.Helper()
		b.mu.Lock()
		clear(b.counts)
		b.mu.Unlock()
		err := do()
		for verb, n := range b.counts {
			if n > want[verb] {
				t.Errorf("%d times %s, want %d at most", n, verb, want[verb])
			}
		}
		return err
	}
	var needed *storage.NeededError
	layer := digest.FromBytes(all[7].Layer)
	err := count(map[string]int{"head": 1, "list": 1, "get": 1, "put": 1}, func() error {
		return s.DeleteBlob(ctx, repo, layer, false)
	})
	if !errors.As(err, &needed) {
		t.Errorf("a layer: %v", err)
	}
	again := openMemory(t, b, nil) // has no manifest in its cache
	alone := storagetest.PushBlob(t, again, "a", []byte("alone"))
	err = count(map[string]int{"head": 1, "list": 1, "get": 1, "delete": 1}, func() error {
		return again.DeleteBlob(ctx, repo, alone, false)
	})
	if err != nil {
		t.Errorf("a blob that nothing needs: %v", err)
	}
	err = count(map[string]int{"head": 1, "list": 1, "get": 1}, func() error {
		return again.DeleteManifest(ctx, repo, all[3].Digest, false)
	})
	if !errors.As(err, &needed) {
		t.Errorf("a part of the index: %v", err)
	}
}

// TestDeletionWithoutItsRecord deletes parts of tagged images after the record of what manifests
// need was lost or damaged, and in a bucket that other software filled.
func TestDeletionWithoutItsRecord(t *testing.T) {
	for name, change := range map[string]func(b *memoryBucket){
		"kept":    func(*memoryBucket) {},
		"missing": func(b *memoryBucket) { _ = b.delete(t.Context(), dependenciesKey("a")) },
		"damaged": func(b *memoryBucket) { b.set(dependenciesKey("a"), []byte("damaged")) },
		"filled by other software": func(b *memoryBucket) {
			for _, key := range b.keys(ours) {
				_ = b.delete(t.Context(), key)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newMemoryBucket()
			s := openMemory(t, b, nil)
			var all []*storagetest.Image
			for i := range 40 {
				all = append(all, storagetest.NewImage(t, fmt.Sprint(i), nil))
				all[i].Push(t, s, "a", "latest")
			}
			index := storagetest.NewIndex(t, all[:39]...)
			index.Push(t, s, "a", "all")
			if _, err := s.Reindex(t.Context()); err != nil {
				t.Fatal(err)
			}
			if name == "kept" && len(b.keys(dependencyIndex)) != 1 {
				t.Error("reindex writes no record")
			}
			_ = s.Close()
			change(b)
			s = openMemory(t, b, nil)
			repo := storagetest.Repo(t, "a")
			for _, i := range all {
				var needed *storage.NeededError
				if err := s.DeleteBlob(t.Context(), repo, digest.FromBytes(i.Layer), false); !errors.As(err, &needed) {
					t.Errorf("a layer: %v", err)
				}
				err := s.DeleteManifest(t.Context(), repo, i.Digest, false)
				if isLast := i == all[39]; isLast != (err == nil) || !isLast && !errors.As(err, &needed) {
					t.Errorf("a manifest: %v", err)
				}
			}
		})
	}
}

// TestFirstDeletionReadsManyManifestsAtOnce has each read of a manifest wait until 32 are under way.
func TestFirstDeletionReadsManyManifestsAtOnce(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	manifests := map[string]bool{}
	for i := range 40 {
		image := storagetest.NewImage(t, fmt.Sprint(i), nil)
		image.Push(t, s, "a", fmt.Sprint("v", i))
		manifests[blobKey(image.Digest)] = true
	}
	for _, key := range b.keys(ours) {
		if strings.HasPrefix(key, dependencyIndex) {
			_ = b.delete(t.Context(), key)
		}
	}
	s = openMemory(t, b, nil)
	alone := storagetest.PushBlob(t, s, "a", []byte("alone"))
	meet := meetingOf(32)
	b.before = func(_ context.Context, verb, key string) error {
		if verb == "get" && manifests[key] {
			return meet()
		}
		return nil
	}
	if err := s.DeleteBlob(t.Context(), storagetest.Repo(t, "a"), alone, false); err != nil {
		t.Error(err)
	}
}
