package registry

import (
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"packhouse/server/transfer"
)

// Values of Cache-Control. Content is never public, because reading it may need credentials.
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
		_, _ = w.Write(content) // fails only if the client has left
	}
	return nil
}

// contentHeaders sets the headers of a response with content.
func contentHeaders(h http.Header, mediaType string, d digest.Digest, cache string) {
	h.Set("Content-Type", mediaType)
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", transfer.ETag(d))
	h.Set("Cache-Control", cache)
}
