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

// startUpload mounts a blob (end-11), takes one whole (end-4b), or opens a session (end-4a).
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
		g.tell(r, grant, Event{Verb: Push, Digest: req.Digest, Size: body.n})
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

// algorithm is what a session hashes by: what was asked for, or that of a digest that was named already.
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

// mount links a blob from another repository and tells whether it did. It fails in silence, because the client then pushes: whether the
// blob is missing, the source is, or the user may not read it, the answer is the same.
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
	g.tell(r, grant, Event{Verb: Mount, From: req.From, Digest: req.Mount, Size: -1})
	return true
}

// mountPage is how many repositories are looked through at once.
const mountPage = 200

// mountFromAnywhere mounts a blob from the first repository that the user may read and that has it.
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

// appendUpload adds a chunk (end-5): in its place with Content-Range, at the end without.
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

// finishUpload closes a session with the digest of its bytes, after a last chunk if there is one (end-6).
// If the answer to an earlier attempt was lost, the session is gone and the blob
// is there: the client sends the request again and gets the same answer.
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
	g.tell(r, grant, Event{Verb: Push, Digest: req.Digest, Size: -1})
	return nil
}

// chunk reads where a chunk belongs and how long it is, -1 for both where it is not said.
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

// outOfOrder adds to a refused chunk where its upload is.
func (g *Registry) outOfOrder(repository reference.Repository, id string, err error) error {
	if e, ok := errors.AsType[*storage.OffsetError](err); ok {
		return problem.OutOfOrder(e.Upload.Offset).With("Location", g.location(repository, "blobs/uploads", id)).Because(err)
	}
	return err
}

// statUpload tells where a session stands (end-13).
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

// cancelUpload drops a session.
func (g *Registry) cancelUpload(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	if err := g.o.Store.CancelUpload(r.Context(), owner(grant), grant.Request.Upload); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// uploadHeaders tells where a session is and where it stands.
func (g *Registry) uploadHeaders(h http.Header, repository reference.Repository, upload storage.Upload) {
	h.Set("Location", g.location(repository, "blobs/uploads", upload.ID))
	h.Set("Range", problem.UploadRange(upload.Offset))
	h.Set("Docker-Upload-Uuid", upload.ID)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
}

// created answers that a blob is here.
func (g *Registry) created(w http.ResponseWriter, repository reference.Repository, d digest.Digest) {
	h := w.Header()
	h.Set("Location", g.location(repository, "blobs", d.String()))
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
}

// body is the body of a request; it remembers how reading it went, to tell a client that stopped from a store that failed.
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

// explain turns an error of the store into one of the body where that is what failed.
func (b *body) explain(err error) error {
	if b.err == nil || errors.Is(err, storage.ErrFull) {
		return err
	}
	return problem.BrokenBody(b.err)
}
