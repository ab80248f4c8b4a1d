package pages

import (
	"bytes"
	"io"
	"net/http"
	"path"

	"packhouse/server/packview"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// viewAddress returns the URL of the page that shows a file.
func (p *Pages) viewAddress(req route.Request, ref, name string) string {
	return p.address(req, "/packs/"+req.Pack+"/"+ref+"/file", "path", name)
}

// showFile adds a file of the pack to a page: an image, or the start of a text.
func (p *Pages) showFile(r *http.Request, req route.Request, d *packPage, name string) error {
	rec := d.Version.Record
	f, ok := rec.File(path.Clean(name))
	if !ok || name == "" {
		return problem.New(http.StatusNotFound, problem.BlobUnknown, "the pack has no file %.200q", name)
	}
	d.File, d.Raw = f.Path, p.fileAddress(req, rec.Archive, f.SHA256, "")
	switch mediaType := packview.TypeOf(f.Path); mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		d.Image = p.fileAddress(req, rec.Archive, f.SHA256, mediaType)
		return nil
	}
	if _, err := p.o.View.Records().Heavy(r.Context()); err != nil { // until the page is rendered
		return err
	}
	var content []byte
	err := p.o.View.Records().Open(r.Context(), req.Repository, rec, f, func(from io.Reader) (err error) {
		content, err = io.ReadAll(io.LimitReader(from, longestText+1))
		return err
	})
	if err != nil {
		return err
	}
	if d.Binary = bytes.IndexByte(content, 0) >= 0; d.Binary {
		return nil
	}
	content, d.Cut = cut(content)
	d.Text = string(content)
	return nil
}
