package filesystem_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

func collect(t *testing.T, s storage.Store, o storage.CollectOptions) (storage.CollectReport, map[digest.Digest]storage.Verdict) {
	t.Helper()
	verdicts := map[digest.Digest]storage.Verdict{}
	report, err := s.Collect(context.Background(), o, func(v storage.Verdict) {
		if v.Reason == "" || v.Size == 0 {
			t.Errorf("verdict without a reason or size: %+v", v)
		}
		if was, ok := verdicts[v.Digest]; !ok || was.Kind == "manifest" {
			verdicts[v.Digest] = v
		}
	})
	if err != nil {
		t.Fatalf("collect: %v", err)
	}
	return report, verdicts
}

func TestCollectRemovesWhatNobodyNeeds(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	image, other := storagetest.NewImage(t, "kept", nil), storagetest.NewImage(t, "other", nil)
	index := storagetest.NewIndex(t, image)
	signature := storagetest.NewImage(t, "signature", image)
	image.Push(t, s, "a")
	index.Push(t, s, "a", "v1")
	signature.Push(t, s, "a")
	other.Push(t, s, "b", "v1")
	garbage := storagetest.PushBlob(t, s, "a", []byte("garbage"))
	if err := s.MountBlob(context.Background(), storagetest.Repo(t, "b"), []reference.Repository{storagetest.Repo(t, "a")}, garbage); err != nil {
		t.Fatal(err)
	}

	report, verdicts := collect(t, s, storage.CollectOptions{})
	if report.BlobsRemoved != 0 || verdicts[garbage].Removed || verdicts[garbage].After.IsZero() {
		t.Errorf("within the window: %+v, %+v", report, verdicts[garbage])
	}
	now.pass(3 * time.Hour) // an hour more than the window: the disk has a clock of its own, and what was pushed came later by it
	report, verdicts = collect(t, s, storage.CollectOptions{DryRun: true})
	if report.BlobsRemoved != 1 || report.BytesFreed != 7 || report.LinksRemoved != 2 || !verdicts[garbage].Removed {
		t.Errorf("dry run: %+v, %+v", report, verdicts[garbage])
	}
	for d, reason := range map[digest.Digest]string{
		index.Digest:                   "it is a manifest of a that has a tag",
		image.Digest:                   "it is a manifest of a; those stay without a tag, too (storage.maintenance.gc.untagged)",
		digest.FromBytes(image.Layer):  "a manifest of a refers to it",
		digest.FromBytes(other.Config): "a manifest of b refers to it",
		garbage:                        "no manifest refers to it, and it was not used within the window",
	} {
		if got := verdicts[d].Reason; got != reason {
			t.Errorf("%s: %q, want %q", d, got, reason)
		}
	}
	if _, err := os.Stat(dataOf(root, garbage)); err != nil {
		t.Errorf("a dry run removed something: %v", err)
	}
	report, _ = collect(t, s, storage.CollectOptions{})
	if report.BlobsRemoved != 1 || report.BytesFreed != 7 || report.LinksRemoved != 2 || len(report.Problems) > 0 {
		t.Errorf("report: %+v", report)
	}
	if _, err := os.Stat(dataOf(root, garbage)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("garbage is left: %v", err)
	}
	if _, err := s.StatBlob(context.Background(), storagetest.Repo(t, "a"), garbage, true); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("garbage is still called existing: %v", err)
	}
	image.Check(t, s, "a")
	index.Check(t, s, "a", "v1")
	signature.Check(t, s, "a")
	other.Check(t, s, "b", "v1")
	storagetest.PushBlob(t, s, "a", []byte("garbage")) // and it can come back
	if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "a"), garbage); err != nil || string(got) != "garbage" {
		t.Errorf("pushed again: %q, %v", got, err)
	}
}

func TestCollectSparesWhatWasTouched(t *testing.T) {
	now := newClock()
	s := open(t, filesystem.Options{Root: t.TempDir(), Now: now.now})
	defer closing(t, s)
	d := storagetest.PushBlob(t, s, "a", []byte("blob"))
	for range 3 {
		now.pass(90 * time.Minute)
		if _, err := s.StatBlob(context.Background(), storagetest.Repo(t, "a"), d, true); err != nil {
			t.Fatal(err)
		}
		if report, v := collect(t, s, storage.CollectOptions{}); report.BlobsRemoved != 0 {
			t.Fatalf("removed what a pusher was told exists: %+v", v[d])
		}
	}
	now.pass(90 * time.Minute)
	if _, err := s.StatBlob(context.Background(), storagetest.Repo(t, "a"), d, false); err != nil { // readers do not touch
		t.Fatal(err)
	}
	now.pass(31 * time.Minute)
	if report, v := collect(t, s, storage.CollectOptions{}); report.BlobsRemoved != 1 {
		t.Errorf("kept what only a reader asked for: %+v", v[d])
	}
	if _, err := s.Collect(context.Background(), storage.CollectOptions{Window: time.Hour}, nil); err == nil {
		t.Error("a window below that of the touches was taken")
	}
}

func TestCollectUntagged(t *testing.T) {
	now := newClock()
	s := open(t, filesystem.Options{Root: t.TempDir(), Now: now.now})
	defer closing(t, s)
	old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
	tagged, child := storagetest.NewImage(t, "tagged", nil), storagetest.NewImage(t, "child", nil)
	index := storagetest.NewIndex(t, child)
	signed, orphan := storagetest.NewImage(t, "signed", child), storagetest.NewImage(t, "orphan", old)
	for _, i := range []*storagetest.Image{old, child, signed, orphan} {
		i.Push(t, s, "a")
	}
	tagged.Push(t, s, "a", "v1")
	index.Push(t, s, "a", "all")
	now.pass(48 * time.Hour)
	young.Push(t, s, "a")
	// Pushed just now, by the disk's clock, is in the past of ours.
	if _, err := s.GetManifest(context.Background(), storagetest.Repo(t, "a"), young.Digest, true); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		report, verdicts := collect(t, s, storage.CollectOptions{DryRun: dry, Untagged: 24 * time.Hour})
		if report.ManifestsRemoved != 2 || !verdicts[old.Digest].Removed || !verdicts[orphan.Digest].Removed {
			t.Errorf("dry %v: %+v", dry, report)
		}
		// Both manifests, configs and layers.
		if report.BlobsRemoved != 6 {
			t.Errorf("dry %v: removed %d blobs: %+v", dry, report.BlobsRemoved, verdicts)
		}
	}
	for _, i := range []*storagetest.Image{young, child, signed} {
		i.Check(t, s, "a")
	}
	tagged.Check(t, s, "a", "v1")
	index.Check(t, s, "a", "all")
	if err := old.TryCheck(t, s, "a"); !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("old: %v", err)
	}
	old.Push(t, s, "a", "back")
	old.Check(t, s, "a", "back")
}

func TestCollectAfterACrashWaits(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	d := storagetest.PushBlob(t, s, "a", []byte("garbage"))
	state := filepath.Join(root, "packhouse/v1/lease/state.json")
	body, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	if err := os.WriteFile(state, body, 0o600); err != nil { // as a crash would leave it
		t.Fatal(err)
	}
	now.pass(24 * time.Hour)
	s = open(t, filesystem.Options{Root: root, Now: now.now})
	report, v := collect(t, s, storage.CollectOptions{})
	if report.BlobsRemoved != 0 || report.Skipped == "" || v[d].After.IsZero() {
		t.Errorf("right after a crash: %+v, %+v", report, v[d])
	}
	closing(t, s)
	now.pass(time.Hour)
	s = open(t, filesystem.Options{Root: root, Now: now.now}) // a clean stop in between does not shorten it
	if report, _ := collect(t, s, storage.CollectOptions{}); report.BlobsRemoved != 0 || report.Skipped == "" {
		t.Errorf("an hour later: %+v", report)
	}
	now.pass(2 * time.Hour)
	if report, _ := collect(t, s, storage.CollectOptions{}); report.BlobsRemoved != 1 || report.Skipped != "" {
		t.Errorf("a window later: %+v", report)
	}
	closing(t, s)
}

func TestOddFilesStopNothing(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	garbage := storagetest.PushBlob(t, s, "a", []byte("garbage"))
	v2 := filepath.Join(root, "docker/registry/v2")
	hexes := strings.Repeat("ab", 32)
	for _, name := range []string{
		"blobs/sha256/ab/" + hexes + "/nothing", "blobs/sha256/data", "blobs/sha256/zz/data", "blobs/sha256/ab/data", "blobs/md5/aa/data",
		"repositories/a/_layers/sha256/" + hexes + "/link", "repositories/a/_layers/sha256/link", "repositories/a/_layers/sha256/odd/link",
		"repositories/a/_manifests/revisions/sha256/" + hexes + "/link", "repositories/a/_manifests/tags/empty/current/link",
		"repositories/a/_manifests/tags/file", "repositories/a/_manifests/tags/-bad/current/link", "repositories/UPPER/_layers/x",
		"repositories/file", "repositories/a/_odd/file", "repositories/e/_manifests/revisions/sha256/" + hexes + "/other",
	} {
		path := filepath.Join(v2, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(v2, "repositories/a/_manifests/tags/symlink")); err != nil {
		t.Fatal(err)
	}
	now.pass(3 * time.Hour)
	report, _ := collect(t, s, storage.CollectOptions{Untagged: time.Hour})
	if report.BlobsRemoved != 1 || len(report.Problems) < 5 {
		t.Errorf("collect: %+v", report)
	}
	if _, err := os.Stat(dataOf(root, garbage)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("garbage is left: %v", err)
	}
	scrub, err := s.Scrub(context.Background(), storage.ScrubOptions{}, nil)
	if err != nil || scrub.Manifests != 1 || scrub.Blobs != 3 || len(scrub.Damaged) == 0 {
		t.Errorf("scrub: %+v, %v", scrub, err)
	}
	for _, d := range scrub.Damaged {
		if d.Quarantined != "" || d.What == "" {
			t.Errorf("damage: %+v", d)
		}
	}
	usage, err := s.Usage(context.Background())
	if err != nil || usage.Blobs != 3 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
	if _, err := s.Reindex(context.Background()); err != nil {
		t.Error(err)
	}
	if got := storagetest.Tags(t, s, "a", 2); !slices.Equal(got, []string{"v1"}) {
		t.Errorf("tags: %v", got)
	}
	image.Check(t, s, "a", "v1")
}

// TestCollectOverlooksNothing: repositories that our grammar has no name for count, and where a link hides some nothing is removed.
func TestCollectOverlooksNothing(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	repos := filepath.Join(root, "docker/registry/v2/repositories")
	if err := os.Rename(filepath.Join(repos, "a"), filepath.Join(repos, "Strange")); err != nil {
		t.Fatal(err)
	}
	now.pass(3 * time.Hour)
	if report, _ := collect(t, s, storage.CollectOptions{}); report.BlobsRemoved != 0 {
		t.Errorf("under another name: %+v", report)
	}
	if err := os.Rename(filepath.Join(repos, "Strange"), filepath.Join(root, "hidden")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../hidden", filepath.Join(repos, "a")); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Collect(context.Background(), storage.CollectOptions{}, nil); err == nil || report.BlobsRemoved != 0 {
		t.Errorf("behind a link: %+v, %v", report, err)
	}
	if err := os.RemoveAll(repos); err != nil {
		t.Fatal(err)
	}
	if report, err := s.Collect(context.Background(), storage.CollectOptions{}, nil); err == nil || report.BlobsRemoved != 0 {
		t.Errorf("all gone, as when a mount is: %+v, %v", report, err)
	}
}

func TestCollectBesidePushes(t *testing.T) {
	// The smallest window there is, so that only locks, marks and notes stand between a push and the collection.
	o := filesystem.Options{Window: time.Nanosecond, Barrier: filesystem.BarrierFiles}
	t.Run("memory", func(t *testing.T) { // where it goes fast
		t.Parallel()
		s, err := inmemory.Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		collectBesidePushes(t, s)
	})
	for _, barrier := range []string{filesystem.BarrierFiles, filesystem.BarrierAuto} {
		t.Run("disk, "+barrier, func(t *testing.T) {
			t.Parallel()
			onDisk := o
			onDisk.Root, onDisk.Barrier = t.TempDir(), barrier
			collectBesidePushes(t, open(t, onDisk))
		})
	}
}

func collectBesidePushes(t *testing.T, s *filesystem.Store) {
	defer closing(t, s)
	// As long as was asked for, and until something was collected; on a busy machine that takes longer.
	ctx, stop := context.WithTimeout(context.Background(), soak()+5*time.Minute)
	defer stop()
	begun := time.Now()
	var pushing, collecting sync.WaitGroup
	var mu sync.Mutex
	kept := map[string]*storagetest.Image{}
	for w := range 4 {
		pushing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				// Few contents, so that pushers and collector meet: deleted ones come back all the time.
				i := storagetest.NewImage(t, fmt.Sprint("image ", n%5), nil)
				tag := fmt.Sprint("w", w)
				err := i.TryPush(t, s, "a", tag)
				if _, missing := errors.AsType[*storage.MissingError](err); missing {
					continue // collected between the blob and the manifest: the pusher was told
				}
				if err != nil {
					t.Errorf("push: %v", err)
					return
				}
				if err := i.TryCheck(t, s, "a", tag); err != nil && w > 0 {
					t.Errorf("acknowledged and lost: %v", err)
					return
				}
				if w == 0 { // deletes its own, so that there is garbage
					_ = s.DeleteTag(ctx, storagetest.Repo(t, "a"), storagetest.Tag(t, tag))
					continue
				}
				mu.Lock()
				kept[tag] = i
				mu.Unlock()
			}
		})
	}
	runs, removed := 0, 0
	collecting.Go(func() {
		for ctx.Err() == nil {
			report, err := s.Collect(ctx, storage.CollectOptions{Untagged: time.Nanosecond}, nil)
			if err != nil && ctx.Err() == nil {
				t.Errorf("collect: %v", err)
				return
			}
			if runs, removed = runs+1, removed+report.BlobsRemoved; runs > 1 && removed > 0 && time.Since(begun) > soak() {
				stop()
			}
		}
	})
	pushing.Wait()
	collecting.Wait()
	for tag, i := range kept {
		i.Check(t, s, "a", tag)
	}
	if runs < 2 || removed == 0 {
		t.Errorf("%d collections removed %d blobs: nothing was tried", runs, removed)
	}
	t.Logf("%d collections removed %d blobs", runs, removed)
}

// soak is how long concurrent tests run.
func soak() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SOAK")); err == nil {
		return d
	}
	return time.Second
}
