package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func closing(t *testing.T, s *filesystem.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func dataOf(root string, d digest.Digest) string {
	return filepath.Join(root, "docker/registry/v2/blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}

func TestScrubSetsAsideAndPushHeals(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	image.Push(t, s, "b/c", "v1")
	layer := digest.FromBytes(image.Layer)
	if report, err := s.Scrub(context.Background(), storage.ScrubOptions{Rate: 1 << 40}, nil); err != nil || len(report.Damaged) != 0 || report.Blobs != 3 || report.Manifests != 2 {
		t.Fatalf("sound: %+v, %v", report, err)
	}
	damage(t, dataOf(root, layer))
	damage(t, dataOf(root, image.Digest))
	var heard []storage.Damage
	report, err := s.Scrub(context.Background(), storage.ScrubOptions{}, func(d storage.Damage) { heard = append(heard, d) })
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]storage.Damage{}
	for _, d := range heard {
		kinds[d.Kind+" "+string(d.Digest)] = d
	}
	if d := kinds["blob "+string(layer)]; d.Quarantined == "" || !slices.Equal(d.Repositories, []string{"a", "b/c"}) {
		t.Errorf("layer: %+v of %+v", d, report)
	}
	if d, ok := kinds["manifest "+string(image.Digest)]; !ok || d.Quarantined != "" {
		t.Errorf("manifest: %+v of %+v", d, report)
	}
	if _, err := s.StatBlob(context.Background(), storagetest.Repo(t, "a"), layer, true); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("the damaged layer: %v", err)
	}
	if _, err := s.GetManifest(context.Background(), storagetest.Repo(t, "a"), image.Digest, false); !errors.Is(err, storage.ErrBlobDamaged) || !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("the damaged manifest: %v", err)
	}
	// While a manifest cannot be read, nothing of its repository is collected.
	if r, _ := collect(t, s, storage.CollectOptions{}); len(r.Problems) == 0 || r.BlobsRemoved != 0 {
		t.Errorf("collect: %+v", r)
	}
	image.Push(t, s, "a", "v1")
	image.Check(t, s, "a", "v1")
	image.Check(t, s, "b/c", "v1")
	usage, err := s.Usage(context.Background())
	if err != nil || usage.Quarantined != 1 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
}

// damage turns one byte of a file, behind the store's back.
func damage(t *testing.T, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	middle := make([]byte, 1)
	if _, err := file.ReadAt(middle, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	middle[0] ^= 1
	if _, err := file.WriteAt(middle, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	s := open(t, filesystem.Options{Root: t.TempDir()})
	defer closing(t, s)
	image, own := storagetest.NewImage(t, "shared", nil), storagetest.NewImage(t, "own", nil)
	image.Push(t, s, "a", "v1", "v2")
	image.Push(t, s, "b", "v1")
	own.Push(t, s, "b", "own")
	storagetest.PushBlob(t, s, "a", bytes.Repeat([]byte("g"), 1000))
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: "ann"}
	u, err := s.StartUpload(context.Background(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendUpload(context.Background(), o, u.ID, 0, strings.NewReader("12345"), 5); err != nil {
		t.Fatal(err)
	}
	size := func(i *storagetest.Image) int64 { return int64(len(i.Config) + len(i.Layer) + len(i.Content)) }
	got, err := s.Usage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []storage.RepositoryUsage{
		{Name: "a", Tags: 2, Manifests: 1, Blobs: 3, Bytes: size(image) + 1000, Unique: 1000},
		{Name: "b", Tags: 2, Manifests: 2, Blobs: 4, Bytes: size(image) + size(own), Unique: size(own)},
	}
	if !slices.Equal(got.Repositories, want) {
		t.Errorf("repositories: %+v\nwant %+v", got.Repositories, want)
	}
	if got.Blobs != 7 || got.Bytes != size(image)+size(own)+1000 || got.Unreferenced != 1000 || got.Uploads != 1 || got.UploadBytes != 5 || got.Space.TotalBytes == 0 {
		t.Errorf("all: %+v", got)
	}
}

func TestPurgeUploads(t *testing.T) {
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: "ann"}
	old, err := s.StartUpload(context.Background(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(root, "docker/registry/v2/repositories/x/y/_uploads/0000/data")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("left over"), 0o600); err != nil {
		t.Fatal(err)
	}
	now.pass(25 * time.Hour)
	young, err := s.StartUpload(context.Background(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		report, err := s.PurgeUploads(context.Background(), 24*time.Hour, dry)
		if err != nil || report != (storage.PurgeReport{DryRun: dry, Removed: 2, Kept: 1, Bytes: 9}) {
			t.Errorf("dry %v: %+v, %v", dry, report, err)
		}
	}
	if _, err := s.StatUpload(context.Background(), o, old.ID); !errors.Is(err, storage.ErrUploadUnknown) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := s.StatUpload(context.Background(), o, young.ID); err != nil {
		t.Errorf("the young one: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(foreign)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over: %v", err)
	}
}

func TestReindexFindsWhatSomebodyElseWrote(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	subject := storagetest.NewImage(t, "subject", nil)
	signature := storagetest.NewImage(t, "signature", subject)
	subject.Push(t, s, "a/b", "v1")
	signature.Push(t, s, "a/b")
	closing(t, s)
	// As if distribution had written it: nothing of ours is there.
	if err := os.RemoveAll(filepath.Join(root, "packhouse")); err != nil {
		t.Fatal(err)
	}
	s = open(t, filesystem.Options{Root: root})
	if got := storagetest.Repositories(t, s, 1); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("repositories: %v", got)
	}
	if got, err := s.Referrers(context.Background(), storagetest.Repo(t, "a/b"), subject.Digest); err != nil || len(got) != 1 {
		t.Errorf("referrers without reindexing: %v, %v", got, err)
	}
	report, err := s.Reindex(context.Background())
	if err != nil || report != (storage.ReindexReport{Repositories: 1, Tags: 1, Referrers: 1}) {
		t.Errorf("reindex: %+v, %v", report, err)
	}
	closing(t, s)
}
