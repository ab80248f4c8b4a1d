package registry

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/transfer"
)

// startUpload mounts a blob (end-11), stores a whole blob (end-4b), or starts an upload session (end-4a).
func (g *Registry) startUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	if req.Mount != "" && g.mount(r, grant) {
		g.created(w, req.Repository, req.Mount)
		return nil
	}
	if req.Digest != "" && req.Mount == "" {
		body := &body{Reader: r.Body}
		if err := g.o.Store.PutBlob(r.Context(), owner(grant), req.Digest, body, r.ContentLength); err != nil {
			return body.explain(err)
		}
		g.created(w, req.Repository, req.Digest)
		g.notify(r, grant, Event{Verb: Push, Digest: req.Digest, Size: body.n})
		return nil
	}
	upload, err := g.o.Store.StartUpload(r.Context(), owner(grant), algorithm(grant))
	if err != nil {
		return err
	}
	g.uploadHeaders(w.Header(), req.Repository, upload)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// algorithm returns the hash of a session: the requested one, or that of a digest in the request.
func algorithm(grant auth.Grant) digest.Algorithm {
	req := grant.Request
	switch {
	case req.Algorithm != "":
		return req.Algorithm
	case req.Digest != "":
		return req.Digest.Algorithm()
	case req.Mount != "":
		return req.Mount.Algorithm()
	}
	return digest.SHA256
}

// mount links a blob from another repository and reports whether it did. It returns no error, because the client then
// pushes the blob, and so that a missing blob, a missing source and one that the user may not read are answered alike.
func (g *Registry) mount(r *http.Request, grant auth.Grant) bool {
	req, ctx := grant.Request, r.Context()
	if _, err := g.o.Store.StatBlob(ctx, req.Repository, req.Mount, true); err == nil {
		return true
	}
	switch {
	case req.From.IsZero():
		if !g.mountFromAnywhere(ctx, grant) {
			return false
		}
	case grant.Visible != nil && !grant.Visible(req.From):
		return false
	case g.o.Store.MountBlob(ctx, req.Repository, []reference.Repository{req.From}, req.Mount) != nil:
		return false
	}
	g.notify(r, grant, Event{Verb: Mount, From: req.From, Digest: req.Mount, Size: -1})
	return true
}

// mountPage is the number of repositories that a mount without a source searches at once.
const mountPage = 200

// mountFromAnywhere mounts a blob from the first repository that has it and that the user may read.
func (g *Registry) mountFromAnywhere(ctx context.Context, grant auth.Grant) bool {
	req := grant.Request
	ctx, cancel := context.WithTimeout(ctx, g.o.MountSearch)
	defer cancel()
	for last, more := "", true; more; {
		var page []string
		var err error
		if page, more, err = g.o.Store.Repositories(ctx, last, mountPage, grant.Visible); err != nil || len(page) == 0 {
			return false
		}
		last = page[len(page)-1]
		candidates := make([]reference.Repository, 0, len(page))
		for _, name := range page {
			if repository, err := reference.ParseRepository(name); err == nil && repository != req.Repository {
				candidates = append(candidates, repository)
			}
		}
		err = g.o.Store.MountBlob(ctx, req.Repository, candidates, req.Mount)
		if err == nil {
			return true
		}
		if !errors.Is(err, storage.ErrBlobUnknown) {
			return false
		}
	}
	return false
}

// appendUpload appends a chunk (end-5), at the offset in Content-Range or at the end.
func (g *Registry) appendUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	at, size, err := g.chunk(r, grant)
	if err != nil {
		return err
	}
	body := &body{Reader: r.Body}
	upload, err := g.o.Store.AppendUpload(r.Context(), owner(grant), req.Upload, at, body, size)
	if err != nil {
		return g.outOfOrder(req.Repository, req.Upload, body.explain(err))
	}
	g.uploadHeaders(w.Header(), req.Repository, upload)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// finishUpload completes a session with its digest, after an optional last chunk (end-6). If the response to an earlier
// attempt was lost, the session is gone and the blob exists: the same request then gets the same answer.
func (g *Registry) finishUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	at, size, err := g.chunk(r, grant)
	if err != nil {
		return err
	}
	body := &body{Reader: r.Body}
	var last io.Reader
	if r.ContentLength != 0 {
		last = body
	}
	err = g.o.Store.FinishUpload(r.Context(), owner(grant), req.Upload, at, last, size, req.Digest)
	if errors.Is(err, storage.ErrUploadUnknown) {
		if _, missing := g.o.Store.StatBlob(r.Context(), req.Repository, req.Digest, false); missing == nil {
			g.created(w, req.Repository, req.Digest)
			return nil
		}
	}
	if err != nil {
		return g.outOfOrder(req.Repository, req.Upload, body.explain(err))
	}
	g.created(w, req.Repository, req.Digest)
	g.notify(r, grant, Event{Verb: Push, Digest: req.Digest, Size: -1})
	return nil
}

// chunk returns the offset and the size of a chunk in bytes, or -1 for an unknown one.
func (g *Registry) chunk(r *http.Request, grant auth.Grant) (at, size int64, err error) {
	header := r.Header.Get("Content-Range")
	if header == "" {
		return -1, r.ContentLength, nil
	}
	at, length, ok := transfer.ChunkRange(header)
	if !ok {
		req := grant.Request
		upload, err := g.o.Store.StatUpload(r.Context(), owner(grant), req.Upload)
		if err != nil {
			return 0, 0, err
		}
		refusal := problem.OutOfOrder(upload.Offset).With("Location", g.location(req.Repository, "blobs/uploads", req.Upload))
		refusal.Message = `Content-Range cannot be read: write the first and the last byte of the chunk, as in "0-1023"`
		return 0, 0, refusal
	}
	if r.ContentLength >= 0 && r.ContentLength != length {
		return 0, 0, problem.BadSize(length, r.ContentLength)
	}
	return at, length, nil
}

// outOfOrder adds the upload's Location and offset to the error of a refused chunk.
func (g *Registry) outOfOrder(repository reference.Repository, id string, err error) error {
	if e, ok := errors.AsType[*storage.OffsetError](err); ok {
		return problem.OutOfOrder(e.Upload.Offset).With("Location", g.location(repository, "blobs/uploads", id)).Because(err)
	}
	return err
}

// statUpload answers with the offset of a session (end-13).
func (g *Registry) statUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	upload, err := g.o.Store.StatUpload(r.Context(), owner(grant), req.Upload)
	if err != nil {
		return err
	}
	g.uploadHeaders(w.Header(), req.Repository, upload)
	w.Header().Del("Content-Length") // a 204 has none (RFC 9110, section 8.6)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cancelUpload discards a session.
func (g *Registry) cancelUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	if err := g.o.Store.CancelUpload(r.Context(), owner(grant), grant.Request.Upload); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// uploadHeaders sets the Location and the offset of a session.
func (g *Registry) uploadHeaders(h http.Header, repository reference.Repository, upload storage.Upload) {
	h.Set("Location", g.location(repository, "blobs/uploads", upload.ID))
	h.Set("Range", problem.UploadRange(upload.Offset))
	h.Set("Docker-Upload-Uuid", upload.ID)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
}

// created answers 201 for a blob.
func (g *Registry) created(w http.ResponseWriter, repository reference.Repository, d digest.Digest) {
	h := w.Header()
	h.Set("Location", g.location(repository, "blobs", d.String()))
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
}

// body is the body of a request. It records read errors, to distinguish a client that stopped from a store that failed.
type body struct {
	io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.n += int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF comes bare, as io.Reader promises
		b.err = err
	}
	return n, err
}

// explain returns the error to report: that of the body if reading it failed, otherwise err.
func (b *body) explain(err error) error {
	if b.err == nil || errors.Is(err, storage.ErrFull) {
		return err
	}
	return problem.BrokenBody(b.err)
}
