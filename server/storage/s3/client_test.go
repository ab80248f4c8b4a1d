package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestEveryWriteSaysHowItIsEncrypted looks at the headers of everything that is written: S3 refuses them where they do not belong, such as on
// the parts of an upload.
func TestEveryWriteSaysHowItIsEncrypted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change          func(*config.S3Storage)
		sse, key, class string
	}{
		"nothing asked for": {change: func(*config.S3Storage) {}},
		"encrypt":           {change: func(c *config.S3Storage) { c.Encrypt = true }, sse: "AES256"},
		"a key":             {change: func(c *config.S3Storage) { c.Encrypt, c.KeyID = true, "arn:key" }, sse: "aws:kms", key: "arn:key"},
		"a class":           {change: func(c *config.S3Storage) { c.StorageClass = "STANDARD_IA" }, class: "STANDARD_IA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, newMemoryBucket())
			cfg := f.config()
			c.change(&cfg)
			s := openEngine(t, cfg, nil)
			tiny(s, f.b)
			content := noise(40, tinyChunk+100<<10)
			o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
			if err := pushChunks(t.Context(), s, o, content); err != nil {
				t.Fatal(err)
			}
			storagetest.NewImage(t, "one", nil).Push(t, s, "a", "v1")
			written := append(f.requests("PutObject"), f.requests("CreateMultipartUpload")...)
			if len(written) < 10 {
				t.Fatalf("%d writes", len(written))
			}
			for _, r := range written {
				if sse, key := r.Header.Get("X-Amz-Server-Side-Encryption"), r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); sse != c.sse || key != c.key {
					t.Errorf("%s %s: encrypted by %q with %q", r.Method, r.URL.Path, sse, key)
				}
				want := ""
				if strings.Contains(r.URL.Path, "/blobs/") || strings.HasSuffix(r.URL.Path, "/"+asContent) {
					want = c.class
				}
				if class := r.Header.Get("X-Amz-Storage-Class"); class != want {
					t.Errorf("%s %s: class %q", r.Method, r.URL.Path, class)
				}
			}
			parts := f.requests("UploadPart")
			if len(parts) == 0 {
				t.Error("no parts")
			}
			for _, r := range parts {
				if r.Header.Get("X-Amz-Server-Side-Encryption") != "" || r.Header.Get("X-Amz-Storage-Class") != "" {
					t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
				}
			}
		})
	}
}

// TestSlowDownIsWaitedFor has the engine be busy for a while.
func TestSlowDownIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy, want int
		ok         bool
	}{"for a moment": {3, 4, true}, "for good": {100, 6, false}} {
		f := startFake(t, newMemoryBucket())
		client, err := newClient(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		client.transport.pause = time.Millisecond
		f.before = func(_ string, w http.ResponseWriter, _ *http.Request) bool {
			if c.busy--; c.busy >= 0 {
				refuse(w, 503, "SlowDown")
			}
			return c.busy >= 0
		}
		if _, err := client.put(t.Context(), "k", []byte("1"), condition{}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(f.requests("PutObject")); n != c.want {
			t.Errorf("%s: asked %d times, want %d", name, n, c.want)
		}
	}
}

// TestAnswersThatBreakOffAreAskedForAgain cuts the body of a small object: the SDK has handed it out already, and does not repeat it.
func TestAnswersThatBreakOffAreAskedForAgain(t *testing.T) {
	t.Parallel()
	f := startFake(t, newMemoryBucket())
	s := openFake(t, f)
	storagetest.NewImage(t, "one", nil).Push(t, s, "a", "v1")
	var cut atomic.Int32
	f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
		if op != "GetObject" || !strings.HasSuffix(r.URL.Path, "/link") || cut.Add(1) > 2 {
			return false
		}
		w.Header().Set("Content-Length", "71")
		_, _ = w.Write([]byte("sha256:"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if _, err := s.ResolveTag(t.Context(), storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")); err != nil || cut.Load() != 3 {
		t.Errorf("asked %d times, %v", cut.Load(), err)
	}
}

// within asks a fake engine without a network between, so that a test may have its own time.
type within struct{ f *fakeEngine }

// RoundTrip implements http.RoundTripper.
func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := make(chan *http.Response, 1)
	go func() {
		recorded := httptest.NewRecorder()
		w.f.ServeHTTP(recorded, r)
		answer <- recorded.Result()
	}()
	select {
	case a := <-answer:
		return a, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// TestTheEngineMayTakeItsTimeToCopy has it put ten mebibytes together for longer than any other answer may take: it gets a second for each four.
func TestTheEngineMayTakeItsTimeToCopy(t *testing.T) {
	content := noise(41, 2*smallestChunk)
	for took, asked := range map[time.Duration]int{answerTimeout + time.Second: 1, answerTimeout + 3*time.Second: 2} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeEngine{t: t, b: newMemoryBucket(), url: "http://s3.example"}
			c, err := newClient(t.Context(), f.config())
			if err != nil {
				t.Fatal(err)
			}
			c.transport.base = within{f}
			var first atomic.Bool
			f.before = func(op string, _ http.ResponseWriter, _ *http.Request) bool {
				if op == "CompleteMultipartUpload" && first.CompareAndSwap(false, true) {
					time.Sleep(took)
				}
				return false
			}
			o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
			s := newStoreOn(c)
			s.opt.Config.ChunkSize = smallestChunk
			if err := s.PutBlob(t.Context(), o, digest.FromBytes(content), bytes.NewReader(content), -1); err != nil {
				t.Errorf("%s: %v", took, err)
			}
			time.Sleep(2 * answerTimeout) // what was given up ends too
			synctest.Wait()
			if n := len(f.requests("CompleteMultipartUpload")); n != asked {
				t.Errorf("%s: asked %d times, want %d", took, n, asked)
			}
		})
	}
}

// copyingBucket only counts what is copied.
type copyingBucket struct {
	*memoryBucket
	mu              sync.Mutex
	parts           int
	copied, largest int64
}

func (b *copyingBucket) copyPart(_ context.Context, _, _ string, number int32, _, etag string, _, length int64) (part, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts++
	b.copied += length
	b.largest = max(b.largest, length)
	return part{number: number, etag: etag, size: length}, nil
}

func (b *copyingBucket) completeMultipart(context.Context, string, string, []part) (string, error) {
	return "etag", nil
}

func TestCopiesAreCutIntoPieces(t *testing.T) {
	for _, size := range []int64{1, copyPiece, copyPiece + 1, 10 << 30, 5 << 40} {
		b := &copyingBucket{memoryBucket: newMemoryBucket()}
		if err := newStoreOn(b).copyObject(t.Context(), "from", object{size: size, etag: "e"}, "to"); err != nil {
			t.Fatal(err)
		}
		if b.copied != size || b.parts > mostParts || b.largest > 5<<30 || size < 1<<40 && b.largest > copyPiece {
			t.Errorf("%d bytes: %d parts of up to %d, %d in all", size, b.parts, b.largest, b.copied)
		}
	}
}

// TestRootsAreHarmless sees that no root leads out of itself, and that what is odd about one reaches the engine as it is.
func TestRootsAreHarmless(t *testing.T) {
	for root, want := range map[string]string{
		"": "", "/": "", "a": "a/", "/a/b/": "a/b/", "a b+c%41&é": "a b+c%41&é/",
		"..": "!", "a/../b": "!", "./a": "!", "a//b": "!", "a\nb": "!", "a\x00": "!",
	} {
		got, err := prefixOf(root)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", root, got, want)
		}
	}
	c := &client{cfg: config.S3Storage{Bucket: "bu"}, prefix: "a b+c%41&é/"}
	if got := *c.source("k"); got != "bu/a%20b%2Bc%2541&%C3%A9/k" {
		t.Errorf("copied from %s", got)
	}
}

// TestEngineTakesOddRoots pushes in parts, which are copied, and reads it back.
func TestEngineTakesOddRoots(t *testing.T) {
	cfg := startEngine(t)
	for _, root := range []string{"a b+c&d=e", "é", "100%", "x'y(z)"} {
		mine := cfg
		mine.RootDirectory = root
		s := openEngine(t, mine, nil)
		content := noise(42, smallestChunk+1)
		o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
		if err := pushChunks(t.Context(), s, o, content); err != nil {
			t.Errorf("%q: %v", root, err)
			continue
		}
		if got, err := storagetest.ReadBlob(s, o.Repository, digest.FromBytes(content)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%q: %d bytes, %v", root, len(got), err)
		}
		if got := storagetest.Repositories(t, s, 1); len(got) != 1 || got[0] != "a" {
			t.Errorf("%q: lists %v", root, got)
		}
		left(t, s, uploadsDir, multipartDir)
	}
}

// TestTheClientIsGone ends the request of a chunk at each of the requests that it makes. The upload goes on from where it stands.
func TestTheClientIsGone(t *testing.T) {
	content := noise(44, tinyChunk*12/5)
	d := digest.FromBytes(content)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	for n := int32(1); ; n++ {
		b := newMemoryBucket()
		s := newStoreOn(b)
		tiny(s, b)
		s.recordEvery = tinyChunk
		u, err := s.StartUpload(t.Context(), o, digest.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int32
		b.before = func(of context.Context, _, _ string) error {
			if sent.Add(1) == n {
				cancel()
			}
			return of.Err()
		}
		// In two requests, of which the second one ends the upload.
		if now, err := s.AppendUpload(ctx, o, u.ID, 0, bytes.NewReader(content[:tinyChunk*7/5]), -1); err == nil {
			u = now
			err = s.FinishUpload(ctx, o, u.ID, u.Offset, bytes.NewReader(content[u.Offset:]), -1, d)
			if err == nil {
				cancel()
				left(t, s, uploadsDir, multipartDir)
				break // it took fewer requests than that
			}
		}
		b.before = nil
		if u, err = s.StatUpload(t.Context(), o, u.ID); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		if err := s.FinishUpload(t.Context(), o, u.ID, u.Offset, bytes.NewReader(content[u.Offset:]), -1, d); err != nil {
			t.Errorf("request %d, from %d on: %v", n, u.Offset, err)
		}
		left(t, s, uploadsDir, multipartDir)
		if n > 100 {
			t.Fatal("without end")
		}
	}
}

// TestListingsOfManyPages lists more than S3 returns at once.
func TestListingsOfManyPages(t *testing.T) {
	t.Parallel()
	f := startFake(t, newMemoryBucket())
	for i := range 2*mostListed + 1 {
		f.b.set(tagEntry("a", "v"+strconv.Itoa(i)), []byte("x"))
	}
	s := openFake(t, f)
	page, more, err := s.Tags(t.Context(), storagetest.Repo(t, "a"), "", 3*mostListed)
	if err != nil || more || len(page) != 2*mostListed+1 {
		t.Errorf("%d of them, more: %v, %v", len(page), more, err)
	}
}

// TestListingsEnd: an engine that tells the same page for ever, or says that there is more and never says what, does not keep anybody busy for ever.
func TestListingsEnd(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"the same": `<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>gc/one</Key><Size>1</Size></Contents></ListBucketResult>`,
		"nothing":  `<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>`,
	} {
		f := startFake(t, newMemoryBucket())
		f.before = func(op string, w http.ResponseWriter, _ *http.Request) bool {
			if op != "ListObjectsV2" {
				return false
			}
			_, _ = io.WriteString(w, body)
			return true
		}
		c, err := newClient(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		err = walk(t.Context(), c, "gc/", func(object) error {
			if seen++; seen > 5 {
				return errStop
			}
			return nil
		})
		if err == nil || errors.Is(err, errStop) || len(f.requests("ListObjectsV2")) > 2 {
			t.Errorf("%s: %v after %d requests", name, err, len(f.requests("ListObjectsV2")))
		}
	}
}

// TestAPushDoesNotWaitForAnotherThatLooks has looking for collections hang: who gives up while waiting for the outcome gets away.
func TestAPushDoesNotWaitForAnotherThatLooks(t *testing.T) {
	b := newMemoryBucket()
	s := newStoreOn(b)
	hang, looking := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.before = func(_ context.Context, verb, key string) error {
		if verb == "list" && key == runsDir {
			once.Do(func() { close(looking) })
			<-hang
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.look(t.Context())
		done <- err
	}()
	<-looking
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(hang)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAnEngineThatDoesNotAnswer is told apart from one that refuses: trying again later helps against the one alone.
func TestAnEngineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		absent bool
	}{
		"no answer":      {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, true},
		"busy":           {func(w http.ResponseWriter) { refuse(w, 503, "SlowDown") }, true},
		"out of order":   {func(w http.ResponseWriter) { refuse(w, 500, "InternalError") }, true},
		"a dead gateway": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, true},
		"not allowed":    {func(w http.ResponseWriter) { refuse(w, 403, "AccessDenied") }, false},
		"not able":       {func(w http.ResponseWriter) { refuse(w, 501, "NotImplemented") }, false},
		"full":           {func(w http.ResponseWriter) { refuse(w, 507, "XMinioStorageFull") }, false},
		"missing":        {func(w http.ResponseWriter) { refuse(w, 404, "NoSuchKey") }, false},
	} {
		f := startFake(t, newMemoryBucket())
		client, err := newClient(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		client.transport.pause = time.Millisecond
		f.before = func(_ string, w http.ResponseWriter, _ *http.Request) bool {
			c.answer(w)
			return true
		}
		if _, err := client.head(t.Context(), "k"); err == nil || errors.Is(err, storage.ErrUnavailable) != c.absent {
			t.Errorf("%s: HEAD: %v", name, err)
		}
		if _, err := client.put(t.Context(), "k", []byte("1"), condition{}); err == nil || errors.Is(err, storage.ErrUnavailable) != c.absent {
			t.Errorf("%s: PUT: %v", name, err)
		}
	}
	f := startFake(t, newMemoryBucket())
	client, err := newClient(t.Context(), f.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.head(ctx, "k"); err == nil || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("of somebody who has left: %v", err)
	}
}
