package s3

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// aged is a bucket with a clock of its own, and a store on it.
func aged(t *testing.T) (*memoryBucket, *Store, func(time.Duration)) {
	t.Helper()
	b := newMemoryBucket()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b.clock = func() time.Time { return now }
	s := openMemory(t, b, func(o *Options) { o.Now, o.Settle = b.clock, 2*time.Millisecond })
	t.Cleanup(func() { _ = s.Close() })
	return b, s, func(d time.Duration) { now = now.Add(d) }
}

func collect(t *testing.T, s *Store, o storage.CollectOptions) (storage.CollectReport, map[digest.Digest]storage.Verdict) {
	t.Helper()
	verdicts := map[digest.Digest]storage.Verdict{}
	r, err := s.Collect(t.Context(), o, func(v storage.Verdict) {
		if v.Reason == "" {
			t.Errorf("no reason: %+v", v)
		}
		verdicts[v.Digest] = v
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, verdicts
}

func TestCollect(t *testing.T) {
	b, s, wait := aged(t)
	kept, gone := storagetest.NewImage(t, "kept", nil), storagetest.NewImage(t, "gone", nil)
	kept.Push(t, s, "a", "v1")
	gone.Push(t, s, "a", "v2")
	gone.Push(t, s, "b", "v2")
	loose := storagetest.PushBlob(t, s, "c", []byte("loose"))
	for _, repo := range []string{"a", "b"} {
		if err := s.DeleteManifest(t.Context(), storagetest.Repo(t, repo), gone.Digest, false); err != nil {
			t.Fatal(err)
		}
	}
	r, _ := collect(t, s, storage.CollectOptions{})
	if r.BlobsRemoved != 0 || r.BlobsKept != 7 {
		t.Errorf("within the window: %+v", r)
	}
	wait(window + time.Second)
	young := storagetest.PushBlob(t, s, "a", []byte("young"))
	before := b.keys("")
	dry, planned := collect(t, s, storage.CollectOptions{DryRun: true})
	if !slices.Equal(b.keys(""), before) {
		t.Error("a dry run changed something")
	}
	r, done := collect(t, s, storage.CollectOptions{})
	if dry.BlobsRemoved != r.BlobsRemoved || r.BlobsRemoved != 4 || r.BlobsKept != 4 || r.LinksRemoved != 5 || dry.BytesFreed != r.BytesFreed || r.BytesFreed == 0 {
		t.Errorf("%+v\nplanned %+v", r, dry)
	}
	for d, v := range planned {
		if done[d].Removed != v.Removed {
			t.Errorf("planned %+v, done %+v", v, done[d])
		}
	}
	if v := done[young]; v.Removed || !v.After.Equal(b.clock().Add(window)) {
		t.Errorf("young: %+v", v)
	}
	if !done[loose].Removed || !done[gone.Digest].Removed || done[kept.Digest].Removed {
		t.Errorf("%+v", done)
	}
	kept.Check(t, s, "a", "v1")
	for _, prefix := range []string{markersDir, runsDir} {
		if keys := b.keys(prefix); len(keys) > 0 {
			t.Errorf("left: %v", keys)
		}
	}
	if got := storagetest.Repositories(t, s, 10); !slices.Equal(got, []string{"a"}) {
		t.Errorf("repositories that hold nothing are listed: %v", got)
	}
	gone.Push(t, s, "b", "v2")
	gone.Check(t, s, "b", "v2")
	if got := storagetest.Repositories(t, s, 10); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("repositories: %v", got)
	}
	if _, err := s.Collect(t.Context(), storage.CollectOptions{Window: window - 1}, nil); err == nil {
		t.Error("collected below the window")
	}
}

func TestCollectUntagged(t *testing.T) {
	_, s, wait := aged(t)
	tagged, old, child := storagetest.NewImage(t, "tagged", nil), storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "child", nil)
	signature := storagetest.NewImage(t, "signature", tagged)
	orphan := storagetest.NewImage(t, "orphan", old)
	index := storagetest.NewIndex(t, child)
	for _, i := range []*storagetest.Image{old, child, signature, orphan} {
		i.Push(t, s, "a")
	}
	tagged.Push(t, s, "a", "v1")
	index.Push(t, s, "a", "index")
	old.Push(t, s, "b", "kept")
	wait(25 * time.Hour)
	r, verdicts := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour})
	if r.ManifestsRemoved != 2 || !verdicts[orphan.Digest].Removed {
		t.Errorf("%+v %+v", r, verdicts)
	}
	for _, i := range []*storagetest.Image{tagged, child, signature, index} {
		i.Check(t, s, "a")
	}
	old.Check(t, s, "b", "kept")
	for _, i := range []*storagetest.Image{old, orphan} {
		if _, err := s.GetManifest(t.Context(), storagetest.Repo(t, "a"), i.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
			t.Errorf("untagged: %v", err)
		}
	}
}

// TestIndexOfAManifestThatLosesItsLink pushes an index while a collection removes its untagged child from the
// repository. Another repository keeps the bytes of the child, so they are there afterwards, but its link is not.
func TestIndexOfAManifestThatLosesItsLink(t *testing.T) {
	b, s, wait := aged(t)
	child := storagetest.NewImage(t, "child", nil)
	index := storagetest.NewIndex(t, child)
	child.Push(t, s, "a")
	child.Push(t, s, "b", "kept")
	wait(25 * time.Hour)
	link := revisionLink("a", child.Digest)
	var once sync.Once
	waits, pushed := make(chan struct{}), make(chan error, 1)
	var began, looked atomic.Bool
	b.before = func(_ context.Context, verb, key string) error {
		if began.Load() && verb == "get" && key == markerKey(child.Digest) && looked.CompareAndSwap(false, true) {
			close(waits)
		}
		if verb == "delete" && key == link {
			once.Do(func() {
				began.Store(true)
				go func() { pushed <- index.TryPush(t, s, "a") }()
				<-waits
			})
		}
		return nil
	}
	collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour})
	err := <-pushed
	b.before = nil
	if _, gerr := s.GetManifest(t.Context(), storagetest.Repo(t, "a"), child.Digest, false); err == nil && gerr != nil {
		t.Errorf("the index was acknowledged, and its child is gone: %v", gerr)
	}
	if err != nil && !errors.Is(err, storage.ErrBusy) {
		t.Errorf("push: %v", err)
	}
	child.Push(t, s, "a")
	index.Push(t, s, "a")
	index.Check(t, s, "a")
	child.Check(t, s, "a")
}

// TestUnreadableManifestKeepsItsRepository spoils a manifest: nobody knows what it refers to, so nothing of its repository goes.
func TestUnreadableManifestKeepsItsRepository(t *testing.T) {
	b, s, wait := aged(t)
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	loose := storagetest.PushBlob(t, s, "a", []byte("loose"))
	other := storagetest.PushBlob(t, s, "b", []byte("other"))
	wait(window + time.Second)
	spoil(b, blobKey(image.Digest), 0)
	s.manifests.Remove(string(image.Digest))
	r, verdicts := collect(t, s, storage.CollectOptions{})
	if r.BlobsRemoved != 1 || !verdicts[other].Removed || verdicts[loose].Removed || len(r.Problems) == 0 {
		t.Errorf("%+v", r)
	}
	wait(window + time.Second)
	image.Push(t, s, "a", "v1")
	wait(window + time.Second)
	if r, _ := collect(t, s, storage.CollectOptions{}); r.BlobsRemoved != 1 || len(r.Problems) > 0 {
		t.Errorf("healed: %+v", r)
	}
	image.Check(t, s, "a", "v1")
}

// TestCollectorThatDied leaves a marker at deleting, as a process does that ends there: pushes wait, are asked to come again, and are served
// once nothing of that process can still arrive.
func TestCollectorThatDied(t *testing.T) {
	b, s, wait := aged(t)
	content := []byte("half deleted")
	d := storagetest.PushBlob(t, s, "a", content)
	b.set(markerKey(d), marker{deleting, "dead"}.body())
	b.set(runsDir+"dead", []byte("{}"))
	s.runs.last = watch{} // it was not there before
	if err := storagetest.TryBlob(s, storagetest.Repo(t, "a"), content); !errors.Is(err, storage.ErrBusy) {
		t.Errorf("while it may still be at work: %v", err)
	}
	wait(abandoned + time.Second)
	storagetest.PushBlob(t, s, "a", content)
	wait(window + time.Second)
	if r, _ := collect(t, s, storage.CollectOptions{}); r.BlobsRemoved != 1 {
		t.Errorf("%+v", r)
	}
	if keys := append(b.keys(runsDir), b.keys(markersDir)...); len(keys) > 0 {
		t.Errorf("left: %v", keys)
	}
}

func TestOneCollectsForAll(t *testing.T) {
	b, s, _ := aged(t)
	other := openMemory(t, b, func(o *Options) { o.Now = b.clock })
	_, release, ok, err := other.Lease(t.Context(), "collect")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if r, _ := collect(t, s, storage.CollectOptions{}); r.Skipped == "" {
		t.Errorf("%+v", r)
	}
	release()
	if r, _ := collect(t, s, storage.CollectOptions{}); r.Skipped != "" {
		t.Errorf("%+v", r)
	}
}

// TestOneScrubsForAll has two processes scrub the same bucket.
func TestOneScrubsForAll(t *testing.T) {
	b, s, _ := aged(t)
	other := openMemory(t, b, func(o *Options) { o.Now = b.clock })
	t.Cleanup(func() { _ = other.Close() })
	storagetest.NewImage(t, "one", nil).Push(t, s, "a", "v1")
	_, release, ok, err := other.Lease(t.Context(), "scrub")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if r, err := s.Scrub(t.Context(), storage.ScrubOptions{}, nil); !errors.Is(err, storage.ErrElsewhere) || r.Blobs != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	release()
	if r, err := s.Scrub(t.Context(), storage.ScrubOptions{}, nil); err != nil || r.Blobs != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPurgeUploads(t *testing.T) {
	b, s, wait := aged(t)
	ctx, o := t.Context(), storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	start := func() storage.Upload {
		u, err := s.StartUpload(ctx, o, digest.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AppendUpload(ctx, o, u.ID, 0, bytes.NewReader(noise(1, 6<<20)), 6<<20); err != nil {
			t.Fatal(err)
		}
		return u
	}
	old := start()
	b.set(reposDir+"a/_uploads/0123/startedat", []byte("2030"))
	b.set(reposDir+"a/_uploads/0123/data", []byte("of distribution"))
	if _, _, err := s.openMultipart(ctx, blobKey(digest.FromString("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.startMultipart(ctx, blobKey(digest.FromString("y"))); err != nil {
		t.Fatal(err)
	}
	wait(time.Hour)
	young := start()
	for _, dry := range []bool{true, false} {
		r, err := s.PurgeUploads(ctx, 30*time.Minute, dry)
		if err != nil || r.Removed != 4 || r.Kept != 1 || r.Bytes != 6<<20+19 || r.DryRun != dry {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if len(b.open) != 0 {
		t.Errorf("%d multipart uploads are left", len(b.open))
	}
	if _, err := s.StatUpload(ctx, o, old.ID); !errors.Is(err, storage.ErrUploadUnknown) {
		t.Errorf("old: %v", err)
	}
	if _, err := s.StatUpload(ctx, o, young.ID); err != nil {
		t.Errorf("young: %v", err)
	}
	u, err := s.Usage(ctx)
	if err != nil || u.Uploads != 1 || u.UploadBytes != 6<<20 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestUsage(t *testing.T) {
	_, s, _ := aged(t)
	one := storagetest.NewImage(t, "one", nil)
	one.Push(t, s, "a", "v1", "v2")
	one.Push(t, s, "b", "v1")
	loose := []byte("loose")
	storagetest.PushBlob(t, s, "a", loose)
	u, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	image := int64(len(one.Content) + len(one.Config) + len(one.Layer))
	want := []storage.RepositoryUsage{
		{Name: "a", Tags: 2, Manifests: 1, Blobs: 3, Bytes: image + 5, Unique: 5},
		{Name: "b", Tags: 1, Manifests: 1, Blobs: 2, Bytes: image},
	}
	if !slices.Equal(u.Repositories, want) || u.Blobs != 4 || u.Bytes != image+5 || u.Unreferenced != 5 {
		t.Errorf("%+v", u)
	}
}

// TestAManifestsAgeWithoutATagBeginsWhenItLosesIt moves and deletes tags of manifests that were pushed long ago: whoever is in the middle of
// pulling them by digest has as much time as the operator gave.
func TestAManifestsAgeWithoutATagBeginsWhenItLosesIt(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, s *Store){
		"moved": func(t *testing.T, s *Store) { storagetest.NewImage(t, "new", nil).Push(t, s, "a", "v1") },
		"deleted": func(t *testing.T, s *Store) {
			if err := s.DeleteTag(t.Context(), storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, s, wait := aged(t)
			old := storagetest.NewImage(t, "old", nil)
			old.Push(t, s, "a", "v1")
			wait(48 * time.Hour)
			lose(t, s)
			if r, v := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour}); r.ManifestsRemoved != 0 {
				t.Errorf("gone at once: %+v", v[old.Digest])
			}
			wait(25 * time.Hour)
			if r, v := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour}); r.ManifestsRemoved != 1 {
				t.Errorf("still here after 25 hours: %+v", v[old.Digest])
			}
		})
	}
}

// TestMarkersDoNotPileUp collects on an engine that ignores the condition of a deletion, where markers cannot be taken back in the same way.
func TestMarkersDoNotPileUp(t *testing.T) {
	b, s, wait := aged(t)
	s.traits.ConditionalDrop = false
	untagged := storagetest.NewImage(t, "untagged", nil)
	for round := range 3 {
		untagged.Push(t, s, "a")
		rescued := storagetest.PushBlob(t, s, "a", []byte("rescued"))
		storagetest.PushBlob(t, s, "b", []byte("loose"))
		wait(25 * time.Hour)
		touched := false
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "put" && key == markerKey(digest.FromString("loose")) && !touched {
				touched = true
				_, err := s.StatBlob(t.Context(), storagetest.Repo(t, "a"), rescued, true)
				return err
			}
			return nil
		}
		r, _ := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour})
		b.before = nil
		if r.BlobsRemoved < 1 || r.ManifestsRemoved != 1 || !touched {
			t.Errorf("round %d: %+v", round, r)
		}
		if left := b.keys(markersDir); len(left) > 2 {
			t.Errorf("round %d: %d markers: %v", round, len(left), left)
		}
	}
	wait(25 * time.Hour)
	collect(t, s, storage.CollectOptions{})
	wait(25 * time.Hour)
	collect(t, s, storage.CollectOptions{})
	if left := b.keys(markersDir); len(left) > 0 {
		t.Errorf("in the end: %v", left)
	}
}
