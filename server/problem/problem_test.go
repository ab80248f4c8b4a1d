package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

func TestFromGivesEveryErrorItsAnswer(t *testing.T) {
	tests := []struct {
		err        error
		status     int
		code       string
		key, value string
	}{
		{storage.ErrRepositoryUnknown, 404, "NAME_UNKNOWN", "", ""},
		{storage.ErrBlobUnknown, 404, "BLOB_UNKNOWN", "", ""},
		{&storage.DamagedError{Digest: "x", What: "rotten"}, 404, "BLOB_UNKNOWN", "", ""},
		{&storage.DamagedError{Digest: "x", What: "rotten", Manifest: true}, 404, "MANIFEST_UNKNOWN", "", ""},
		{storage.ErrManifestUnknown, 404, "MANIFEST_UNKNOWN", "", ""},
		{storage.ErrTagUnknown, 404, "MANIFEST_UNKNOWN", "", ""},
		{storage.ErrUploadUnknown, 404, "BLOB_UPLOAD_UNKNOWN", "", ""},
		{storage.ErrReadOnly, 405, "UNSUPPORTED", "Allow", "GET, HEAD"},
		{storage.ErrUnwritable, 503, "UNAVAILABLE", "Retry-After", "10"},
		{storage.ErrTooManyUploads, 429, "TOOMANYREQUESTS", "Retry-After", "10"},
		{storage.ErrFull, 507, "STORAGE_FULL", "", ""},
		{storage.ErrBusy, 503, "UNAVAILABLE", "Retry-After", "5"},
		{storage.ErrFailing, 503, "UNAVAILABLE", "Retry-After", "10"},
		{storage.ErrUnavailable, 503, "UNAVAILABLE", "Retry-After", "10"},
		{&storage.DigestError{Want: "a", Got: "b"}, 400, "DIGEST_INVALID", "", ""},
		{&storage.SizeError{Want: 3, Got: 2}, 400, "SIZE_INVALID", "", ""},
		{&storage.OffsetError{Upload: storage.Upload{Offset: 7}}, 416, "BLOB_UPLOAD_INVALID", "Range", "0-6"},
		{&storage.MissingError{References: make([]manifest.Reference, 500)}, 404, "MANIFEST_BLOB_UNKNOWN", "", ""},
		{&manifest.Error{Kind: manifest.ErrSyntax, Text: "no"}, 400, "MANIFEST_INVALID", "", ""},
		{&manifest.Error{Kind: manifest.ErrTooLarge, Text: "no"}, 413, "MANIFEST_INVALID", "", ""},
		{&http.MaxBytesError{Limit: 5}, 413, "SIZE_INVALID", "", ""},
		{context.Canceled, 503, "UNAVAILABLE", "Retry-After", "1"},
		{context.DeadlineExceeded, 503, "UNAVAILABLE", "Retry-After", "1"},
		{io.ErrUnexpectedEOF, 500, "UNKNOWN", "", ""},
		{Authenticate("a\"b\\c\r\nd"), 401, "UNAUTHORIZED", "WWW-Authenticate", `Basic realm="a\"b\\cd", charset="UTF-8"`},
		{Slow(1500*time.Millisecond, "slowly"), 429, "TOOMANYREQUESTS", "Retry-After", "2"},
		{Later(0, "later"), 503, "UNAVAILABLE", "Retry-After", "1"},
		{Forbidden("no, %s", "you"), 403, "DENIED", "", ""},
		{NoDeletion(), 405, "UNSUPPORTED", "", ""},
		{BadRange(10), 416, "RANGE_INVALID", "Content-Range", "bytes */10"},
	}
	for _, tt := range tests {
		for _, err := range []error{tt.err, fmt.Errorf("read blob: %w", tt.err), errors.Join(tt.err)} {
			p := From(err)
			if p.Status != tt.status || p.Code != tt.code || p.Header.Get(tt.key) != tt.value || p.Message == "" {
				t.Errorf("%v: got %d %s %v", err, p.Status, p.Code, p.Header)
			}
		}
	}
}

func write(t *testing.T, method string, err error) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("Etag", `"of the answer that failed"`)
	Write(w, httptest.NewRequest(method, "/", nil), err)
	return w
}

func TestWriteKeepsTheInsideInside(t *testing.T) {
	for _, err := range []error{
		errors.New("open /var/lib/secret: permission denied"),
		Full().Because(errors.New("open /var/lib/secret")),
		fmt.Errorf("put blob in /var/lib/secret: %w", storage.ErrBusy),
	} {
		if w := write(t, "GET", err); strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %s", err, w.Body)
		}
	}
}

func TestWrite(t *testing.T) {
	w := write(t, "GET", New(418, "TEAPOT", "short and %s", "stout").About(map[string]int{"handles": 1}).With("Retry-After", "3"))
	if w.Code != 418 || w.Body.String() != `{"errors":[{"code":"TEAPOT","message":"short and stout","detail":{"handles":1}}]}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff", "Docker-Distribution-Api-Version": "registry/2.0",
		"Retry-After": "3", "Etag": "", "Content-Length": fmt.Sprint(w.Body.Len()), "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if w := write(t, "HEAD", NoRoute()); w.Code != 404 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
	if w := write(t, "GET", NoRoute().About(func() {})); w.Code != 404 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("a detail that is no JSON: %d %q", w.Code, w.Body)
	}
}

func TestMissingNamesNotEverything(t *testing.T) {
	p := Missing(make([]manifest.Reference, 100_000))
	if names := p.Detail.(map[string][]string)["missing"]; len(names) != maxMissing || !strings.Contains(p.Message, "100000") {
		t.Errorf("%d names, %s", len(names), p.Message)
	}
}

func TestUploadRange(t *testing.T) {
	for offset, want := range map[int64]string{0: "0-0", 1: "0-0", 2: "0-1", 1000: "0-999"} {
		if got := UploadRange(offset); got != want {
			t.Errorf("%d: %s", offset, got)
		}
	}
}

// TestPeopleReadPages: a browser on a page is told in a page, programs and everything below /v1 and /v2 in JSON.
func TestPeopleReadPages(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, tt := range []struct {
		method, path, accept string
		want                 string
	}{
		{"GET", "/", browser, "text/html; charset=utf-8"},
		{"HEAD", "/packs/nginx", browser, "text/html; charset=utf-8"},
		{"GET", "/below/packs/nginx", browser, "text/html; charset=utf-8"},
		{"GET", "/", "*/*", "application/json; charset=utf-8"},
		{"GET", "/", "", "application/json; charset=utf-8"},
		{"GET", "/v2/", browser, "application/json; charset=utf-8"},
		{"GET", "/below/v1/_catalog", browser, "application/json; charset=utf-8"},
		{"POST", "/", browser, "application/json; charset=utf-8"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, nil)
		r.Header.Set("Accept", tt.accept)
		Write(w, r, Forbidden("<script>%s", "you"))
		if got := w.Header().Get("Content-Type"); got != tt.want || w.Code != 403 {
			t.Errorf("%s %s for %q: %d %s, want %s", tt.method, tt.path, tt.accept, w.Code, got, tt.want)
		}
		if html := strings.HasPrefix(tt.want, "text/html"); html && (strings.Contains(w.Body.String(), "<script>") ||
			w.Header().Get("Content-Security-Policy") == "" || tt.method == "GET" && !strings.Contains(w.Body.String(), "<h1>Not allowed</h1>")) {
			t.Errorf("%s %s: %v\n%s", tt.method, tt.path, w.Header(), w.Body)
		}
	}
}

// TestPreconditionOfAMissingManifest verifies that a client is not sent to read what is not there.
func TestPreconditionOfAMissingManifest(t *testing.T) {
	text := FailedPrecondition("If-Match", "").Error()
	if !strings.Contains(text, "no such manifest") || strings.Contains(text, "read it again") {
		t.Errorf("without a manifest: %s", text)
	}
	if text := FailedPrecondition("If-Match", "sha256:x").Error(); !strings.Contains(text, "read it again") {
		t.Errorf("with another manifest: %s", text)
	}
}

// TestMessagesAreBounded verifies that a response and the log repeat little of what a client sent.
func TestMessagesAreBounded(t *testing.T) {
	long := strings.Repeat("ä", 2_000_000)
	for name, err := range map[string]error{
		"manifest": &manifest.Error{Kind: manifest.ErrDescriptor, Text: long}, "name": New(400, NameInvalid, "%s", long),
		"detail": New(400, NameInvalid, "no").About(long),
	} {
		for _, accept := range []string{"", "text/html"} {
			r := httptest.NewRequest(http.MethodGet, "/packs", nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			sent := Write(w, r, err)
			if w.Body.Len() > 16<<10 || len(sent.Error()) > 4<<10 || w.Code != 400 {
				t.Errorf("%s: status %d, %d bytes, %d logged", name, w.Code, w.Body.Len(), len(sent.Error()))
			}
		}
	}
}
