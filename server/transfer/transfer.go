// Package transfer serves blobs over HTTP: whole or in ranges, with conditional requests.
//
//	blob, err := transfer.Open(r, store, repository, digest)
//	err = transfer.Serve(w, r, blob, digest) // after setting Content-Type and Cache-Control
package transfer

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// ETag returns the entity tag of content: its quoted digest (RFC 9110, section 8.8.3).
func ETag(d digest.Digest) string { return `"` + d.String() + `"` }

// NotModified answers 304 if If-None-Match names the content (RFC 9110, section 13.1.2), and reports whether it did.
func NotModified(w http.ResponseWriter, r *http.Request, d digest.Digest) bool {
	want := ETag(d)
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

// Open opens the blob that r requests, or only the requested piece of it where the storage driver reads pieces.
func Open(r *http.Request, store storage.Blobs, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	if piece, ok := pieceOf(r.Header.Get("Range")); ok && appliesRange(r, d) {
		return storage.OpenBlobPiece(r.Context(), store, repo, d, piece)
	}
	return store.OpenBlob(r.Context(), repo, d)
}

// Serve answers r with a blob, or with up to maxRanges ranges of it, and sets Etag. It returns an error only if it has
// written nothing: a range that no byte is in, or a damaged blob. It aborts the response if reading fails later.
func Serve(w http.ResponseWriter, r *http.Request, blob storage.Blob, d digest.Digest) error {
	if ignoredRange(r.Header.Get("Range"), blob.Size()) || !appliesRange(r, d) {
		r.Header.Del("Range")
	}
	wanted := r.Header.Get("Range")
	if wanted != "" && !satisfiable(wanted, blob.Size()) {
		return problem.BadRange(blob.Size())
	}
	watched := &watchedReader{ReadSeeker: blob.Content()}
	if c, able := watched.ReadSeeker.(storage.Checker); able && wanted != "" {
		if err := c.Check(); err != nil {
			return err
		}
	}
	w.Header().Set("Etag", ETag(d))
	if NotModified(w, r, d) {
		return nil
	}
	var from io.ReadSeeker = watched
	if file, ok := watched.ReadSeeker.(*os.File); ok {
		from = file // bare, so that the kernel sends it
	}
	http.ServeContent(w, r, "", blob.ModTime(), from)
	if watched.failed {
		panic(http.ErrAbortHandler) // the client must not take the response for a complete one
	}
	return nil
}

// watchedReader records that reading failed, which http.ServeContent does not report.
type watchedReader struct {
	io.ReadSeeker
	failed bool
}

// Read implements io.Reader.
func (c *watchedReader) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = true
	}
	return n, err
}
