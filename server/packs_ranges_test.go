package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestArchiveRanges verifies that a range of a pack's archive is served as RFC 9110 requires, and that many ranges cost
// no more than the whole archive.
func TestArchiveRanges(t *testing.T) {
	f := newFixture(t)
	do := func(method, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
		r.SetBasicAuth("ci", passwords["ci"])
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		f.server.ServeHTTP(w, r)
		return w
	}
	archive, path := packOf(t, "nginx", "1.0.0"), "/v1/nginx/archives/1.0.0"
	whole := string(archive)
	if w := do(http.MethodPut, path, archive); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	size := len(whole)
	first := do(http.MethodGet, path, nil)
	etag, modified := first.Header().Get("Etag"), first.Header().Get("Last-Modified")
	if first.Body.String() != whole || etag != `"`+digestOf(whole)+`"` || first.Header().Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%v", first.Header())
	}
	for _, tc := range []struct {
		method  string
		headers []string
		status  int
		shown   string // Content-Range
		body    string // "-": not compared
	}{
		{"GET", []string{"Range", "bytes=0-9"}, 206, fmt.Sprintf("bytes 0-9/%d", size), whole[:10]},
		{"GET", []string{"Range", "bytes=-5"}, 206, fmt.Sprintf("bytes %d-%d/%d", size-5, size-1, size), whole[size-5:]},
		{"GET", []string{"Range", "bytes=20-99999999"}, 206, fmt.Sprintf("bytes 20-%d/%d", size-1, size), whole[20:]},
		{"GET", []string{"Range", "bytes=0-0,5-5"}, 206, "", "-"},
		{"GET", []string{"Range", "bytes=99999999-"}, 416, fmt.Sprintf("bytes */%d", size), "-"},
		{"GET", []string{"Range", "bytes=x-y"}, 416, fmt.Sprintf("bytes */%d", size), "-"},
		{"GET", []string{"Range", "bytes=9-0"}, 416, fmt.Sprintf("bytes */%d", size), "-"},
		{"GET", []string{"Range", "lines=0-9"}, 200, "", whole},
		{"GET", []string{"Range", "bytes=0-0" + strings.Repeat(",1-1", 20)}, 200, "", whole},
		{"GET", []string{"Range", "bytes=0-" + strings.Repeat(",0-", 10)}, 200, "", whole},
		{"GET", []string{"Range", "bytes=0-9", "If-Range", etag}, 206, fmt.Sprintf("bytes 0-9/%d", size), whole[:10]},
		{"GET", []string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200, "", whole},
		{"GET", []string{"Range", "bytes=0-9", "If-Range", modified}, 200, "", whole},
		{"GET", []string{"Range", "bytes=0-9", "If-None-Match", `"other", ` + etag}, 304, "", ""},
		{"HEAD", []string{"Range", "bytes=0-9"}, 200, "", ""},
	} {
		w := do(tc.method, path, nil, tc.headers...)
		if w.Code != tc.status || w.Header().Get("Content-Range") != tc.shown || tc.body != "-" && w.Body.String() != tc.body {
			t.Errorf("%s %q: %d, Content-Range %q, %d bytes; want %d, %q", tc.method, tc.headers, w.Code, w.Header().Get("Content-Range"), w.Body.Len(), tc.status, tc.shown)
		}
		if w.Code == 416 && !strings.Contains(w.Body.String(), `"RANGE_INVALID"`) {
			t.Errorf("%q: %s", tc.headers, w.Body)
		}
	}
	values := packFiles("nginx", "1.0.0")["values.yaml"]
	w := do(http.MethodGet, "/v1/nginx/blobs/"+digestOf(values), nil, "Range", "bytes=0-0,1-1", "If-None-Match", "W/\"other\"")
	if w.Code != 200 || w.Body.String() != values || w.Header().Get("Accept-Ranges") != "none" {
		t.Errorf("a file: %d %v", w.Code, w.Header())
	}
}
