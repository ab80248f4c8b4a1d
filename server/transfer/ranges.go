package transfer

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// maxRanges is the number of ranges that Serve sends in one response.
const maxRanges = 16

// ignoredRange reports whether the whole blob answers a Range header, as RFC 9110, section 14.2, allows: for another
// unit than bytes, for more than maxRanges ranges, and for an empty blob.
func ignoredRange(header string, size int64) bool {
	return size == 0 || !strings.HasPrefix(header, "bytes=") || strings.Count(header, ",") >= maxRanges
}

// appliesRange reports whether the Range header of r applies: only to GET, and not if If-Range names other content (RFC
// 9110, section 13.1.5). The digest is the only validator; the whole blob answers a date.
func appliesRange(r *http.Request, d digest.Digest) bool {
	validator := r.Header.Get("If-Range")
	return r.Method == http.MethodGet && (validator == "" || validator == ETag(d))
}

// satisfiable reports whether http.ServeContent accepts a Range header for size bytes (RFC 9110, section 14.2). Serve
// calls it first, because ServeContent refuses in plain text.
func satisfiable(header string, size int64) bool {
	list, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return false
	}
	overlap, none := false, true
	for part := range strings.SplitSeq(list, ",") {
		part = strings.Trim(part, " \t")
		if part == "" {
			continue
		}
		none = false
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			return false
		}
		first, last = strings.Trim(first, " \t"), strings.Trim(last, " \t")
		if first == "" { // the last n bytes
			n, ok := decimal(last)
			if !ok {
				return false
			}
			overlap = overlap || n > 0
			continue
		}
		a, ok := decimal(first)
		if !ok {
			return false
		}
		if last != "" {
			if b, ok := decimal(last); !ok || b < a {
				return false
			}
		}
		overlap = overlap || a < size
	}
	return overlap || none
}

// pieceOf parses a Range header with one range from an offset. It does not accept "bytes=-5", because the offset of the
// last five bytes depends on the size.
func pieceOf(header string) (storage.Piece, bool) {
	wanted, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(wanted, "-")
	from, number := decimal(strings.Trim(first, " \t"))
	if !ok || !dash || !number {
		return storage.Piece{}, false
	}
	if last = strings.Trim(last, " \t"); last == "" {
		return storage.Piece{From: from, Length: -1}, true
	}
	to, number := decimal(last)
	if !number || to < from {
		return storage.Piece{}, false
	}
	return storage.Piece{From: from, Length: to - from + 1}, true
}

// ChunkRange parses the Content-Range of an uploaded chunk: "a-b" (distribution-spec, "Pushing a blob in chunks"), and
// "bytes a-b/total" or "bytes a-b/*" as in HTTP, which some clients send. It returns the chunk's offset and length in
// bytes.
func ChunkRange(header string) (at, length int64, ok bool) {
	text := header
	if rest, unit := strings.CutPrefix(text, "bytes"); unit {
		text = strings.TrimLeft(rest, " =")
	}
	text, total, whole := strings.Cut(text, "/")
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, false
	}
	a, ok1 := decimal(first)
	b, ok2 := decimal(last)
	if !ok1 || !ok2 || b < a {
		return 0, 0, false
	}
	if whole && total != "*" {
		if n, ok := decimal(total); !ok || n <= b {
			return 0, 0, false
		}
	}
	return a, b - a + 1, true
}

// decimal parses digits only. The result is below 1<<62, so that a length fits into an int64.
func decimal(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < 1<<62
}
