package packview

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// listTags lists the tags of a pack with what is known of each, in byte order.
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

// packAnswer is one version of a pack with all that is in it.
type packAnswer struct {
	Name string `json:"name"`
	*Version
	Archive  *archiveAnswer  `json:"archive"` // null where the artifact is no pack's
	Files    []fileAnswer    `json:"files"`
	Images   []packs.Image   `json:"images"`
	Logo     string          `json:"logo,omitempty"` // digest of the file that needs no credentials
	Problems []packs.Problem `json:"problems"`       // what lint finds
	Pack     json.RawMessage `json:"pack"`           // pack.json; null where it is missing or is not JSON
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

// readPack tells everything of one version.
func (v *View) readPack(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	f, err := v.Find(r.Context(), req)
	if err != nil {
		return err
	}
	a := packAnswer{Name: req.Pack, Version: f, Files: []fileAnswer{}, Images: []packs.Image{}, Problems: []packs.Problem{}}
	if f.Artifact != nil {
		a.Archive = &archiveAnswer{f.Artifact.Archive.String(), f.Artifact.Size, f.Artifact.Title, archiveType}
	}
	if rec := f.Record; rec != nil {
		v.o.Records.NoteLogo(r.Context(), req.Repository, rec)
		for _, file := range rec.Files {
			a.Files = append(a.Files, fileAnswer{file.Path, "sha256:" + file.SHA256, file.Size, TypeOf(file.Path)})
		}
		a.Images, a.Problems = append(a.Images, rec.Images...), append(a.Problems, rec.Problems...)
		if rec.Refused != nil {
			a.Problems = append(a.Problems, *rec.Refused)
		}
		if logo, ok := rec.Logo(); ok {
			a.Logo = "sha256:" + logo.SHA256
		}
		if json.Valid([]byte(rec.JSON)) {
			a.Pack = json.RawMessage(rec.JSON)
		}
	}
	h := w.Header()
	h.Set("Docker-Content-Digest", f.Digest.String())
	h.Set("Cache-Control", "private, no-cache")
	return write(w, r, http.StatusOK, a)
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

// readArchive serves the archive of a version, or a range of it.
func (v *View) readArchive(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	f, err := v.find(r.Context(), req)
	if err != nil {
		return err
	}
	if f.Artifact == nil {
		return problem.New(http.StatusNotFound, notAPack, "%s", f.Problem)
	}
	blob, err := v.o.Store.OpenBlob(r.Context(), req.Repository, f.Artifact.Archive)
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // it was only read
	h := w.Header()
	h.Set("Content-Type", archiveType)
	h.Set("Content-Disposition", attachment(f.Artifact.Title))
	h.Set("Docker-Content-Digest", f.Digest.String())
	h.Set("Etag", `"`+f.Artifact.Archive.String()+`"`)
	h.Set("Cache-Control", "private, no-cache")
	serveContent(w, r, blob)
	if r.Method == http.MethodGet {
		v.o.OnEvent(Event{Verb: Pull, Grant: grant, Request: r, Digest: f.Artifact.Archive, Size: blob.Size()})
	}
	return nil
}
