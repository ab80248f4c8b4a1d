package registry

import (
	"io"
	"net/http"
	"os"
	"strconv"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/storage"
)

// blobType is what every blob is served as: the registry does not know better, and browsers must not guess.
const blobType = "application/octet-stream"

// readBlob serves a blob or a range of it (end-2).
func (g *Registry) readBlob(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	if r.Method == http.MethodHead {
		return g.headBlob(w, r, grant)
	}
	if sent, err := g.redirect(w, r, grant); err != nil || sent {
		return err
	}
	blob, err := g.openBlob(r, grant)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // it was only read
	if ignoredRange(r.Header.Get("Range"), blob.Size()) || !appliesRange(r, req.Digest) {
		r.Header.Del("Range")
	}
	if wanted := r.Header.Get("Range"); wanted != "" && !satisfiable(wanted, blob.Size()) {
		return problem.BadRange(blob.Size())
	}
	content := &watched{ReadSeeker: blob.Content()}
	if c, able := content.ReadSeeker.(storage.Checker); able && r.Header.Get("Range") != "" {
		if err := c.Check(); err != nil {
			return err
		}
	}
	contentHeaders(w.Header(), blobType, req.Digest, forever)
	if notModified(w, r, req.Digest) {
		return nil
	}
	var from io.ReadSeeker = content
	if file, ok := content.ReadSeeker.(*os.File); ok {
		from = file // bare, so that the kernel sends it
	}
	http.ServeContent(w, r, "", blob.ModTime(), from)
	if content.failed {
		panic(http.ErrAbortHandler) // the rest of the answer must not look like its end
	}
	g.tell(r, grant, Event{Verb: Pull, Digest: req.Digest, Size: blob.Size()})
	return nil
}

// openBlob opens the blob that a request asks for, or the one piece of it.
func (g *Registry) openBlob(r *http.Request, grant auth.Grant) (storage.Blob, error) {
	req := grant.Request
	if piece, ok := pieceOf(r.Header.Get("Range")); ok && appliesRange(r, req.Digest) {
		return storage.OpenBlobPiece(r.Context(), g.o.Store, req.Repository, req.Digest, piece)
	}
	return g.o.Store.OpenBlob(r.Context(), req.Repository, req.Digest)
}

// redirect sends a reader to the engine where it may, and tells whether it did.
func (g *Registry) redirect(w http.ResponseWriter, r *http.Request, grant auth.Grant) (bool, error) {
	if g.o.Redirect == nil {
		return false, nil
	}
	req := grant.Request
	address, err := g.o.Redirect(r.Context(), req.Repository, req.Digest)
	if err != nil || address == "" {
		return false, err
	}
	h := w.Header()
	h.Set("Location", address)
	h.Set("Docker-Content-Digest", req.Digest.String())
	h.Set("Cache-Control", "no-store") // the address expires
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusTemporaryRedirect)
	g.tell(r, grant, Event{Verb: Pull, Digest: req.Digest, Size: -1})
	return true, nil
}

// headBlob tells whether a blob is here. Somebody who may push takes the answer for a reason not to: the store keeps the blob for a while.
func (g *Registry) headBlob(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	size, err := g.o.Store.StatBlob(r.Context(), req.Repository, req.Digest, g.keeps(grant))
	if err != nil {
		return err
	}
	h := w.Header()
	contentHeaders(h, blobType, req.Digest, forever)
	if notModified(w, r, req.Digest) {
		return nil
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

// keeps tells whether what is read for grant must be kept from collection for a window.
func (g *Registry) keeps(grant auth.Grant) bool { return grant.CanPush() && !g.o.ReadOnly }

// deleteBlob removes a blob from a repository (end-10).
func (g *Registry) deleteBlob(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	if err := g.o.Store.DeleteBlob(r.Context(), req.Repository, req.Digest); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	g.tell(r, grant, Event{Verb: Delete, Digest: req.Digest, Size: -1})
	return nil
}

// watched remembers that reading failed: http.ServeContent does not tell.
type watched struct {
	io.ReadSeeker
	failed bool
}

// Read implements io.Reader.
func (c *watched) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF comes bare, as io.Reader promises
		c.failed = true
	}
	return n, err
}
