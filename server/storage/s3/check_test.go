package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// checked opens a blob and asks whether a part of it may be handed out, as the registry does for a range.
func checked(t *testing.T, s *Store, d digest.Digest) (storage.Blob, error) {
	t.Helper()
	blob, err := s.OpenBlob(t.Context(), storagetest.Repo(t, "a"), d)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = blob.Close() })
	if c, ok := blob.Content().(storage.Checker); ok {
		return blob, c.Check()
	}
	return blob, nil
}

// gets counts what is asked for of a blob's data.
func gets(b *memoryBucket, d digest.Digest) (count func() int) {
	var mu sync.Mutex
	n := 0
	b.before = func(_ context.Context, verb, key string) error {
		if verb == "get" && key == blobKey(d) {
			mu.Lock()
			n++
			mu.Unlock()
		}
		return nil
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// TestARangeIsCheckedBeforeItsFirstByte spoils a blob: the check that comes before the headers of an answer says so, and it is set aside.
func TestARangeIsCheckedBeforeItsFirstByte(t *testing.T) {
	b := newMemoryBucket()
	content := noise(20, 3<<20)
	d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
	spoil(b, blobKey(d), 2<<20)
	s := openMemory(t, b, nil)
	if _, err := checked(t, s, d); !errors.Is(err, storage.ErrBlobDamaged) {
		t.Errorf("a range of a damaged blob: %v", err)
	}
	if len(b.keys(quarantineDir)) != 1 {
		t.Errorf("not set aside: %v", b.keys(""))
	}
	storagetest.PushBlob(t, s, "a", content)
	if _, err := checked(t, s, d); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// TestABlobIsCheckedOnceForItsRanges counts how often the data is read, until it changes.
func TestABlobIsCheckedOnceForItsRanges(t *testing.T) {
	b := newMemoryBucket()
	content := noise(21, 3<<20)
	d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
	s := openMemory(t, b, nil)
	count := gets(b, d)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			blob, err := s.OpenBlob(t.Context(), storagetest.Repo(t, "a"), d)
			if err != nil {
				t.Error(err)
				return
			}
			defer blob.Close()
			if c, ok := blob.Content().(storage.Checker); ok {
				if err := c.Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := count(); n != 8+1 {
		t.Errorf("%d reads of the data by 8 ranges at once: each opens it, one checks it", n)
	}
	if _, err := checked(t, s, d); err != nil || count() != 10 {
		t.Errorf("%d reads after it was checked, %v", count(), err)
	}
	// Bytes that are as many but others have another ETag; fewer bytes may have kept it.
	spoil(b, blobKey(d), 5)
	if _, err := checked(t, s, d); !errors.Is(err, storage.ErrBlobDamaged) {
		t.Errorf("changed since: %v", err)
	}
	storagetest.PushBlob(t, s, "a", content)
	b.mu.Lock()
	cut := b.objects[blobKey(d)]
	cut.body, cut.o.size = cut.body[:2<<20], 2<<20
	b.objects[blobKey(d)] = cut
	b.mu.Unlock()
	if _, err := checked(t, s, d); !errors.Is(err, storage.ErrBlobDamaged) {
		t.Errorf("cut behind the back of the engine: %v", err)
	}
}

// TestLargeBlobsAreCheckedBesideTheirRanges reads a blob that takes too long to be checked first.
func TestLargeBlobsAreCheckedBesideTheirRanges(t *testing.T) {
	b := newMemoryBucket()
	const ranged = 3 << 20
	content := noise(22, ranged+1)
	d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
	repo := storagetest.Repo(t, "a")

	t.Run("the end", func(t *testing.T) {
		s := openMemory(t, b, nil)
		s.rangedFirst = ranged
		blob, err := checked(t, s, d)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		if _, err := blob.Content().Seek(-100, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(blob.Content(), got); err != nil || !bytes.Equal(got, content[len(content)-100:]) {
			t.Errorf("%v", err)
		}
		s.life.background.Wait()
		if o, err := b.head(t.Context(), blobKey(d)); err != nil || !s.good(d, o) {
			t.Errorf("not checked in the background: %v", err)
		}
	})
	t.Run("the beginning", func(t *testing.T) {
		s := openMemory(t, b, nil)
		s.rangedFirst = ranged
		blob, err := checked(t, s, d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(blob.Content(), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		_ = blob.Close()
		s.life.background.Wait()
		if o, err := b.head(t.Context(), blobKey(d)); err != nil || !s.good(d, o) {
			t.Errorf("not checked in the background: %v", err)
		}
	})
	// A range that is all of it must not pass for a part.
	t.Run("all of it, damaged", func(t *testing.T) {
		spoil(b, blobKey(d), 1000)
		s := openMemory(t, b, nil)
		s.rangedFirst = ranged
		blob, err := checked(t, s, d)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, blob.Content())
		if !errors.Is(err, storage.ErrBlobDamaged) || n > ranged+1-heldBack {
			t.Errorf("%d bytes of a damaged blob, %v", n, err)
		}
		if _, err := s.StatBlob(t.Context(), repo, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("afterwards %v", err)
		}
	})
}

// TestABlobPushedAgainIsReadOn has somebody push a blob again, in another way, while it is read and the connection breaks.
func TestABlobPushedAgainIsReadOn(t *testing.T) {
	for name, c := range map[string]struct {
		verified, damaged bool
	}{"first read": {false, false}, "later": {true, false}, "first read, by other bytes": {false, true}, "later, by other bytes": {true, true}} {
		b := newMemoryBucket()
		content := noise(23, 3<<20)
		d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
		cutting := &cuttingBucket{memoryBucket: b, after: 900 << 10}
		s := newStoreOn(cutting)
		if c.verified {
			if _, err := storagetest.ReadBlob(s, storagetest.Repo(t, "a"), d); err != nil {
				t.Fatal(err)
			}
		}
		blob, err := s.OpenBlob(t.Context(), storagetest.Repo(t, "a"), d)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 700<<10)
		if _, err := io.ReadFull(blob.Content(), got); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		again := b.objects[blobKey(d)]
		again.o.etag = `"another"`
		if c.damaged {
			again.body = bytes.Repeat([]byte("x"), len(again.body))
		}
		b.objects[blobKey(d)] = again
		b.mu.Unlock()
		rest, err := io.ReadAll(blob.Content())
		_ = blob.Close()
		s.life.background.Wait()
		if c.damaged {
			if !errors.Is(err, storage.ErrBlobDamaged) || len(got)+len(rest) > len(content)-heldBack {
				t.Errorf("%s: %d bytes, %v", name, len(got)+len(rest), err)
			}
			continue
		}
		if err != nil || !bytes.Equal(append(got, rest...), content) {
			t.Errorf("%s: %d bytes, %v", name, len(got)+len(rest), err)
		}
		if len(b.keys(quarantineDir)) != 0 || strings.Contains(strings.Join(b.keys(""), " "), "quarantine") {
			t.Errorf("%s: good bytes set aside", name)
		}
	}
}
