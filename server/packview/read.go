package packview

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/route"
	"packhouse/server/transfer"
)

// listTags lists and describes the tags of a pack, in byte order.
func (v *View) listTags(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	all, err := v.Tags(r.Context(), req.Repository)
	if err != nil {
		return err
	}
	first, found := slices.BinarySearch(all, req.Page.Last)
	if found {
		first++
	}
	n := req.Page.Limit(v.o.MaxTags)
	page := all[first:min(first+n, len(all))]
	versions, err := v.Versions(r.Context(), req.Repository, all, page)
	if err != nil {
		return err
	}
	if first+n < len(all) && len(page) > 0 {
		route.Next(w.Header(), v.o.Base+"/v1/"+req.Pack+"/tags/list", sameBase(r), n, page[len(page)-1])
	}
	return write(w, r, http.StatusOK, struct {
		Name  string     `json:"name"`
		Tags  []string   `json:"tags"`
		Packs []*Version `json:"packs"`
	}{req.Pack, append([]string{}, page...), append([]*Version{}, versions...)})
}

// packAnswer describes one version of a pack and its content.
type packAnswer struct {
	Name string `json:"name"`
	*Version
	Archive  *archiveAnswer  `json:"archive"` // null if the artifact is not a pack
	Files    []fileAnswer    `json:"files"`
	Images   []packs.Image   `json:"images"`
	Logo     string          `json:"logo,omitempty"` // digest of the file that needs no credentials
	Problems packs.Findings  `json:"problems"`       // findings of lint
	Pack     json.RawMessage `json:"pack"`           // pack.json; null if it is missing or cannot be parsed

	Truncated []string `json:"truncated,omitempty"` // names of the lists that were cut
}

// longestList is the maximum size of the list of files in a response, in bytes, and of the list of
// images.
const longestList = 1 << 20

// addFiles adds files up to longestList.
func (a *packAnswer) addFiles(files []packs.File) {
	size := 0
	for _, file := range files {
		if size += len(file.Path) + 200; size > longestList {
			a.Truncated = append(a.Truncated, "files")
			return
		}
		a.Files = append(a.Files, fileAnswer{file.Path, "sha256:" + file.SHA256, file.Size, TypeOf(file.Path)})
	}
}

type archiveAnswer struct {
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	Title     string `json:"title"`
	MediaType string `json:"mediaType"`
}

type fileAnswer struct {
	Path      string `json:"path"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	MediaType string `json:"mediaType"`
}

// readPack responds with the description of one version.
func (v *View) readPack(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	ctx, end := v.o.Records.Lease(r.Context())
	defer end()
	d, content, err := v.describePack(ctx, grant.Request)
	if err != nil {
		return err
	}
	end() // other requests need not wait for a slow client
	h := w.Header()
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Cache-Control", "private, no-cache")
	return send(w, r, http.StatusOK, content)
}

// describePack returns the response of readPack.
func (v *View) describePack(ctx context.Context, req route.Request) (digest.Digest, []byte, error) {
	f, err := v.Find(ctx, req)
	if err != nil {
		return "", nil, err
	}
	a := packAnswer{Name: req.Pack, Version: f, Files: []fileAnswer{}, Images: []packs.Image{}, Problems: packs.Findings{}}
	if f.Artifact != nil {
		a.Archive = &archiveAnswer{f.Artifact.Archive.String(), f.Artifact.Size, f.Artifact.Title, archiveType}
	}
	if rec := f.Record; rec != nil {
		v.o.Records.NoteLogo(ctx, req.Repository, f.Summary, f.Digest, false)
		a.addFiles(rec.Files)
		a.Images, a.Problems = append(a.Images, rec.Images...), append(a.Problems, rec.Problems...)
		if rec.Refused != nil {
			a.Problems = append(a.Problems, rec.Refused.Finding())
		}
		if logo, ok := rec.Logo(); ok {
			a.Logo = "sha256:" + logo.SHA256
		}
		if rec.Metadata != nil && json.Valid([]byte(rec.JSON)) {
			a.Pack = json.RawMessage(rec.JSON)
		}
	}
	content, err := encode(a)
	return f.Digest, content, err
}

// TypeOf returns the media type of a file by its name.
func TypeOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		return "application/yaml"
	case ".json":
		return "application/json"
	case ".md":
		return "text/markdown"
	case ".txt":
		return "text/plain"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".svg":
		return "image/svg+xml"
	case ".tgz", ".gz":
		return archiveType
	}
	return fileType
}

const (
	archiveType = "application/gzip"
	fileType    = "application/octet-stream"
)

// readArchive serves the archive of a version, or ranges of it.
func (v *View) readArchive(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	f, err := v.find(r.Context(), req)
	if err != nil {
		return err
	}
	if f.Artifact == nil {
		return problem.New(http.StatusNotFound, notAPack, "%s", f.Problem)
	}
	blob, err := transfer.Open(r, v.o.Store, req.Repository, f.Artifact.Archive)
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // it was only read
	h := w.Header()
	h.Set("Content-Type", archiveType)
	h.Set("Content-Disposition", attachment(f.Artifact.Title))
	h.Set("Docker-Content-Digest", f.Digest.String())
	h.Set("Cache-Control", "private, no-cache")
	if err := transfer.Serve(w, r, blob, f.Artifact.Archive); err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		v.o.OnEvent(Event{Verb: Pull, Grant: grant, Request: r, Digest: f.Artifact.Archive, Size: blob.Size()})
	}
	return nil
}
