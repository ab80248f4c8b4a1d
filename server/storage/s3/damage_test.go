package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// spoil changes a byte of what is stored.
func spoil(b *memoryBucket, key string, at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body := slices.Clone(b.objects[key].body)
	body[at] ^= 1
	b.set(key, body)
}

// TestDamagedBlobIsNeverServedWhole spoils blobs behind the back of a process that has not read them yet.
func TestDamagedBlobIsNeverServedWhole(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "large": 3 << 20, "one byte more than is read first": firstBytes + 1} {
		for _, at := range []int{0, size / 2, size - 1} {
			b := newMemoryBucket()
			content := noise(3, size)
			repo := storagetest.Repo(t, "a")
			d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
			spoil(b, blobKey(d), at)
			s := openMemory(t, b, nil)
			got, err := storagetest.ReadBlob(s, repo, d)
			if !errors.Is(err, storage.ErrBlobDamaged) {
				t.Errorf("%s, byte %d: %d bytes, %v", name, at, len(got), err)
			}
			if len(got) > max(0, size-heldBack) {
				t.Errorf("%s, byte %d: %d of %d bytes were handed out", name, at, len(got), size)
			}
			if _, err := s.StatBlob(t.Context(), repo, d, true); !errors.Is(err, storage.ErrBlobUnknown) {
				t.Errorf("%s: afterwards %v", name, err)
			}
			if len(b.keys(quarantineDir)) != 1 || len(b.keys(blobKey(d))) != 0 {
				t.Errorf("%s: not set aside: %v", name, b.keys(""))
			}
			storagetest.PushBlob(t, s, "a", content)
			if got, err := storagetest.ReadBlob(s, repo, d); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: pushed again: %d bytes, %v", name, len(got), err)
			}
		}
	}
}

func TestRangesOfABlob(t *testing.T) {
	b := newMemoryBucket()
	content := noise(4, 3<<20)
	d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
	s := openMemory(t, b, nil)
	for range 2 { // unread, and known to be good
		for _, r := range [][2]int{{0, 10}, {5, 100}, {firstBytes - 5, 10}, {2 << 20, 1 << 20}, {3<<20 - 1, 1}, {0, 3 << 20}, {1, 1}} {
			blob, err := s.OpenBlob(t.Context(), storagetest.Repo(t, "a"), d)
			if err != nil {
				t.Fatal(err)
			}
			if end, err := blob.Content().Seek(0, io.SeekEnd); err != nil || end != 3<<20 {
				t.Errorf("size %d, %v", end, err)
			}
			if _, err := blob.Content().Seek(int64(r[0]), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, r[1])
			if _, err := io.ReadFull(blob.Content(), got); err != nil || !bytes.Equal(got, content[r[0]:r[0]+r[1]]) {
				t.Errorf("%d bytes at %d: %v", r[1], r[0], err)
			}
			blob.Close()
		}
	}
	// Opened as a piece it is the whole nevertheless.
	for _, fresh := range []bool{true, false} {
		for _, piece := range []storage.Piece{{From: 0, Length: 10}, {From: 2 << 20, Length: 5}, {From: 1, Length: -1}, {From: 3<<20 - 1, Length: 99}, {From: 9 << 20, Length: 1}} {
			s := s
			if fresh {
				s = openMemory(t, b, nil)
			}
			blob, err := s.OpenBlobPiece(t.Context(), storagetest.Repo(t, "a"), d, piece)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []int64{piece.From, 0, 3<<20 - 7} {
				at := min(from, 3<<20)
				if _, err := blob.Content().Seek(from, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(blob.Content()); err != nil || !bytes.Equal(got, content[at:]) {
					t.Errorf("%+v, fresh %t: %d bytes from %d, %v", piece, fresh, len(got), from, err)
				}
			}
			blob.Close()
		}
	}
	// A range of a damaged one.
	spoil(b, blobKey(d), 100)
	blob, err := openMemory(t, b, nil).OpenBlob(t.Context(), storagetest.Repo(t, "a"), d)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	_, _ = blob.Content().Seek(2<<20, io.SeekStart)
	if n, err := blob.Content().Read(make([]byte, 10)); !errors.Is(err, storage.ErrBlobDamaged) {
		t.Errorf("%d bytes of a damaged one, %v", n, err)
	}
}

// brokenBody breaks after some bytes.
type brokenBody struct {
	io.Reader
	io.Closer
}

// TestBrokenConnectionIsTakenUpAgain cuts every answer of the engine short.
func TestBrokenConnectionIsTakenUpAgain(t *testing.T) {
	b := newMemoryBucket()
	content := noise(5, 3<<20)
	d := storagetest.PushBlob(t, openMemory(t, b, nil), "a", content)
	cutting := &cuttingBucket{memoryBucket: b, after: 400 << 10}
	s := newStore(t.Context(), cutting, Options{Config: config.S3Storage{Bucket: "b"}})
	s.traits = Traits{true, true, true, true, true, true}
	close(s.indexed)
	if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "a"), d); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	cutting.after = 0
	if got, err := storagetest.ReadBlob(newStoreOn(cutting), storagetest.Repo(t, "a"), d); err == nil {
		t.Errorf("%d bytes of an engine that sends none", len(got))
	}
}

func newStoreOn(b bucket) *Store {
	s := newStore(context.Background(), b, Options{Config: config.S3Storage{Bucket: "b"}})
	s.traits = Traits{true, true, true, true, true, true}
	close(s.indexed)
	return s
}

type cuttingBucket struct {
	*memoryBucket
	after int64
}

func (b *cuttingBucket) get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, object, error) {
	body, o, err := b.memoryBucket.get(ctx, key, etag, offset, length)
	if err != nil || !strings.HasSuffix(key, "/data") {
		return body, o, err
	}
	return brokenBody{io.MultiReader(io.LimitReader(body, b.after), broken{}), body}, o, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestScrub(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	good, bad := storagetest.NewImage(t, "good", nil), storagetest.NewImage(t, "bad", nil)
	good.Push(t, s, "a", "v1")
	bad.Push(t, s, "a", "v2")
	bad.Push(t, s, "b", "v2")
	lost := storagetest.PushBlob(t, s, "b", []byte("lost"))
	layer := digest.FromBytes(bad.Layer)
	spoil(b, blobKey(layer), 0)
	spoil(b, blobKey(bad.Digest), 0)
	if err := b.delete(t.Context(), blobKey(lost)); err != nil {
		t.Fatal(err)
	}
	var heard []storage.Damage
	r, err := s.Scrub(t.Context(), storage.ScrubOptions{}, func(d storage.Damage) { heard = append(heard, d) })
	if err != nil || len(heard) != len(r.Damaged) {
		t.Fatalf("%+v, %v", r, err)
	}
	kinds := map[digest.Digest]string{}
	for _, d := range heard {
		kinds[d.Digest] += d.Kind + " "
		if d.Kind == "blob" && (d.Digest != layer || d.Quarantined == "" || !slices.Equal(d.Repositories, []string{"a", "b"})) || d.Digest == bad.Digest && d.Quarantined != "" {
			t.Errorf("%+v", d)
		}
	}
	if len(kinds) != 3 || !strings.HasPrefix(kinds[layer], "blob") || kinds[bad.Digest] != "manifest " || kinds[lost] != "link " {
		t.Errorf("%v", kinds)
	}
	good.Check(t, s, "a", "v1")
	bad.Push(t, s, "a", "v2")
	bad.Check(t, s, "a", "v2")
}

// TestUploadHealsWhatCannotBeRead makes the object of a verified blob unreadable, has a scrub find that, and
// uploads the blob again in parts.
func TestUploadHealsWhatCannotBeRead(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	tiny(s, b)
	content := noise(5, 4*tinyChunk)
	d, o := digest.FromBytes(content), storage.Owner{Repository: storagetest.Repo(t, "a"), User: "ci"}
	push := func() {
		t.Helper()
		u, err := s.StartUpload(t.Context(), o, digest.SHA256)
		if err == nil {
			err = s.FinishUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content), int64(len(content)), d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	push()
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	var broken atomic.Bool
	broken.Store(true)
	b.before = func(_ context.Context, verb, key string) error {
		if key == blobKey(d) && verb == "complete" {
			broken.Store(false)
		}
		if key == blobKey(d) && verb == "get" && broken.Load() {
			return errors.New("input/output error")
		}
		return nil
	}
	if r, err := s.Scrub(t.Context(), storage.ScrubOptions{}, nil); err != nil || len(r.Damaged) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	push()
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
		t.Errorf("pushed again: %d bytes, %v", len(got), err)
	}
}

// TestScrubOfAnEngineThatIsGone must take nothing for damaged.
func TestScrubOfAnEngineThatIsGone(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	storagetest.NewImage(t, "one", nil).Push(t, s, "a", "v1")
	before := b.keys("")
	for _, verbs := range []string{"get", "get head", "get head list"} {
		b.before = func(_ context.Context, verb, key string) error {
			if strings.Contains(verbs, verb) && strings.HasPrefix(key, blobsDir) {
				return errors.New("connection refused")
			}
			return nil
		}
		r, err := s.Scrub(t.Context(), storage.ScrubOptions{}, nil)
		if err == nil && len(r.Damaged) != 3 {
			t.Errorf("without %s: %+v", verbs, r)
		}
		for _, d := range r.Damaged {
			if d.Quarantined != "" {
				t.Errorf("without %s: set aside what cannot be read: %+v", verbs, d)
			}
		}
		b.before = nil
		if after := b.keys(blobsDir); len(after) != 3 || len(b.keys(quarantineDir)) != 0 {
			t.Errorf("without %s: %v, before %v", verbs, after, before)
		}
	}
}

// TestWeakEngine opens a store on an engine that ignores conditions.
func TestWeakEngine(t *testing.T) {
	b := newMemoryBucket()
	b.weak = true
	s := openMemory(t, b, nil)
	if s.Traits().Conditional() || len(s.Traits().Weaknesses()) < 3 {
		t.Errorf("%+v", s.Traits())
	}
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	image.Check(t, s, "a", "v1")
	r, err := s.Collect(t.Context(), storage.CollectOptions{}, nil)
	if err != nil || r.Skipped == "" {
		t.Errorf("collected: %+v, %v", r, err)
	}
	left(t, s, probeDir)
}

func TestReadOnly(t *testing.T) {
	b := newMemoryBucket()
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, openMemory(t, b, nil), "a", "v1")
	for _, index := range []bool{true, false} {
		if !index { // as distribution leaves it
			for _, key := range b.keys(ours) {
				delete(b.objects, key)
			}
		}
		before := len(b.keys(""))
		s := openMemory(t, b, func(o *Options) { o.ReadOnly = true })
		image.Check(t, s, "a", "v1")
		if got := storagetest.Tags(t, s, "a", 1); !slices.Equal(got, []string{"v1"}) {
			t.Errorf("tags %v", got)
		}
		if got := storagetest.Repositories(t, s, 1); !slices.Equal(got, []string{"a"}) {
			t.Errorf("repositories %v", got)
		}
		if err := image.TryPush(t, s, "a", "v2"); !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("pushed: %v", err)
		}
		if err := s.Health(t.Context()); !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("health: %v", err)
		}
		if len(b.keys("")) != before {
			t.Error("something was written")
		}
	}
}

func TestHealthCostsLittle(t *testing.T) {
	b := newMemoryBucket()
	now := time.Now()
	s := openMemory(t, b, func(o *Options) { o.Now = func() time.Time { return now } })
	before := b.counts["put"]
	for range 100 {
		if err := s.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.counts["put"] != before {
		t.Error("asked right after a write")
	}
	now = now.Add(healthyFor)
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "put" {
			return storage.ErrFull
		}
		return nil
	}
	for range 10 {
		if err := s.Health(t.Context()); !errors.Is(err, storage.ErrFull) {
			t.Errorf("full: %v", err)
		}
	}
	b.before, now = nil, now.Add(unhealthyFor)
	if err := s.Health(t.Context()); err != nil || b.counts["put"] != before+1 {
		t.Errorf("room again: %v", err)
	}
}

// TestAPushDoesNotWaitForHealth has the write that tells of health hang: a push goes on, and is what is believed afterwards.
func TestAPushDoesNotWaitForHealth(t *testing.T) {
	b := newMemoryBucket()
	now := time.Now()
	s := openMemory(t, b, func(o *Options) { o.Now = func() time.Time { return now } })
	s.life.background.Wait() // it looks at the index, and the clock
	now = now.Add(healthyFor)
	trying, end := make(chan struct{}), make(chan struct{})
	b.before = func(_ context.Context, verb, key string) error {
		if verb == "put" && key == healthKey {
			close(trying)
			<-end
			return storage.ErrFull
		}
		return nil
	}
	asked := make(chan error, 1)
	go func() { asked <- s.Health(t.Context()) }()
	waitFor(t, "asking for health", trying)
	now = now.Add(time.Second)
	waitFor(t, "a push", ended(func() { storagetest.PushBlob(t, s, "a", []byte("x")) }))
	close(end)
	if err := <-asked; err != nil {
		t.Errorf("though a push came through since: %v", err)
	}
}

// rot changes a byte of what is stored as a disk does: whoever asks the engine hears of nothing.
func rot(b *memoryBucket, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.objects[key]
	o.body = slices.Clone(o.body)
	o.body[0] ^= 1
	b.objects[key] = o
}

// TestABlobHealedElsewhereIsServedAgain has one process find damage that the engine's ETag does not show, and another one take the good bytes,
// whose ETag is the same.
func TestABlobHealedElsewhereIsServedAgain(t *testing.T) {
	for _, drops := range []bool{true, false} {
		b, one, wait := aged(t)
		two := openMemory(t, b, func(o *Options) { o.Now = b.clock })
		t.Cleanup(func() { _ = two.Close() })
		one.traits.ConditionalDrop, two.traits.ConditionalDrop = drops, drops
		content, repo := noise(7, 1000), storagetest.Repo(t, "a")
		d := storagetest.PushBlob(t, one, "a", content)
		rot(b, blobKey(d))
		if _, err := storagetest.ReadBlob(two, repo, d); !errors.Is(err, storage.ErrBlobDamaged) {
			t.Fatalf("damaged: %v", err)
		}
		if _, err := two.StatBlob(t.Context(), repo, d, true); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("damaged: %v", err)
		}
		wait(time.Minute)
		storagetest.PushBlob(t, one, "a", content)
		if got, err := storagetest.ReadBlob(two, repo, d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("moved away: %v; healed by another process: %d bytes, %v", drops, len(got), err)
		}
		if _, err := two.StatBlob(t.Context(), repo, d, true); err != nil {
			t.Errorf("moved away: %v; healed by another process: %v", drops, err)
		}
	}
}

// TestHealedWhileItIsSetAside pushes the good bytes, which have the ETag of the damaged ones, while those are copied away.
func TestHealedWhileItIsSetAside(t *testing.T) {
	b, one, wait := aged(t)
	content, repo := noise(8, 1000), storagetest.Repo(t, "a")
	d := storagetest.PushBlob(t, one, "a", content)
	rot(b, blobKey(d))
	wait(time.Minute)
	healed := false
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "copy" && !healed {
			healed = true
			storagetest.PushBlob(t, one, "a", content)
		}
		return nil
	}
	two := newStoreOn(b)
	if _, err := storagetest.ReadBlob(two, repo, d); !errors.Is(err, storage.ErrBlobDamaged) || !healed {
		t.Fatalf("damaged: %v", err)
	}
	for _, s := range []*Store{one, two} {
		if got, err := storagetest.ReadBlob(s, repo, d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("acknowledged and lost: %d bytes, %v", len(got), err)
		}
	}
	if left := b.keys(quarantineDir); len(left) > 0 {
		t.Errorf("good bytes are in quarantine: %v", left)
	}
}
