package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

func start(t *testing.T, s storage.Store, o storage.Owner, alg digest.Algorithm) string {
	t.Helper()
	u, err := s.StartUpload(context.Background(), o, alg)
	if err != nil {
		t.Fatal(err)
	}
	if u.ID == "" || u.Offset != 0 || u.StartedAt.IsZero() {
		t.Fatalf("new upload: %+v", u)
	}
	return u.ID
}

func add(t *testing.T, s storage.Store, o storage.Owner, id string, at int64, body string, want int64) {
	t.Helper()
	u, err := s.AppendUpload(context.Background(), o, id, at, strings.NewReader(body), int64(len(body)))
	if err != nil || u.Offset != want || u.ID != id {
		t.Fatalf("append: %+v, %v; want offset %d", u, err, want)
	}
	if u, err = s.StatUpload(context.Background(), o, id); err != nil || u.Offset != want {
		t.Fatalf("stat: %+v, %v; want offset %d", u, err, want)
	}
}

func uploadInChunks(t *testing.T, s storage.Store) {
	ctx := context.Background()
	for name, last := range map[string]struct {
		repo string
		at   int64
		r    io.Reader
		size int64
		all  string
	}{
		"nothing more":      {"a", -1, nil, 0, "onetwo"},
		"an empty body":     {"b", -1, strings.NewReader(""), 0, "onetwo"},
		"a last chunk":      {"c", 6, strings.NewReader("three"), 5, "onetwothree"},
		"of unknown length": {"d", -1, strings.NewReader("four"), -1, "onetwofour"},
	} {
		o := storage.Owner{Repository: Repo(t, last.repo), User: "ann"}
		id := start(t, s, o, digest.SHA256)
		add(t, s, o, id, 0, "one", 3)
		add(t, s, o, id, 3, "", 3)
		add(t, s, o, id, -1, "two", 6)
		d := digest.FromString(last.all)
		if _, err := s.StatBlob(ctx, o.Repository, d, false); !errors.Is(err, storage.ErrBlobUnknown) {
			t.Errorf("%s: there before it was finished: %v", name, err)
		}
		if err := s.FinishUpload(ctx, o, id, last.at, last.r, last.size, d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := ReadBlob(s, o.Repository, d); err != nil || string(got) != last.all {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := s.StatUpload(ctx, o, id); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("%s: the session is left: %v", name, err)
		}
	}
}

func uploadOutOfOrder(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	id := start(t, s, o, digest.SHA256)
	add(t, s, o, id, 0, "one", 3)
	for _, at := range []int64{0, 2, 4} {
		var wrong *storage.OffsetError
		_, err := s.AppendUpload(ctx, o, id, at, strings.NewReader("x"), 1)
		if !errors.As(err, &wrong) || wrong.Upload.Offset != 3 || wrong.Want != at {
			t.Errorf("chunk at %d: %v", at, err)
		}
		if err := s.FinishUpload(ctx, o, id, at, strings.NewReader("x"), 1, digest.FromString("onex")); !errors.As(err, &wrong) {
			t.Errorf("last chunk at %d: %v", at, err)
		}
	}
	if err := s.FinishUpload(ctx, o, id, 3, strings.NewReader("x"), 1, digest.FromString("onex")); err != nil {
		t.Errorf("after being told where it stands: %v", err)
	}
}

func uploadBroken(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	id := start(t, s, o, digest.SHA256)
	cut := errors.New("connection cut")
	u, err := s.AppendUpload(ctx, o, id, 0, io.MultiReader(strings.NewReader("one"), failing{cut}), 10)
	if !errors.Is(err, cut) || u.Offset != 3 {
		t.Fatalf("a chunk that breaks counts as far as it came: %+v, %v", u, err)
	}
	var short *storage.SizeError
	u, err = s.AppendUpload(ctx, o, id, 3, strings.NewReader("two"), 10)
	if !errors.As(err, &short) || short.Got != 3 || u.Offset != 6 {
		t.Fatalf("a chunk that ends early: %+v, %v", u, err)
	}
	add(t, s, o, id, 6, "three", 11)
	if err := s.FinishUpload(ctx, o, id, -1, nil, 0, digest.FromString("onetwothree")); err != nil {
		t.Error(err)
	}
}

// uploadBrokenAtItsEnd checks that a truncated final chunk leaves the session as it was, so that
// the client can send the same request again.
func uploadBrokenAtItsEnd(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	cut := errors.New("connection cut")
	for name, begun := range map[string]string{"of a new session": "", "after a chunk": "one"} {
		id := start(t, s, o, digest.SHA256)
		if begun != "" {
			add(t, s, o, id, 0, begun, int64(len(begun)))
		}
		rest := strings.Repeat("two", 1<<20) + name
		whole := begun + rest
		for i, broken := range []struct {
			r    io.Reader
			size int64
		}{
			{io.MultiReader(strings.NewReader(rest[:2<<20]), failing{cut}), int64(len(rest))},
			{io.MultiReader(strings.NewReader(rest[:2<<20]), failing{cut}), -1},
			{strings.NewReader(rest[:100]), int64(len(rest))},
		} {
			if err := s.FinishUpload(ctx, o, id, -1, broken.r, broken.size, digest.FromString(whole)); err == nil {
				t.Fatalf("%s: broken chunk %d was accepted", name, i)
			}
			if u, err := s.StatUpload(ctx, o, id); err != nil || u.Offset != int64(len(begun)) {
				t.Fatalf("%s: after broken chunk %d: %+v, %v", name, i, u, err)
			}
		}
		if err := s.FinishUpload(ctx, o, id, -1, strings.NewReader(rest), int64(len(rest)), digest.FromString(whole)); err != nil {
			t.Errorf("%s: sent again: %v", name, err)
		}
		if got, err := ReadBlob(s, o.Repository, digest.FromString(whole)); err != nil || string(got) != whole {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func uploadTooLong(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	id := start(t, s, o, digest.SHA256)
	add(t, s, o, id, 0, "one", 3)
	var long *storage.SizeError
	if _, err := s.AppendUpload(ctx, o, id, 3, strings.NewReader("two and more"), 3); !errors.As(err, &long) {
		t.Fatalf("a chunk longer than announced: %v", err)
	}
	add(t, s, o, id, 3, "two", 6)
	if err := s.FinishUpload(ctx, o, id, -1, nil, 0, digest.FromString("onetwo")); err != nil {
		t.Error(err)
	}
}

func uploadIsItsOwnersAlone(t *testing.T, s storage.Store) {
	ctx := context.Background()
	o := storage.Owner{Repository: Repo(t, "a"), User: "ann"}
	id := start(t, s, o, digest.SHA256)
	for _, other := range []storage.Owner{{Repository: Repo(t, "b"), User: "ann"}, {Repository: Repo(t, "a"), User: "bob"}, {Repository: Repo(t, "a")}} {
		if _, err := s.StatUpload(ctx, other, id); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("stat by %v: %v", other, err)
		}
		if _, err := s.AppendUpload(ctx, other, id, 0, strings.NewReader("x"), 1); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("append by %v: %v", other, err)
		}
		if err := s.FinishUpload(ctx, other, id, 0, nil, 0, digest.FromString("")); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("finish by %v: %v", other, err)
		}
		if err := s.CancelUpload(ctx, other, id); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("cancel by %v: %v", other, err)
		}
	}
	if err := s.CancelUpload(ctx, o, id); err != nil {
		t.Error(err)
	}
	for _, id := range []string{id, "", "..", "../../etc", "no-such-upload"} {
		if _, err := s.StatUpload(ctx, o, id); !errors.Is(err, storage.ErrUploadUnknown) {
			t.Errorf("stat of %q: %v", id, err)
		}
	}
}

// uploadsOfOneUserAtOnce opens 200 sessions of one user before any of them ends, as the robot account of a busy CI system
// does, and lets their bytes flow at once.
func uploadsOfOneUserAtOnce(t *testing.T, s storage.Store) {
	const many = 200
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a"), User: "robot"}
	var started, flowing, work sync.WaitGroup
	started.Add(many)
	flowing.Add(many)
	for i := range many {
		work.Go(func() {
			u, err := s.StartUpload(ctx, o, digest.SHA256)
			started.Done()
			started.Wait()
			body := strings.Repeat("layer ", 1000) + strconv.Itoa(i)
			whole := body + body
			held := &heldReader{Reader: strings.NewReader(body), until: func() { flowing.Done(); flowing.Wait() }}
			if err == nil {
				_, err = s.AppendUpload(ctx, o, u.ID, 0, held, int64(len(body)))
			} else {
				flowing.Done()
			}
			if err == nil {
				err = s.FinishUpload(ctx, o, u.ID, -1, strings.NewReader(body), int64(len(body)), digest.FromString(whole))
			}
			if err != nil {
				t.Errorf("upload %d of %d: %v", i, many, err)
			}
		})
	}
	work.Wait()
}

// heldReader calls until before its first byte.
type heldReader struct {
	io.Reader
	until func()
	once  sync.Once
}

func (r *heldReader) Read(p []byte) (int, error) {
	r.once.Do(r.until)
	return r.Reader.Read(p)
}

func uploadOfAnotherAlgorithm(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	for _, c := range [][2]digest.Algorithm{{digest.SHA256, digest.SHA512}, {digest.SHA512, digest.SHA256}, {digest.SHA512, digest.SHA512}} {
		id := start(t, s, o, c[0])
		body := "hashed by " + c[0].String() + " and " + c[1].String()
		add(t, s, o, id, 0, body, int64(len(body)))
		d := c[1].FromString(body)
		if err := s.FinishUpload(ctx, o, id, -1, nil, 0, d); err != nil {
			t.Fatalf("%s, finished as %s: %v", c[0], c[1], err)
		}
		if got, err := ReadBlob(s, o.Repository, d); err != nil || string(got) != body {
			t.Errorf("%s, finished as %s: %q, %v", c[0], c[1], got, err)
		}
	}
}

func uploadWithWrongDigest(t *testing.T, s storage.Store) {
	ctx, o := context.Background(), storage.Owner{Repository: Repo(t, "a")}
	id := start(t, s, o, digest.SHA256)
	add(t, s, o, id, 0, "evil", 4)
	var wrong *storage.DigestError
	d := digest.FromString("good")
	if err := s.FinishUpload(ctx, o, id, -1, nil, 0, d); !errors.As(err, &wrong) || wrong.Want != d {
		t.Fatalf("wrong bytes: %v", err)
	}
	if _, err := s.StatBlob(ctx, o.Repository, d, true); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("afterwards: %v", err)
	}
	if err := s.PutBlob(ctx, o, d, bytes.NewReader([]byte("good")), 4); err != nil {
		t.Error(err)
	}
}
