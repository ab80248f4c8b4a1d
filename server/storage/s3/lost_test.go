package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/racetest"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// openFake opens a store on a fake engine.
func openFake(t *testing.T, f *fakeEngine) *Store {
	t.Helper()
	s := openEngine(t, f.config(), nil)
	s.client.transport.pause = time.Millisecond
	return s
}

// once answers true the first time that it is asked about one of some operations.
func once(ops ...string) func(op string, r *http.Request) bool {
	var done atomic.Bool
	return func(op string, _ *http.Request) bool {
		for _, o := range ops {
			if op == o && done.CompareAndSwap(false, true) {
				return true
			}
		}
		return false
	}
}

// TestOwnWritesAreKnownAgain loses the answer of a write with a condition: the next attempt is refused for what the first one did.
func TestOwnWritesAreKnownAgain(t *testing.T) {
	t.Parallel()
	newFake := func(t *testing.T) (*fakeEngine, *client) {
		f := startFake(t, newMemoryBucket())
		c, err := newClient(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		c.transport.pause = time.Millisecond
		return f, c
	}
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		f, c := newFake(t)
		f.after = once("PutObject")
		if etag, err := c.put(t.Context(), "k", []byte("mine"), ifAbsent); err != nil || etag != etagOf([]byte("mine")) {
			t.Errorf("%s, %v", etag, err)
		}
		if _, err := c.put(t.Context(), "k", []byte("other"), ifAbsent); !errors.Is(err, errCondition) {
			t.Errorf("created twice: %v", err)
		}
	})
	t.Run("somebody else's", func(t *testing.T) {
		t.Parallel()
		f, c := newFake(t)
		lost := once("PutObject")
		f.after = func(op string, r *http.Request) bool {
			if !lost(op, r) {
				return false
			}
			f.b.mu.Lock()
			defer f.b.mu.Unlock()
			f.b.set("k", []byte("other")) // quicker than the second attempt
			return true
		}
		if _, err := c.put(t.Context(), "k", []byte("mine"), ifAbsent); !errors.Is(err, errCondition) {
			t.Errorf("%v", err)
		}
	})
	t.Run("replace", func(t *testing.T) {
		t.Parallel()
		f, c := newFake(t)
		etag, err := c.put(t.Context(), "k", []byte("1"), condition{})
		if err != nil {
			t.Fatal(err)
		}
		f.after = once("PutObject")
		if _, err := c.put(t.Context(), "k", []byte("2"), ifMatch(etag)); err != nil {
			t.Error(err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		f, c := newFake(t)
		etag, err := c.put(t.Context(), "k", []byte("1"), condition{})
		if err != nil {
			t.Fatal(err)
		}
		lost := once("DeleteObject")
		f.after = lost
		f.before = func(op string, w http.ResponseWriter, _ *http.Request) bool {
			if op == "DeleteObject" && len(f.b.keys("k")) == 0 {
				refuse(w, 412, "PreconditionFailed") // as some engines answer for what is not there
				return true
			}
			return false
		}
		if err := c.deleteIf(t.Context(), "k", etag); err != nil {
			t.Error(err)
		}
		if err := c.deleteIf(t.Context(), "k", etag); !errors.Is(err, errCondition) {
			t.Errorf("deleted what was not there: %v", err)
		}
	})
}

// TestEveryAnswerMayBeLost loses the answer of each request of a push in turn. The push succeeds, and leaves nothing behind.
func TestEveryAnswerMayBeLost(t *testing.T) {
	t.Parallel()
	content := noise(30, tinyChunk+100<<10)
	d := digest.FromBytes(content)
	push := func(t *testing.T, n int32) (requests int32) {
		f := startFake(t, newMemoryBucket())
		s := openFake(t, f)
		tiny(s, f.b)
		var sent atomic.Int32
		var lost atomic.Value
		f.after = func(op string, _ *http.Request) bool {
			if sent.Add(1) != n {
				return false
			}
			lost.Store(op)
			return true
		}
		o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		u, err := s.StartUpload(t.Context(), o, digest.SHA256)
		if err == nil {
			_, err = s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content[:100<<10]), 100<<10)
		}
		if err == nil {
			err = s.FinishUpload(t.Context(), o, u.ID, 100<<10, bytes.NewReader(content[100<<10:]), -1, d)
		}
		if err != nil {
			t.Errorf("blob: %v", err)
		}
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "a", "v1")
		if err := s.PutBlob(t.Context(), o, d, bytes.NewReader(content), -1); err != nil {
			t.Errorf("blob at once: %v", err)
		}
		requests = sent.Load()
		f.after = nil
		image.Check(t, s, "a", "v1")
		if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		if open, _ := f.b.listMultiparts(t.Context(), ""); len(open) > 0 {
			// Its answer was lost, so nobody knows its name: purging finds it.
			if len(open) > 1 || lost.Load() != "CreateMultipartUpload" {
				t.Errorf("the answer of %v was lost, and open are %v", lost.Load(), open)
			}
			if _, err := s.PurgeUploads(t.Context(), 0, false); err != nil {
				t.Error(err)
			}
		}
		left(t, s, uploadsDir, multipartDir)
		return requests
	}
	all := push(t, -1)
	if all < 20 {
		t.Fatalf("%d requests", all)
	}
	for n := int32(0); n < all; n += racetest.Sample[int32](1, 5) {
		t.Run(fmt.Sprint(n+1), func(t *testing.T) {
			t.Parallel()
			push(t, n+1)
		})
	}
}

// lossyBucket does what it is asked to, and fails to say so.
type lossyBucket struct {
	*memoryBucket
	lose func(key string) bool
}

var errLost = errors.New("no answer")

func (b *lossyBucket) put(ctx context.Context, key string, body []byte, c condition) (string, error) {
	etag, err := b.memoryBucket.put(ctx, key, body, c)
	if err == nil && b.lose(key) {
		return "", errLost
	}
	return etag, err
}

// TestRecordsWithoutAnAnswer never hears that a record was written: what it names must stay, and the upload goes on from wherever it stands.
func TestRecordsWithoutAnAnswer(t *testing.T) {
	content := noise(31, 2*tinyChunk+tinyChunk/5)
	for n := 1; ; n++ {
		var puts atomic.Int32
		b := &lossyBucket{memoryBucket: newMemoryBucket(), lose: func(key string) bool {
			return !strings.HasPrefix(key, probeDir) && key != indexState && puts.Add(1) == int32(n)
		}}
		s := newStoreOn(b)
		tiny(s, b.memoryBucket)
		s.recordEvery = tinyChunk
		o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		if err := pushChunks(t.Context(), s, o, content); err != nil && !errors.Is(err, errLost) {
			t.Errorf("put %d: %v", n, err)
		} else if err == nil {
			if got, err := storagetest.ReadBlob(s, o.Repository, digest.FromBytes(content)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("put %d: %d bytes came back, %v", n, len(got), err)
			}
		}
		for _, key := range b.keys(uploadsDir) {
			// A session that nobody heard of is purged when it is old.
			if n > 1 {
				t.Errorf("put %d: left behind: %s", n, key)
			}
		}
		if puts.Load() < int32(n) {
			break
		}
	}
}

// TestARecordThatArrivesLate has the engine do what it was asked to after it was given up: the session must not come to name what is gone.
func TestARecordThatArrivesLate(t *testing.T) {
	b := &lateBucket{memoryBucket: newMemoryBucket()}
	s := newStoreOn(b)
	tiny(s, b.memoryBucket)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	content := noise(32, tinyChunk*6/5)
	u, err := s.StartUpload(t.Context(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	b.hold = true
	if _, err := s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content), int64(len(content))); !errors.Is(err, errLost) {
		t.Fatalf("append: %v", err)
	}
	b.hold = false
	b.arrive(t.Context())
	if u, err = s.StatUpload(t.Context(), o, u.ID); err != nil {
		t.Fatal(err)
	}
	rest := content[u.Offset:]
	if err := s.FinishUpload(t.Context(), o, u.ID, u.Offset, bytes.NewReader(rest), int64(len(rest)), digest.FromBytes(content)); err != nil {
		t.Errorf("from %d on: %v", u.Offset, err)
	}
	left(t, s, uploadsDir)
}

// lateBucket holds writes of records back.
type lateBucket struct {
	*memoryBucket
	hold bool
	held func(context.Context)
}

func (b *lateBucket) put(ctx context.Context, key string, body []byte, c condition) (string, error) {
	if b.hold && strings.HasSuffix(key, "/session") && b.held == nil {
		b.held = func(ctx context.Context) { _, _ = b.memoryBucket.put(ctx, key, body, c) }
		return "", errLost
	}
	return b.memoryBucket.put(ctx, key, body, c)
}

func (b *lateBucket) arrive(ctx context.Context) { b.held(ctx) }

// TestAnUploadThatIsGoneIsNotTakenForDone heals a damaged blob of the same size by an upload that somebody aborts at its end.
func TestAnUploadThatIsGoneIsNotTakenForDone(t *testing.T) {
	t.Parallel()
	f := startFake(t, newMemoryBucket())
	s := openFake(t, f)
	tiny(s, f.b)
	content := noise(33, tinyChunk+1)
	d := digest.FromBytes(content)
	f.b.mu.Lock()
	f.b.set(blobKey(d), bytes.Repeat([]byte("x"), len(content)))
	f.b.mu.Unlock()
	f.before = func(op string, w http.ResponseWriter, _ *http.Request) bool {
		if op == "CompleteMultipartUpload" {
			refuse(w, 404, "NoSuchUpload")
		}
		return op == "CompleteMultipartUpload"
	}
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	if err := s.PutBlob(t.Context(), o, d, bytes.NewReader(content), -1); err == nil {
		t.Error("acknowledged, though what is stored are other bytes")
	}
	f.before = nil
	if err := s.PutBlob(t.Context(), o, d, bytes.NewReader(content), -1); err != nil {
		t.Error(err)
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestALateTagDoesNotUndoALaterOne keeps the first attempt to move a tag on the way until somebody else has moved it since.
func TestALateTagDoesNotUndoALaterOne(t *testing.T) {
	t.Parallel()
	f := startFake(t, newMemoryBucket())
	one, two := openFake(t, f), openFake(t, f)
	images := []*storagetest.Image{storagetest.NewImage(t, "0", nil), storagetest.NewImage(t, "1", nil), storagetest.NewImage(t, "2", nil)}
	for _, i := range images {
		i.Push(t, two, "a")
	}
	images[0].Push(t, two, "a", "v1")
	arrive := f.delayed(one.client, func(op string, r *http.Request) bool {
		return op == "PutObject" && strings.HasSuffix(r.URL.Path, "/tags/v1/current/link")
	})
	images[1].Push(t, one, "a", "v1") // its first attempt stays on the way
	images[2].Push(t, two, "a", "v1")
	arrive()
	if d, err := two.ResolveTag(t.Context(), storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")); err != nil || d != images[2].Digest {
		t.Errorf("the tag points to %s, %v; the last one that was acknowledged is %s", d, err, images[2].Digest)
	}
}

// TestOfAPieceNoMoreIsAsked reads a part of a blob, over an engine that loses a connection, too.
func TestOfAPieceNoMoreIsAsked(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	s := openFake(t, f)
	content := noise(31, 3<<20)
	d := storagetest.PushBlob(t, s, "a", content) // and so it is known to be good
	got := make([]byte, 1<<20)
	before := f.count()
	blob, err := s.openBlob(t.Context(), storagetest.Repo(t, "a"), d, storage.Piece{From: 1 << 20, Length: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if n := f.count() - before; n != 2 { // the link, and the piece
		t.Errorf("%d requests to open it, want 2", n)
	}
	if _, err := blob.Content().Seek(1<<20, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(blob.Content(), got[:100]); err != nil {
		t.Fatal(err)
	}
	blob.source.drop() // as when the connection breaks
	if _, err := io.ReadFull(blob.Content(), got[100:]); err != nil || !bytes.Equal(got, content[1<<20:2<<20]) {
		t.Errorf("other bytes, %v", err)
	}
	var asked []string
	for _, r := range f.requests("GetObject") {
		if strings.HasSuffix(r.URL.Path, blobKey(d)) {
			asked = append(asked, r.Header.Get("Range"))
		}
	}
	if want := []string{"bytes=1048576-2097151", "bytes=1048676-2097151"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}
