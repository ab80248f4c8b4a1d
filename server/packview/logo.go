package packview

import (
	"context"
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
	"packhouse/server/transfer"
)

// Opens reports whether a file is the logo of a pack, which needs no credentials: documentation
// links to it, and Palette passes its URL to browsers. It is called before authorization, and
// returns false unless the request asks for an image.
//
// It never opens an archive. Missing and private repositories cost the same: one attempt to read a
// note.
func (v *View) Opens(ctx context.Context, req route.Request) bool {
	if req.Action != route.PackFile || req.MediaType != "image/png" && req.MediaType != "image/jpeg" {
		return false
	}
	content, _ := v.logo(ctx, req.Repository, req.Digest)
	return content != nil
}

// logo returns the logo of a pack, if the pack has a tag and still has the manifest in the logo's
// note.
func (v *View) logo(ctx context.Context, repo reference.Repository, d digest.Digest) (content []byte, mediaType string) {
	if d.Algorithm() != digest.SHA256 {
		return nil, ""
	}
	note, ok := v.o.Records.Note(ctx, repo, d.Encoded())
	if !ok {
		return nil, ""
	}
	if !v.stands(ctx, repo, note) {
		v.renote(repo, d.Encoded())
		return nil, ""
	}
	return v.o.Records.LogoContent(ctx, note.Archive, d.Encoded())
}

// stands reports whether a repository has a tag, and the manifest and archive in a note.
func (v *View) stands(ctx context.Context, repo reference.Repository, note record.Note) bool {
	if tags, _, err := v.o.Store.Tags(ctx, repo, "", 1); err != nil || len(tags) == 0 {
		return false
	}
	stored, err := v.o.Store.GetManifest(ctx, repo, note.Manifest, false)
	if err != nil {
		return false
	}
	artifact, err := packs.ParseArtifact(stored.Content)
	if err != nil || artifact.Archive != note.Archive {
		return false
	}
	_, err = v.o.Store.StatBlob(ctx, repo, note.Archive, false)
	return err == nil
}

// renote replaces a note whose manifest is gone with one for another version with the same logo, if
// any. It runs in the background, reads existing records and opens no archive.
func (v *View) renote(repo reference.Repository, logo string) {
	v.o.Records.Run("logo/"+repo.String()+"/"+logo, func(ctx context.Context) {
		v.o.Records.ForgetLogo(ctx, repo, logo)
		tags, err := v.Tags(ctx, repo)
		if err != nil {
			return
		}
		for _, tag := range tags {
			d, artifact, err := v.artifactOf(ctx, repo, tag)
			if err != nil {
				continue
			}
			if s := v.o.Records.Summary(ctx, repo, artifact.Archive); s != nil && s.Logo == logo {
				v.o.Records.NoteLogo(ctx, repo, s, d, true)
				return
			}
		}
	})
}

// artifactOf returns the manifest's digest and the pack that a tag points to.
func (v *View) artifactOf(ctx context.Context, repo reference.Repository, name string) (digest.Digest, *packs.Artifact, error) {
	tag, err := reference.ParseTag(name)
	if err != nil {
		return "", nil, err
	}
	d, err := v.o.Store.ResolveTag(ctx, repo, tag)
	if err != nil {
		return "", nil, err
	}
	stored, err := v.o.Store.GetManifest(ctx, repo, d, false)
	if err != nil {
		return "", nil, err
	}
	artifact, err := packs.ParseArtifact(stored.Content)
	return d, artifact, err
}

// readLogo serves a logo without credentials.
func (v *View) readLogo(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	content, mediaType := v.logo(r.Context(), req.Repository, req.Digest)
	if content == nil {
		return storage.ErrBlobUnknown
	}
	file := packs.File{Path: packs.LogoFile, SHA256: req.Digest.Encoded()}
	fileHeaders(w.Header(), mediaType, file)
	w.Header().Set("Cache-Control", "public, max-age=86400")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	if transfer.NotModified(w, r, req.Digest) {
		return nil
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // fails only if the client has left
	}
	return nil
}
