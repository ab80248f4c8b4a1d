package registry

import (
	"net/http"
	"strconv"

	"packhouse/server/auth"
	"packhouse/server/transfer"
)

// blobType is the Content-Type of every blob, whose real type the registry does not know.
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
	blob, err := transfer.Open(r, g.o.Store, req.Repository, req.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // it was only read
	contentHeaders(w.Header(), blobType, req.Digest, forever)
	if err := transfer.Serve(w, r, blob, req.Digest); err != nil {
		return err
	}
	g.notify(r, grant, Event{Verb: Pull, Digest: req.Digest, Size: blob.Size()})
	return nil
}

// redirect redirects the client to the storage if Redirect returns a URL, and reports whether it did.
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
	g.notify(r, grant, Event{Verb: Pull, Digest: req.Digest, Size: -1})
	return true, nil
}

// headBlob answers whether the repository has a blob. A client that may push then skips the upload, so the store keeps the
// blob for a GC window.
func (g *Registry) headBlob(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	size, err := g.o.Store.StatBlob(r.Context(), req.Repository, req.Digest, grant.CanPush())
	if err != nil {
		return err
	}
	h := w.Header()
	contentHeaders(h, blobType, req.Digest, forever)
	if transfer.NotModified(w, r, req.Digest) {
		return nil
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBlob removes a blob from a repository (end-10).
func (g *Registry) deleteBlob(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	discard := false
	if grant.Identity.Probe {
		blob, err := g.o.Store.OpenBlob(r.Context(), req.Repository, req.Digest)
		if err != nil {
			return err
		}
		discard = namesProbe(grant.Identity, blob.Content())
		_ = blob.Close() // it was only read
	}
	if err := g.o.Store.DeleteBlob(r.Context(), req.Repository, req.Digest, false); err != nil {
		return err
	}
	if discard {
		if err := g.o.Store.DiscardData(r.Context(), req.Digest); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	g.notify(r, grant, Event{Verb: Delete, Digest: req.Digest, Size: -1})
	return nil
}
