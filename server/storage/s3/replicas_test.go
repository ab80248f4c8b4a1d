package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// replicas runs a case over three stores that share one bucket: in memory, with tiny parts, and on a real engine where there is one.
func replicas(t *testing.T, do func(t *testing.T, all []*Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		b := newMemoryBucket()
		var all []*Store
		for range 3 {
			s := openMemory(t, b, nil)
			tiny(s, b)
			t.Cleanup(func() { _ = s.Close() })
			all = append(all, s)
		}
		do(t, all)
	})
	t.Run("engine", func(t *testing.T) {
		cfg := startEngine(t)
		t.Parallel()
		var all []*Store
		for range 3 {
			all = append(all, openEngine(t, cfg, nil))
		}
		do(t, all)
	})
}

func noise(seed uint64, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(content)
	return content
}

var ann = "ann"

func TestUploadMovesBetweenProcesses(t *testing.T) {
	replicas(t, func(t *testing.T, all []*Store) {
		ctx, o := t.Context(), storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			chunk := int(all[0].smallest)
			content := noise(1, chunk*17/5+12345)
			u, err := all[0].StartUpload(ctx, o, alg)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for i, size := range []int{100, 40 << 10, chunk * 6 / 5, 1, chunk, 0, chunk * 3 / 5} {
				u, err = all[i%3].AppendUpload(ctx, o, u.ID, int64(at), bytes.NewReader(content[at:at+size]), int64(size))
				if at += size; err != nil || u.Offset != int64(at) {
					t.Fatalf("chunk %d: %+v, %v; want offset %d", i, u, err, at)
				}
			}
			d := alg.FromBytes(content)
			rest := content[at:]
			if err := all[1].FinishUpload(ctx, o, u.ID, int64(at), bytes.NewReader(rest), int64(len(rest)), d); err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes came back, %v", len(got), err)
				}
			}
		}
		left(t, all[0], uploadsDir, multipartDir)
	})
}

// left wants nothing to be left below some prefixes.
func left(t *testing.T, s *Store, prefixes ...string) {
	t.Helper()
	for _, prefix := range prefixes {
		err := walk(t.Context(), s.bucket, prefix, func(o object) error {
			t.Errorf("left behind: %s", o.key)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	open, err := s.bucket.listMultiparts(t.Context(), theirs)
	if err != nil || len(open) > 0 {
		t.Errorf("multipart uploads left open: %v, %v", open, err)
	}
}

// TestUploadOutlivesAProcess has a process die in the middle of a long chunk: what was on record is continued by another one.
func TestUploadOutlivesAProcess(t *testing.T) {
	replicas(t, func(t *testing.T, all []*Store) {
		o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		chunk := all[0].smallest
		every, stands := chunk*12/5, chunk*22/5
		all[0].recordEvery = every
		content := noise(2, int(6*chunk))
		u, err := all[0].StartUpload(t.Context(), o, digest.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		// The body stands still behind its fourth part; then the process is gone without having tidied up.
		body, arrived := io.Pipe()
		go func() {
			_, _ = arrived.Write(content[:stands])
		}()
		id := u.ID
		go func() { _, _ = all[0].AppendUpload(context.WithoutCancel(t.Context()), o, id, 0, body, -1) }()
		for u.Offset == 0 {
			if u, err = all[1].StatUpload(t.Context(), o, u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if u.Offset < every || u.Offset > stands {
			t.Fatalf("on record: %d", u.Offset)
		}
		rest := content[u.Offset:]
		u, err = all[1].AppendUpload(t.Context(), o, u.ID, u.Offset, bytes.NewReader(rest), int64(len(rest)))
		if err != nil {
			t.Fatal(err)
		}
		// The first one wakes up again and has lost.
		arrived.Close()
		d := digest.FromBytes(content)
		if err := all[2].FinishUpload(t.Context(), o, u.ID, -1, nil, 0, d); err != nil {
			t.Fatal(err)
		}
		got, err := storagetest.ReadBlob(all[2], o.Repository, d)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes came back, %v", len(got), err)
		}
	})
}

// TestRacingChunks sends the same chunk to three processes at once: one of them counts.
func TestRacingChunks(t *testing.T) {
	replicas(t, func(t *testing.T, all []*Store) {
		ctx, o := t.Context(), storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		for round := range 5 {
			u, err := all[0].StartUpload(ctx, o, digest.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			chunk := noise(uint64(round), 50<<10)
			var won, lost int
			var mu sync.Mutex
			var wait sync.WaitGroup
			for _, s := range all {
				wait.Go(func() {
					_, err := s.AppendUpload(ctx, o, u.ID, 0, bytes.NewReader(chunk), int64(len(chunk)))
					mu.Lock()
					defer mu.Unlock()
					var order *storage.OffsetError
					switch {
					case err == nil:
						won++
					case errors.As(err, &order) && order.Upload.Offset == int64(len(chunk)):
						lost++
					default:
						t.Errorf("append: %v", err)
					}
				})
			}
			wait.Wait()
			if won != 1 || lost != 2 {
				t.Errorf("%d won, %d were told where it stands", won, lost)
			}
			if err := all[1].FinishUpload(ctx, o, u.ID, -1, nil, 0, digest.FromBytes(chunk)); err != nil {
				t.Error(err)
			}
		}
		left(t, all[0], uploadsDir)
	})
}

// TestRacingTags moves one tag from three processes at once.
func TestRacingTags(t *testing.T) {
	replicas(t, func(t *testing.T, all []*Store) {
		ctx, repo := t.Context(), storagetest.Repo(t, "a")
		var images []*storagetest.Image
		for i := range 6 {
			images = append(images, storagetest.NewImage(t, fmt.Sprint("image ", i), nil))
			images[i].Push(t, all[0], "a")
		}
		race := func(tag string, may func(reference.Tag, digest.Digest) error) (acknowledged []digest.Digest) {
			var mu sync.Mutex
			var wait sync.WaitGroup
			for i, image := range images {
				wait.Go(func() {
					err := all[i%3].PutManifest(ctx, storage.Put{
						Repository: repo, Digest: image.Digest, Content: image.Content, Manifest: image.Manifest,
						Tags: []reference.Tag{storagetest.Tag(t, tag)}, MayOverwrite: may,
					})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						acknowledged = append(acknowledged, image.Digest)
					} else if !errors.Is(err, errTaken) {
						t.Errorf("put: %v", err)
					}
				})
			}
			wait.Wait()
			return acknowledged
		}
		for name, c := range map[string]struct {
			may  func(reference.Tag, digest.Digest) error
			want int
		}{
			"free":      {nil, len(images)},
			"asked":     {func(reference.Tag, digest.Digest) error { return nil }, len(images)},
			"protected": {func(reference.Tag, digest.Digest) error { return errTaken }, 1},
		} {
			acknowledged := race(name, c.may)
			if len(acknowledged) != c.want {
				t.Errorf("%s: %d were acknowledged, want %d", name, len(acknowledged), c.want)
			}
			for _, s := range all {
				if d, err := s.ResolveTag(ctx, repo, storagetest.Tag(t, name)); err != nil || !slices.Contains(acknowledged, d) {
					t.Errorf("%s: points to %s, %v", name, d, err)
				}
			}
		}
		for _, image := range images {
			image.Check(t, all[2], "a")
		}
		// The history has every value that was acknowledged.
		for _, tag := range []string{"free", "asked"} {
			for _, image := range images {
				if d, ok, err := all[1].readLink(ctx, tagHistoryLink("a", tag, image.Digest)); err != nil || !ok || d != image.Digest {
					t.Errorf("%s: the history of %s: %s, %v", tag, image.Digest, d, err)
				}
			}
		}
		if got := storagetest.Tags(t, all[1], "a", 2); !slices.Equal(got, []string{"asked", "free", "protected"}) {
			t.Errorf("tags: %v", got)
		}
	})
}

var errTaken = errors.New("taken")

// TestTagListedWhileRecreated deletes and makes a tag from different processes: whatever it is in the end, the list says the same.
func TestTagListedWhileRecreated(t *testing.T) {
	replicas(t, func(t *testing.T, all []*Store) {
		ctx, repo, tag := t.Context(), storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, all[0], "a", "other")
		for round := range 20 {
			var wait sync.WaitGroup
			for i, s := range all {
				wait.Go(func() {
					if i == round%3 {
						if err := s.DeleteTag(ctx, repo, tag); err != nil && !errors.Is(err, storage.ErrTagUnknown) {
							t.Errorf("delete: %v", err)
						}
						return
					}
					if err := image.TryManifest(t, s, "a", "v1"); err != nil {
						t.Errorf("push: %v", err)
					}
				})
			}
			wait.Wait()
			_, err := all[0].ResolveTag(ctx, repo, tag)
			if got := storagetest.Tags(t, all[1], "a", 10); slices.Contains(got, "v1") != (err == nil) {
				t.Fatalf("round %d: listed are %v, but asking says %v", round, got, err)
			}
		}
	})
}

// TestADeletedManifestLeavesTagsThatMovedOn deletes a manifest at one process while another one moves its tag to a different manifest.
func TestADeletedManifestLeavesTagsThatMovedOn(t *testing.T) {
	for what, remove := range map[string]func(ctx context.Context, s *Store, repo reference.Repository, d digest.Digest) error{
		"manifest": func(ctx context.Context, s *Store, repo reference.Repository, d digest.Digest) error {
			return s.DeleteManifest(ctx, repo, d, false)
		},
		"tag, and the request arrives late": func(ctx context.Context, s *Store, repo reference.Repository, _ digest.Digest) error {
			return s.DeleteTag(ctx, repo, storagetest.Tag(t, "v1"))
		},
	} {
		b := newMemoryBucket()
		one, two := newStoreOn(b), newStoreOn(b)
		repo, old, moved := storagetest.Repo(t, "a"), storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "moved", nil)
		old.Push(t, one, "a", "v1")
		acknowledged := false
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "delete" && key == tagLink("a", "v1") && !acknowledged {
				acknowledged = true
				moved.Push(t, two, "a", "v1")
			}
			return nil
		}
		if err := remove(t.Context(), one, repo, old.Digest); err != nil || !acknowledged {
			t.Errorf("%s: %v", what, err)
		}
		if d, err := two.ResolveTag(t.Context(), repo, storagetest.Tag(t, "v1")); err != nil || d != moved.Digest {
			t.Errorf("%s: the tag that was moved points to %s, %v", what, d, err)
		}
		if got := storagetest.Tags(t, two, "a", 10); !slices.Equal(got, []string{"v1"}) {
			t.Errorf("%s: tags: %v", what, got)
		}
		if _, ok, err := two.readLink(t.Context(), tagHistoryLink("a", "v1", moved.Digest)); err != nil || !ok {
			t.Errorf("%s: it has no history: %v", what, err)
		}
	}
}
