package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/config"
)

// fakeEngine speaks S3 over HTTP for a bucket in memory, in path style, and looks at no signature. It shows what the SDK makes of answers that
// a real engine gives rarely.
type fakeEngine struct {
	t *testing.T
	b *memoryBucket
	// before may answer a request in the engine's place; after is told when one was done, and may lose its answer. Both may be nil.
	before func(op string, w http.ResponseWriter, r *http.Request) (answered bool)
	after  func(op string, r *http.Request) (lost bool)

	mu   sync.Mutex
	seen []*http.Request // without their bodies
	url  string
}

// startFake serves a bucket until the test ends.
func startFake(t *testing.T, b *memoryBucket) *fakeEngine {
	t.Helper()
	f := &fakeEngine{t: t, b: b}
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fakeEngine) config() config.S3Storage {
	return config.S3Storage{
		Region: "us-east-1", Bucket: "b", AccessKey: "key", SecretKey: "secret", RegionEndpoint: f.url, Secure: true, ForcePathStyle: true,
		ChunkSize: smallestChunk,
	}
}

// requests returns what was asked for, by operation.
func (f *fakeEngine) requests(op string) (all []*http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.seen {
		if operation(r) == op {
			all = append(all, r)
		}
	}
	return all
}

// count is how many requests came.
func (f *fakeEngine) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// operation names a request as the documentation of S3 does.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Has("uploads") && r.Method == http.MethodPost:
		return "CreateMultipartUpload"
	case q.Has("uploads"):
		return "ListMultipartUploads"
	case q.Has("uploadId"):
		return map[string]string{http.MethodPut: "UploadPart", http.MethodPost: "CompleteMultipartUpload", http.MethodDelete: "AbortMultipartUpload"}[r.Method]
	case q.Has("delete"):
		return "DeleteObjects"
	case q.Get("list-type") == "2":
		return "ListObjectsV2"
	}
	return map[string]string{http.MethodPut: "PutObject", http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodDelete: "DeleteObject"}[r.Method]
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>words of the engine</Message></Error>`, code)
}

// ServeHTTP implements http.Handler.
func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := operation(r)
	// An engine does what it was asked to also when nobody waits for its answer any more.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	if r.ContentLength < 0 {
		refuse(w, 411, "MissingContentLength")
		return
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return
	}
	r.Body = http.NoBody
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	r = r.WithContext(r.Context())
	r.Body = &sentBody{Reader: bytes.NewReader(body), content: body}
	if f.before != nil && f.before(op, w, r) {
		return
	}
	if f.after == nil {
		f.serve(op, w, r)
		return
	}
	answer := httptest.NewRecorder()
	f.serve(op, answer, r)
	if f.after != nil && f.after(op, r) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// sentBody is a body that was received.
type sentBody struct {
	*bytes.Reader
	content []byte
}

// Close implements io.Closer.
func (*sentBody) Close() error { return nil }

// contentOf returns the body of a request that ServeHTTP received.
func contentOf(r *http.Request) []byte { return r.Body.(*sentBody).content }

func (f *fakeEngine) serve(op string, w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/b"), "/")
	id := r.URL.Query().Get("uploadId")
	fail := func(err error) {
		switch {
		case errors.Is(err, errMissing) && id != "":
			refuse(w, 404, "NoSuchUpload")
		case errors.Is(err, errMissing):
			refuse(w, 404, "NoSuchKey")
		case errors.Is(err, errCondition):
			refuse(w, 412, "PreconditionFailed")
		default:
			refuse(w, 500, "InternalError")
		}
	}
	etag := func(etag string, err error) {
		if err != nil {
			fail(err)
			return
		}
		w.Header().Set("ETag", etag)
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	switch op {
	case "PutObject":
		etag(f.b.put(r.Context(), key, contentOf(r), condition{absent: r.Header.Get("If-None-Match") == "*", etag: r.Header.Get("If-Match")}))
	case "GetObject", "HeadObject":
		body, o, err := f.b.get(r.Context(), key, r.Header.Get("If-Match"), 0, -1)
		if err != nil {
			fail(err)
			return
		}
		w.Header().Set("ETag", o.etag)
		http.ServeContent(w, r, "", o.modTime, body.(io.ReadSeeker))
	case "DeleteObject":
		var err error
		if m := r.Header.Get("If-Match"); m != "" {
			err = f.b.deleteIf(r.Context(), key, m)
		} else {
			err = f.b.delete(r.Context(), key)
		}
		if err != nil && !errors.Is(err, errMissing) {
			fail(err)
			return
		}
		w.WriteHeader(204)
	case "DeleteObjects":
		var in struct {
			Object []struct{ Key string }
		}
		body := contentOf(r)
		sum := md5.Sum(body)
		sent := r.Header.Get("Content-MD5")
		if sent != base64.StdEncoding.EncodeToString(sum[:]) || xml.Unmarshal(body, &in) != nil || len(in.Object) > 1000 {
			refuse(w, 400, "InvalidRequest")
			return
		}
		fmt.Fprint(w, "<DeleteResult>")
		for _, o := range in.Object {
			tag := "Deleted"
			if err := f.b.delete(r.Context(), o.Key); err != nil {
				tag = "Error"
			}
			fmt.Fprintf(w, "<%s><Key>", tag)
			_ = xml.EscapeText(w, []byte(o.Key))
			fmt.Fprintf(w, "</Key></%s>", tag)
		}
		fmt.Fprint(w, "</DeleteResult>")
	case "ListObjectsV2":
		f.list(w, r)
	case "CreateMultipartUpload":
		id, err := f.b.startMultipart(r.Context(), key)
		if err != nil {
			fail(err)
			return
		}
		fmt.Fprintf(w, `<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>`, id)
	case "UploadPart":
		if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
			var first, last int64
			_, _ = fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &first, &last)
			p, err := f.b.copyPart(r.Context(), key, id, int32(number), strings.TrimPrefix(from, "b/"), r.Header.Get("X-Amz-Copy-Source-If-Match"), first, last-first+1)
			if err != nil {
				fail(err)
				return
			}
			fmt.Fprintf(w, `<CopyPartResult><ETag>%s</ETag></CopyPartResult>`, p.etag)
			return
		}
		p, err := f.b.putPart(r.Context(), key, id, int32(number), contentOf(r))
		etag(p.etag, err)
	case "CompleteMultipartUpload":
		var in struct {
			Part []struct {
				PartNumber int32
				ETag       string
			}
		}
		_ = xml.NewDecoder(r.Body).Decode(&in)
		var parts []part
		for _, p := range in.Part {
			parts = append(parts, part{number: p.PartNumber, etag: p.ETag})
		}
		tag, err := f.b.completeMultipart(r.Context(), key, id, parts)
		if err != nil {
			fail(err)
			return
		}
		fmt.Fprintf(w, `<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>`, tag)
	case "AbortMultipartUpload":
		if err := f.b.abortMultipart(r.Context(), key, id); err != nil {
			fail(err)
			return
		}
		w.WriteHeader(204)
	case "ListMultipartUploads":
		open, _ := f.b.listMultiparts(r.Context(), r.URL.Query().Get("prefix"))
		fmt.Fprint(w, "<ListMultipartUploadsResult>")
		for _, u := range open {
			fmt.Fprintf(w, "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>", u.key, u.id, u.started.UTC().Format(time.RFC3339Nano))
		}
		fmt.Fprint(w, "</ListMultipartUploadsResult>")
	default:
		refuse(w, 501, "NotImplemented")
	}
}

// delayed keeps the first of some requests of a client on the way, though the client hears that it broke: it is carried out once release is called,
// which returns when it was.
func (f *fakeEngine) delayed(c *client, pick func(op string, r *http.Request) bool) (release func()) {
	const mark = "X-Delayed"
	wait, done := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(wait) })
	f.t.Cleanup(end) // the server ends when it has answered
	f.before = func(op string, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get(mark) == "" {
			return false
		}
		<-wait
		f.serve(op, w, r)
		close(done)
		return true
	}
	base, first := c.transport.base, &atomic.Bool{}
	c.transport.base = sending(func(r *http.Request) (*http.Response, error) {
		if !pick(operation(r), r) || !first.CompareAndSwap(false, true) {
			return base.RoundTrip(r)
		}
		late := r.Clone(context.WithoutCancel(r.Context()))
		late.Header.Set(mark, "1")
		if r.Body != nil {
			content, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			late.Body = io.NopCloser(bytes.NewReader(content))
		}
		go func() {
			if a, err := base.RoundTrip(late); err == nil {
				a.Body.Close()
			}
		}()
		return nil, errLost
	})
	return func() {
		f.t.Helper()
		if !first.Load() {
			f.t.Fatal("there was no such request")
		}
		end()
		<-done
	}
}

type sending func(r *http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (s sending) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func (f *fakeEngine) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	most, _ := strconv.Atoi(q.Get("max-keys"))
	p, err := f.b.list(r.Context(), q.Get("prefix"), q.Get("start-after"), most, q.Get("delimiter") != "")
	if err != nil {
		refuse(w, 500, "InternalError")
		return
	}
	fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%v</IsTruncated>`, p.more)
	for _, o := range p.objects {
		fmt.Fprint(w, "<Contents><Key>")
		_ = xml.EscapeText(w, []byte(o.key))
		fmt.Fprintf(w, "</Key><Size>%d</Size><ETag>%s</ETag><LastModified>%s</LastModified></Contents>", o.size, o.etag, o.modTime.UTC().Format(time.RFC3339Nano))
	}
	for _, folder := range p.folders {
		fmt.Fprint(w, "<CommonPrefixes><Prefix>")
		_ = xml.EscapeText(w, []byte(folder))
		fmt.Fprint(w, "</Prefix></CommonPrefixes>")
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

// TestFakeEngine sees that the fake is an engine: otherwise what it shows would be worth little.
func TestFakeEngine(t *testing.T) {
	f := startFake(t, newMemoryBucket())
	if findings := Probe(t.Context(), f.config()); !passed(findings) {
		t.Errorf("%+v", findings)
	}
	c, err := newClient(t.Context(), f.config())
	if err != nil {
		t.Fatal(err)
	}
	traits, err := prove(t.Context(), c)
	if err != nil || len(traits.Weaknesses()) > 0 {
		t.Errorf("%+v, %v", traits, err)
	}
	if left := f.b.keys(""); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
