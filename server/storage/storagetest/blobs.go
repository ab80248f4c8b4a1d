package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

func blobComesBack(t *testing.T, s storage.Store) {
	ctx := context.Background()
	for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 1<<20 + 1, 9 << 20} {
			content := bytes.Repeat([]byte(fmt.Sprint(size, " ")), size/2+1)[:size]
			d := alg.FromBytes(content)
			o := storage.Owner{Repository: Repo(t, "a/b")}
			for _, announced := range []int64{int64(size), -1} { // the second push finds the blob
				if err := s.PutBlob(ctx, o, d, bytes.NewReader(content), announced); err != nil {
					t.Fatalf("%s of %d bytes: %v", alg, size, err)
				}
			}
			for _, touch := range []bool{false, true} {
				if got, err := s.StatBlob(ctx, o.Repository, d, touch); err != nil || got != int64(size) {
					t.Fatalf("stat: %d, %v; want %d", got, err, size)
				}
			}
			got, err := ReadBlob(s, o.Repository, d)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%s of %d bytes came back as %d, %v", alg, size, len(got), err)
			}
			ranged(t, s, o.Repository, d, content)
		}
	}
}

func ranged(t *testing.T, s storage.Store, repo reference.Repository, d digest.Digest, content []byte) {
	t.Helper()
	b, err := s.OpenBlob(context.Background(), repo, d)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	size := int64(len(content))
	if end, err := b.Content().Seek(0, io.SeekEnd); err != nil || end != size || b.Size() != size {
		t.Fatalf("seek to the end: %d, %v, size %d; want %d", end, err, b.Size(), size)
	}
	from := size / 2
	if _, err := b.Content().Seek(from, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b.Content())
	if err != nil || !bytes.Equal(got, content[from:]) {
		t.Fatalf("the second half came back as %d bytes, %v", len(got), err)
	}
}

func blobIsItsRepositorysAlone(t *testing.T, s storage.Store) {
	ctx := context.Background()
	d := PushBlob(t, s, "a", []byte("secret"))
	other := Repo(t, "b")
	if _, err := s.StatBlob(ctx, other, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("stat from elsewhere: %v", err)
	}
	if _, err := s.OpenBlob(ctx, other, d); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("open from elsewhere: %v", err)
	}
	if err := s.DeleteBlob(ctx, other, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("delete from elsewhere: %v", err)
	}
	if err := s.MountBlob(ctx, other, nil, d); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("mount from nowhere: %v", err)
	}
}

func blobRefused(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	good := digest.FromString("good")
	for name, c := range map[string]struct {
		body string
		size int64
		want any
	}{
		"another digest":               {"evil", 4, new(*storage.DigestError)},
		"another digest, size unknown": {"evil", -1, new(*storage.DigestError)},
		"too short":                    {"goo", 4, new(*storage.SizeError)},
		"too long":                     {"good and more", 4, new(*storage.SizeError)},
		"empty":                        {"", 4, new(*storage.SizeError)},
	} {
		if err := s.PutBlob(ctx, o, good, bytes.NewReader([]byte(c.body)), c.size); !errors.As(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.StatBlob(ctx, o.Repository, good, true); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("%s: afterwards %v", name, err)
		}
	}
	cut := errors.New("connection cut")
	err := s.PutBlob(ctx, o, good, io.MultiReader(bytes.NewReader([]byte("go")), failing{cut}), 4)
	if !errors.Is(err, cut) {
		t.Errorf("body that breaks: %v", err)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if err := s.PutBlob(stopped, o, good, bytes.NewReader([]byte("good")), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("request that was given up: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func blobDeleted(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	content := []byte("content")
	for range 2 {
		d := PushBlob(t, s, "a", content)
		PushBlob(t, s, "b", content)
		if err := s.DeleteBlob(ctx, repo, d, false); err != nil {
			t.Fatal(err)
		}
		if _, err := s.StatBlob(ctx, repo, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("deleted: %v", err)
		}
		if err := s.DeleteBlob(ctx, repo, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("deleted twice: %v", err)
		}
		if got, err := ReadBlob(s, Repo(t, "b"), d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the other repository's: %v", err)
		}
	}
}

// dataDiscarded checks that no data of a discarded blob and manifest remains, and that both can be
// pushed again.
func dataDiscarded(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	for range 2 {
		image := NewImage(t, "discarded", nil)
		image.Push(t, s, "a", "v1")
		if err := s.DeleteManifest(ctx, repo, image.Digest, false); err != nil {
			t.Fatal(err)
		}
		blobs := []digest.Digest{digest.FromBytes(image.Config), digest.FromBytes(image.Layer)}
		for _, d := range blobs {
			if err := s.DeleteBlob(ctx, repo, d, false); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range append(blobs, image.Digest, image.Digest) { // discarding twice is fine
			if err := s.DiscardData(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		if u, err := s.Usage(ctx); err != nil || u.Blobs != 0 || u.Bytes != 0 || u.Unreferenced != 0 {
			t.Errorf("%d blobs of %d bytes are left, %v", u.Blobs, u.Bytes, err)
		}
	}
}

func blobMounted(t *testing.T, s storage.Store) {
	ctx := context.Background()
	d := PushBlob(t, s, "from/here", []byte("content"))
	to := Repo(t, "to/there")
	candidates := []reference.Repository{Repo(t, "nothing"), Repo(t, "from/here")}
	if err := s.MountBlob(ctx, to, candidates[:1], d); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("mount of what is not there: %v", err)
	}
	for range 2 {
		if err := s.MountBlob(ctx, to, candidates, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteBlob(ctx, candidates[1], d, false); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadBlob(s, to, d); err != nil || string(got) != "content" {
		t.Errorf("mounted blob: %q, %v", got, err)
	}
}

func blobPushedByManyAtOnce(t *testing.T, s storage.Store) {
	content := bytes.Repeat([]byte("same"), 1000)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			repo := Repo(t, []string{"a", "b", "c"}[i%3])
			if err := TryBlob(s, repo, content); err != nil {
				t.Errorf("push: %v", err)
			}
			if got, err := ReadBlob(s, repo, digest.FromBytes(content)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("read: %v", err)
			}
		})
	}
	all.Wait()
}
