package packview

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview/record"
	"packhouse/server/problem"
	"packhouse/server/route"
	"packhouse/server/storage"
	"packhouse/server/transfer"
)

// readFile serves one file of a pack out of its archive.
func (v *View) readFile(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	ctx, end := v.o.Records.Lease(r.Context())
	rec, file, err := v.findFile(ctx, req)
	if err != nil {
		end()
		return err
	}
	rec = rec.OnlyFile(file) // what is kept while the file is sent
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
		panic(http.ErrAbortHandler) // the rest of the answer must not look like its end
	}
	return err
}

// fileHeaders keeps a file that somebody pushed from being anything but a download or an image: it may be a page with script in it.
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

// attachment names a download.
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

// findFile finds a file by its digest: in the archive that the request names, else in those of all tags, the highest first.
func (v *View) findFile(ctx context.Context, req route.Request) (*record.Record, packs.File, error) {
	unknown := problem.New(http.StatusNotFound, problem.BlobUnknown, "no version of the pack that has a tag holds this file: name the archive of another with ?archive=")
	if req.Archive != "" {
		unknown = problem.New(http.StatusNotFound, problem.BlobUnknown, "the archive does not hold this file")
	}
	archives, err := v.archives(ctx, req)
	if err != nil {
		return nil, packs.File{}, err
	}
	for _, archive := range archives {
		rec, err := v.o.Records.Get(ctx, req.Repository, archive)
		if errors.Is(err, storage.ErrBlobUnknown) && req.Archive == "" {
			continue // a lost archive does not hide the others
		}
		if err != nil {
			return nil, packs.File{}, err
		}
		if file, ok := rec.FileOf(req.Digest.Encoded()); ok {
			return rec, file, nil
		}
	}
	return nil, packs.File{}, unknown
}

// archives lists where a file may be, each archive once.
func (v *View) archives(ctx context.Context, req route.Request) ([]digest.Digest, error) {
	if req.Archive != "" {
		return []digest.Digest{req.Archive}, nil
	}
	tags, err := v.Tags(ctx, req.Repository)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tags, func(a, b string) int { return packs.CompareTags(b, a) })
	versions, err := v.Versions(ctx, req.Repository, tags, tags)
	if err != nil {
		return nil, err
	}
	var archives []digest.Digest
	seen := map[digest.Digest]bool{}
	for _, f := range versions {
		if f.Artifact != nil && !seen[f.Artifact.Archive] {
			seen[f.Artifact.Archive] = true
			archives = append(archives, f.Artifact.Archive)
		}
	}
	return archives, nil
}
