package transfer

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"packhouse/server/storage"
)

func TestChunkRange(t *testing.T) {
	for header, want := range map[string][2]int64{
		"0-0": {0, 1}, "0-9": {0, 10}, "5-9": {5, 5}, "bytes 0-9/10": {0, 10}, "bytes 5-9/*": {5, 5}, "bytes=5-9": {5, 5}, "0-9/100": {0, 10}, "0000-0009": {0, 10},
		"4611686018427387902-4611686018427387903": {1<<62 - 2, 2},
	} {
		at, length, ok := ChunkRange(header)
		if !ok || at != want[0] || length != want[1] {
			t.Errorf("%q: %d, %d, %t", header, at, length, ok)
		}
	}
	for _, header := range []string{
		"", "-", "1-", "-1", "5-4", "a-b", "0-9/", "0-9/x", "0-9/9", "bytes */9", "+0-9", "0-+9", "0 - 9", "0-9-10", "1e3-2e3", "0x1-0x2",
		"0-9223372036854775807", "0-9223372036854775808", "99999999999999999999-99999999999999999999", "bytes", "items 0-9/10",
	} {
		if at, length, ok := ChunkRange(header); ok {
			t.Errorf("%q was taken as %d, %d", header, at, length)
		}
	}
}

func FuzzChunkRange(f *testing.F) {
	for _, seed := range []string{"0-9", "bytes 0-9/10", "bytes 5-9/*", "9-0", "0-99999999999999999999", "bytes=1-2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		at, length, ok := ChunkRange(header)
		if ok && (at < 0 || length < 1 || at+length < 0) {
			t.Fatalf("%q: %d, %d", header, at, length)
		}
	})
}

func TestSatisfiable(t *testing.T) {
	for header, want := range map[string]bool{
		"bytes=0-0": true, "bytes=0-": true, "bytes=-1": true, "bytes=9-99": true, "bytes=10-,0-0": true, "bytes= 1 - 2 ,": true, "bytes=,": true,
		"bytes=10-": false, "bytes=-0": false, "bytes=-+1": false, "bytes=5-4": false, "bytes=x": false, "bytes=--1": false, "bytes=0-0,x": false, "chunks=0-0": false,
	} {
		if got := satisfiable(header, 10); got != want {
			t.Errorf("%q: %t", header, got)
		}
	}
}

func TestPieceOf(t *testing.T) {
	for header, want := range map[string]storage.Piece{
		"bytes=0-0": {From: 0, Length: 1}, "bytes=5-9": {From: 5, Length: 5}, "bytes=7-": {From: 7, Length: -1}, "bytes= 1 - 2 ": {From: 1, Length: 2},
		"bytes=0-4611686018427387903": {From: 0, Length: 1 << 62},
	} {
		if got, ok := pieceOf(header); !ok || got != want {
			t.Errorf("%q: %+v, %t; want %+v", header, got, ok, want)
		}
	}
	for _, header := range []string{"", "bytes=", "bytes=-", "bytes=-5", "bytes=5", "bytes=9-5", "bytes=0-1,2-3", "bytes=1-,2-3", "chunks=0-1", "bytes=+1-2", "bytes=0-9223372036854775807"} {
		if got, ok := pieceOf(header); ok {
			t.Errorf("%q was taken as %+v", header, got)
		}
	}
}

// FuzzRange checks that http.ServeContent refuses nothing, in plain text, that was not refused beforehand, and sends the piece that was opened.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-9", "bytes=5-", "bytes=-3", "bytes=-0", "bytes=99-", "bytes=9-0", "bytes=0-0,2-3", "bytes=,", "bytes= 1 - 2 ,", "bytes=--1", "bytes=", "x"} {
		f.Add(seed, 10)
		f.Add(seed, 0)
	}
	f.Fuzz(func(t *testing.T, header string, size int) {
		if size < 0 || size > 1000 || ignoredRange(header, int64(size)) {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Range"] = []string{header}
		w := httptest.NewRecorder()
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, size)))
		if w.Code == http.StatusRequestedRangeNotSatisfiable && satisfiable(header, int64(size)) {
			t.Errorf("%q of %d is refused by ServeContent", header, size)
		}
		if piece, ok := pieceOf(header); ok && w.Code == http.StatusPartialContent {
			last := int64(size) - 1
			if piece.Length >= 0 {
				last = min(last, piece.From+piece.Length-1)
			}
			if want := fmt.Sprintf("bytes %d-%d/%d", piece.From, last, size); w.Header().Get("Content-Range") != want {
				t.Errorf("%q of %d is %q by ServeContent, and %s as a piece", header, size, w.Header().Get("Content-Range"), want)
			}
		}
	})
}

func TestNotModified(t *testing.T) {
	const d = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for header, want := range map[string]bool{
		"": false, `"` + d + `"`: true, `W/"` + d + `"`: true, `"x", "` + d + `"`: true, "*": true, d: false, `"` + strings.ToUpper(d) + `"`: false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", header)
		w := httptest.NewRecorder()
		if got := NotModified(w, r, d); got != want || got != (w.Code == http.StatusNotModified) {
			t.Errorf("%q: %t, %d", header, got, w.Code)
		}
	}
}
