package registry

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// What caches between may keep. Content is never public: it was read with somebody's credentials.
const (
	forever    = "private, max-age=31536000, immutable" // content by digest
	revalidate = "private, no-cache"                    // content by tag
)

// writeJSON answers 200 with content.
func writeJSON(w http.ResponseWriter, r *http.Request, mediaType string, content []byte) error {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that left hears nothing
	}
	return nil
}

// etag is the entity tag of content: its digest, quoted (RFC 9110, section 8.8.3).
func etag(d digest.Digest) string { return `"` + d.String() + `"` }

// notModified answers 304 where If-None-Match names the content (RFC 9110, section 13.1.2), and tells whether it did.
func notModified(w http.ResponseWriter, r *http.Request, d digest.Digest) bool {
	want := etag(d)
	for _, line := range r.Header.Values("If-None-Match") {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(textproto.TrimString(tag), "W/")
			if tag == want || tag == "*" {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}

// contentHeaders sets what every answer with content by digest says of it.
func contentHeaders(h http.Header, mediaType string, d digest.Digest, cache string) {
	h.Set("Content-Type", mediaType)
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", etag(d))
	h.Set("Cache-Control", cache)
}
