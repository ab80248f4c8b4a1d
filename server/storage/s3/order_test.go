package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/racetest"
	"packhouse/server/config"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// This file runs a push and a collection, the real ones, against one bucket, and holds each at every request while the other goes on. What
// was acknowledged to the push must be there in the end; and each half of the protocol, taken out, must make that fail.

// gate lets an actor send only so many requests.
type gate struct {
	mu    sync.Mutex
	wake  *sync.Cond
	sent  map[string]int
	limit map[string]int // -1: any number
	held  map[string]int
	done  map[string]bool
}

type actorKey struct{}

func newGate() *gate {
	g := &gate{sent: map[string]int{}, limit: map[string]int{}, held: map[string]int{}, done: map[string]bool{}}
	g.wake = sync.NewCond(&g.mu)
	return g
}

// pass is what the bucket calls before each request.
func (g *gate) pass(ctx context.Context, _, _ string) error {
	actor, ok := ctx.Value(actorKey{}).(string)
	if !ok {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.limit[actor] >= 0 && g.sent[actor] >= g.limit[actor] {
		g.held[actor]++
		g.wake.Broadcast()
		g.wake.Wait()
		g.held[actor]--
	}
	g.sent[actor]++
	return ctx.Err()
}

// allow lets an actor send up to n requests in all and returns when it has, or is done.
func (g *gate) allow(actor string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit[actor] = n
	g.wake.Broadcast()
	for !g.done[actor] && (n < 0 || g.sent[actor] < n || g.held[actor] == 0) {
		g.wake.Wait()
	}
}

func (g *gate) finish(actor string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done[actor] = true
	g.wake.Broadcast()
}

// scene is a bucket as it is before, and a push into it.
type scene struct {
	name    string
	drops   bool // the engine deletes under a condition
	collect storage.CollectOptions
	objects map[string]memoryObject
	push    func(ctx context.Context, s *Store) error
	// check says what is missing of what was acknowledged.
	check func(s *Store) error
}

const window = 2 * time.Hour

// later is when both run: everything in the bucket is older than the window.
var later = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func bareStore(b *memoryBucket, out removed) *Store {
	s := newStore(context.Background(), b, Options{
		Config: config.S3Storage{Bucket: "b"}, Window: window, Settle: time.Millisecond, Now: b.clock,
	})
	s.traits = Traits{true, true, true, true, true, true}
	s.without = out
	close(s.indexed)
	return s
}

// prepare fills a bucket a day before.
func prepare(t *testing.T, fill func(s *Store)) map[string]memoryObject {
	t.Helper()
	b := newMemoryBucket()
	b.clock = func() time.Time { return later.Add(-24 * time.Hour) }
	s := bareStore(b, removed{})
	fill(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.objects
}

func scenes(t *testing.T) []scene {
	t.Helper()
	image, repo := storagetest.NewImage(t, "old", nil), storagetest.Repo(t, "a")
	other := storagetest.Repo(t, "b")
	layer := digest.FromBytes(image.Layer)
	o, id := storage.Owner{Repository: repo, User: ann}, ""
	blobs := func(s *Store) {
		storagetest.PushBlob(t, s, "a", image.Config)
		storagetest.PushBlob(t, s, "a", image.Layer)
	}
	whole := func(s *Store) error { return image.TryCheck(t, s, "a", "v1") }
	put := func(ctx context.Context, s *Store) error {
		return s.PutManifest(ctx, storage.Put{
			Repository: repo, Digest: image.Digest, Content: image.Content, Manifest: image.Manifest, Tags: []reference.Tag{storagetest.Tag(t, "v1")},
		})
	}
	blob := func(r reference.Repository) func(*Store) error {
		return func(s *Store) error {
			_, err := storagetest.ReadBlob(s, r, layer)
			return err
		}
	}
	return []scene{
		{name: "manifest over old blobs", objects: prepare(t, blobs), push: put, check: whole},
		{name: "manifest deleted long ago", objects: prepare(t, func(s *Store) {
			image.Push(t, s, "a")
			if err := s.DeleteManifest(context.Background(), repo, image.Digest, false); err != nil {
				t.Fatal(err)
			}
		}), push: put, check: whole},
		{name: "HEAD of an old blob", objects: prepare(t, blobs), push: func(ctx context.Context, s *Store) error {
			_, err := s.StatBlob(ctx, repo, layer, true)
			return err
		}, check: blob(repo)},
		{name: "mount of an old blob", objects: prepare(t, blobs), push: func(ctx context.Context, s *Store) error {
			return s.MountBlob(ctx, other, []reference.Repository{repo}, layer)
		}, check: blob(other)},
		{name: "push of an old blob", objects: prepare(t, blobs), push: func(ctx context.Context, s *Store) error {
			return s.PutBlob(ctx, storage.Owner{Repository: other, User: "ann"}, layer, bytes.NewReader(image.Layer), int64(len(image.Layer)))
		}, check: blob(other)},
		{name: "upload of an old blob", objects: prepare(t, func(s *Store) {
			blobs(s)
			u, err := s.StartUpload(context.Background(), o, digest.SHA256)
			if err == nil {
				_, err = s.AppendUpload(context.Background(), o, u.ID, 0, bytes.NewReader(image.Layer), int64(len(image.Layer)))
			}
			if err != nil {
				t.Fatal(err)
			}
			id = u.ID
		}), push: func(ctx context.Context, s *Store) error {
			return s.FinishUpload(ctx, o, id, -1, nil, 0, layer)
		}, check: blob(repo)},
		{name: "image whose blobs are old", objects: prepare(t, blobs), push: func(ctx context.Context, s *Store) error {
			for _, d := range []digest.Digest{digest.FromBytes(image.Config), layer} {
				if _, err := s.StatBlob(ctx, repo, d, true); err != nil {
					return err
				}
			}
			return put(ctx, s)
		}, check: whole},
		{
			name: "HEAD of an untagged manifest", objects: prepare(t, func(s *Store) { image.Push(t, s, "a") }),
			collect: storage.CollectOptions{Untagged: time.Hour},
			push: func(ctx context.Context, s *Store) error {
				_, err := s.GetManifest(ctx, repo, image.Digest, true)
				return err
			},
			check: func(s *Store) error { return image.TryCheck(t, s, "a") },
		},
		{
			name: "tag for an untagged manifest", objects: prepare(t, func(s *Store) { image.Push(t, s, "a") }),
			collect: storage.CollectOptions{Untagged: time.Hour}, push: put, check: whole,
		},
		{
			name: "index over an untagged manifest", objects: prepare(t, func(s *Store) { image.Push(t, s, "a") }),
			collect: storage.CollectOptions{Untagged: time.Hour},
			push: func(ctx context.Context, s *Store) error {
				if _, err := s.GetManifest(ctx, repo, image.Digest, true); err != nil {
					return err
				}
				i := storagetest.NewIndex(t, image)
				return s.PutManifest(ctx, storage.Put{Repository: repo, Digest: i.Digest, Content: i.Content, Manifest: i.Manifest})
			},
			check: func(s *Store) error { return image.TryCheck(t, s, "a") },
		},
	}
}

// play runs a scene: first goes on for n requests, then second for m, then first to its end, then second. It returns what is missing of what
// was acknowledged, whether anything was, and how many requests each sent.
func (sc scene) play(out removed, first string, n, m int) (lost error, acknowledged bool, requests map[string]int, err error) {
	b := newMemoryBucket()
	b.objects = maps.Clone(sc.objects)
	b.clock = func() time.Time { return later }
	g := newGate()
	b.before = g.pass
	pusher, collector := bareStore(b, out), bareStore(b, out)
	pusher.traits.ConditionalDrop, collector.traits.ConditionalDrop = sc.drops, sc.drops
	second := map[string]string{"push": "collect", "collect": "push"}[first]
	g.limit["push"], g.limit["collect"] = 0, 0
	errs := map[string]error{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	run := func(actor string, do func(ctx context.Context) error) {
		wait.Go(func() {
			err := do(context.WithValue(context.Background(), actorKey{}, actor))
			mu.Lock()
			errs[actor] = err
			mu.Unlock()
			g.finish(actor)
		})
	}
	run("push", func(ctx context.Context) error { return sc.push(ctx, pusher) })
	o := sc.collect
	o.Window = window
	run("collect", func(ctx context.Context) error {
		r, err := collector.Collect(ctx, o, nil)
		if err == nil && (r.Skipped != "" || len(r.Problems) > 0) {
			err = fmt.Errorf("%q %q", r.Skipped, r.Problems)
		}
		return err
	})
	g.allow(first, n)
	g.allow(second, m)
	g.allow(first, -1)
	g.allow(second, -1)
	wait.Wait()
	if errs["push"] == nil {
		b.before = nil
		lost = sc.check(bareStore(b, removed{}))
	}
	return lost, errs["push"] == nil, g.sent, unexpected(errs)
}

// unexpected is what neither may fail with: being refused is no loss.
func unexpected(errs map[string]error) error {
	missing := (*storage.MissingError)(nil)
	push := errs["push"]
	if errors.Is(push, storage.ErrBusy) || errors.Is(push, storage.ErrBlobUnknown) || errors.Is(push, storage.ErrManifestUnknown) || errors.As(push, &missing) {
		push = nil
	}
	return errors.Join(push, errs["collect"])
}

// schedules plays a scene with every pair of places where one is held, or some of them, and returns how many lost what was acknowledged.
func (sc scene) schedules(t *testing.T, out removed, most int) (lost int) {
	t.Helper()
	played, acknowledged := 0, 0
	defer func() {
		t.Logf("%s: %d schedules, %d pushes acknowledged, %d of them lost", sc.name, played, acknowledged, lost)
		if out == (removed{}) && acknowledged == 0 {
			t.Errorf("of %d schedules none was acknowledged: they tell nothing", played)
		}
	}()
	_, _, solo, err := sc.play(removed{}, "push", -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	_, _, alone, err := sc.play(removed{}, "collect", -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(7, 7))
	share := float64(most) / float64(2*(solo["push"]+4)*alone["collect"])
	for _, first := range []string{"push", "collect"} {
		second := map[string]string{"push": "collect", "collect": "push"}[first]
		most := map[string]int{"push": solo["push"] + 4, "collect": alone["collect"]}
		for n := range most[first] {
			for m := range most[second] {
				if chance.Float64() > share {
					continue
				}
				missing, ok, _, err := sc.play(out, first, n, m)
				played++
				if ok {
					acknowledged++
				}
				if err != nil && out == (removed{}) {
					t.Fatalf("%s for %d, %s for %d: %v", first, n, second, m, err)
				}
				if missing == nil {
					continue
				}
				lost++
				if out == (removed{}) {
					t.Errorf("acknowledged and lost: %s for %d requests, then %s for %d: %v", first, n, second, m, missing)
				} else {
					return lost
				}
			}
		}
	}
	return lost
}

// TestNothingAcknowledgedIsCollected is the promise.
func TestNothingAcknowledgedIsCollected(t *testing.T) {
	most := racetest.Sample(500, 100)
	switch {
	case os.Getenv("SOAK") != "":
		most = math.MaxInt
	case testing.Short():
		most = 50
	}
	for _, sc := range scenes(t) {
		for _, drops := range []bool{true, false} {
			sc.drops = drops
			t.Run(fmt.Sprintf("%s, dropping under a condition: %v", sc.name, drops), func(t *testing.T) {
				t.Parallel()
				sc.schedules(t, removed{}, most/2)
			})
		}
	}
}

// TestEveryHalfIsNeeded takes out one half of the protocol at a time and wants to see something lost.
func TestEveryHalfIsNeeded(t *testing.T) {
	all := scenes(t)
	for name, c := range map[string]struct {
		out    removed
		scenes []int
	}{
		"markers are not looked at (W2)":             {removed{markers: true}, []int{0, 4}},
		"data is not looked for (W3)":                {removed{data: true}, []int{0, 2}},
		"what a kept manifest refers to is not held": {removed{references: true}, []int{7}},
		"the first listing is trusted (G3)":          {removed{secondList: true}, []int{0, 2}},
		"the marker is not replaced at once (G4)":    {removed{swap: true}, []int{0, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost := 0
			for _, i := range c.scenes {
				sc := all[i]
				sc.drops = true
				lost += sc.schedules(t, c.out, math.MaxInt)
			}
			if lost == 0 {
				t.Error("nothing was lost without it")
			}
		})
	}
}
