package registry

import (
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"packhouse/server/transfer"
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

// contentHeaders sets what every answer with content by digest says of it.
func contentHeaders(h http.Header, mediaType string, d digest.Digest, cache string) {
	h.Set("Content-Type", mediaType)
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", transfer.ETag(d))
	h.Set("Cache-Control", cache)
}
