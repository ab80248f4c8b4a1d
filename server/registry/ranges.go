package registry

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// maxRanges is how many ranges of a blob are sent in one answer.
const maxRanges = 16

// ignoredRange tells whether a Range header is answered with the whole blob, as RFC 9110, section 14.2, allows: another unit than bytes, so
// many ranges that only an attacker wants them, and any range of an empty blob.
func ignoredRange(header string, size int64) bool {
	return size == 0 || !strings.HasPrefix(header, "bytes=") || strings.Count(header, ",") >= maxRanges
}

// appliesRange tells whether the Range header counts: If-Range (RFC 9110, section 13.1.5) may make it void. Only the digest is a validator that
// means something; a date is answered with the whole blob.
func appliesRange(r *http.Request, d digest.Digest) bool {
	validator := r.Header.Get("If-Range")
	return validator == "" || validator == etag(d)
}

// satisfiable tells whether http.ServeContent would find something in a Range header (RFC 9110, section 14.2) for size bytes. It is asked
// beforehand, because ServeContent refuses in plain text.
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
		if first == "" { // the last so many bytes
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

// pieceOf reads a Range header that asks for one range from an offset. Of the last so many bytes nobody knows yet where they begin.
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

// contentRange reads the Content-Range of a chunk: "a-b" as the specification has it (distribution-spec, "Pushing a blob in chunks"), and
// "bytes a-b/total" or "bytes a-b/*" as HTTP has it, which clients send too. It returns the offset the chunk starts at and its length.
func contentRange(header string) (at, length int64, ok bool) {
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

// decimal reads digits and nothing else. The result stays below the largest int64, so that a length still fits.
func decimal(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < 1<<62
}
