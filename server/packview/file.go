package packview

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/transfer"
)

// readFile serves one file of a pack from its archive.
func (v *View) readFile(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	ctx, end := v.o.Records.Lease(r.Context())
	rec, file, err := v.findFile(ctx, req)
	if err != nil {
		end()
		return err
	}
	rec = rec.OnlyFile(file) // release the rest while the file is sent
	end()
	fileHeaders(w.Header(), req.MediaType, file)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	if transfer.NotModified(w, r, digestOf(file)) {
		return nil
	}
	w.Header().Set("Content-Length", strconv.FormatInt(file.Size, 10))
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	begun := false
	err = v.o.Records.Open(r.Context(), req.Repository, rec, file, func(content io.Reader) error {
		from := bufio.NewReaderSize(content, 64<<10)
		if _, err := from.Peek(1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		begun = true
		w.WriteHeader(http.StatusOK)
		_, err := io.Copy(w, from)
		return err
	})
	if err != nil && begun {
		panic(http.ErrAbortHandler) // the client must not take the response for a complete one
	}
	return err
}

// fileHeaders makes browsers treat a pushed file only as a download or an image, because it may be
// a page with scripts.
func fileHeaders(h http.Header, mediaType string, file packs.File) {
	if mediaType == "" {
		mediaType = fileType
		h.Set("Content-Disposition", attachment(path.Base(file.Path)))
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Etag", transfer.ETag(digestOf(file)))
	h.Set("Accept-Ranges", "none")
}

// attachment returns the Content-Disposition of a download.
func attachment(name string) string {
	if value := mime.FormatMediaType("attachment", map[string]string{"filename": name}); value != "" {
		return value
	}
	return "attachment"
}

// digestOf returns the digest of a file.
func digestOf(file packs.File) digest.Digest {
	return digest.NewDigestFromEncoded(digest.SHA256, file.SHA256)
}
