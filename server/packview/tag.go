package packview

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// longestTarget is the maximum size of the body of writeTag in bytes.
const longestTarget = 4 << 10

// writeTag points a tag at a version.
func (v *View) writeTag(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	ctx, req := r.Context(), grant.Request
	if err := RefuseParent(req.Tag); err != nil {
		return err
	}
	target, err := readTarget(w, r)
	if err != nil {
		return err
	}
	target.Repository = req.Repository
	f, err := v.find(ctx, target)
	if err != nil {
		return err
	}
	parsed, err := manifest.Parse(f.Stored.Content)
	if err != nil {
		return err
	}
	answer := struct {
		Name     string        `json:"name"`
		Tag      string        `json:"tag"`
		Digest   digest.Digest `json:"digest"`
		Replaced digest.Digest `json:"replaced,omitempty"`
	}{Name: req.Pack, Tag: req.Tag.String(), Digest: f.Digest}
	err = v.o.Store.PutManifest(ctx, storage.Put{
		Repository: req.Repository, Digest: f.Digest, Content: f.Stored.Content, Manifest: parsed, Tags: []reference.Tag{req.Tag},
		MayOverwrite: func(tag reference.Tag, old digest.Digest) error {
			answer.Replaced = old
			return v.mayMove(r, grant, tag, old)
		},
	})
	if err != nil {
		return err
	}
	v.pushes.of(req.Repository).Add(1)
	w.Header().Set("Location", v.location(r, req, "manifests", req.Tag.String()))
	w.Header().Set("Docker-Content-Digest", f.Digest.String())
	err = write(w, r, http.StatusCreated, answer)
	v.o.OnEvent(Event{
		Verb: Push, Grant: grant, Request: r, Digest: f.Digest, MediaType: parsed.MediaType, Manifest: parsed, Size: int64(len(f.Stored.Content)),
		Tags: []reference.Tag{req.Tag},
	})
	return err
}

// readTarget reads {"target": "<tag or digest>"}.
func readTarget(w http.ResponseWriter, r *http.Request) (route.Request, error) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestTarget))
	if err != nil {
		return route.Request{}, err
	}
	var body struct {
		Target string `json:"target"`
	}
	bad := problem.New(http.StatusBadRequest, problem.ManifestInvalid, `the body must be {"target": "…"}, with a tag, a parent tag or the digest of a manifest`)
	if err := cmp.Or(manifest.CheckObject(content, "target"), json.Unmarshal(content, &body)); err != nil {
		return route.Request{}, bad.Because(err)
	}
	var target route.Request
	if strings.Contains(body.Target, ":") {
		target.Digest, err = reference.ParseDigest(body.Target)
	} else {
		target.Tag, err = reference.ParseTag(body.Target)
	}
	if err != nil {
		return route.Request{}, bad.Because(err)
	}
	return target, nil
}

// mayMove returns an error if an existing tag must not be moved. A tag that names its own version
// must be pushed, not moved; other tags, such as stable, may be moved.
func (v *View) mayMove(r *http.Request, grant auth.Grant, tag reference.Tag, old digest.Digest) error {
	req := grant.Request
	stored, err := v.o.Store.GetManifest(r.Context(), req.Repository, old, false)
	if errors.Is(err, storage.ErrManifestUnknown) {
		return nil // the tag points to a missing manifest
	}
	if err != nil {
		return err
	}
	label, err := packs.ParseTag(tag.String())
	if err != nil {
		return err
	}
	artifact, err := packs.ParseArtifact(stored.Content)
	if err != nil || artifact.Title != req.Pack+"-"+label.Label+".tar.gz" {
		return nil
	}
	if v.o.Overwrite == Allow && grant.Role >= auth.Admin {
		return nil
	}
	return problem.New(http.StatusConflict, versionExists,
		"%s is a version of pack %s: use another tag, or push an archive to overwrite the version", tag, req.Pack)
}

// deleteTag removes a tag from a pack. Its manifest stays readable by digest until it is
// garbage-collected.
func (v *View) deleteTag(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	ctx, req := r.Context(), grant.Request
	err := v.o.Store.DeleteTag(ctx, req.Repository, req.Tag)
	if errors.Is(err, storage.ErrTagUnknown) {
		tags, failed := v.Tags(ctx, req.Repository)
		if _, stands := packs.ResolveTag(tags, req.Tag.String()); failed == nil && stands && !slices.Contains(tags, req.Tag.String()) {
			return RefuseParent(req.Tag)
		}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	v.o.OnEvent(Event{Verb: Delete, Grant: grant, Request: r, Size: -1, Tags: []reference.Tag{req.Tag}})
	return nil
}

// RefuseParent returns an error if a tag has the form of a parent tag: parent tags are computed, so
// they can be neither pushed nor deleted.
func RefuseParent(tag reference.Tag) error {
	if t, err := packs.ParseTag(tag.String()); err != nil || !t.IsParent() {
		return nil //nolint:nilerr // an invalid tag is not a parent tag
	}
	return problem.New(http.StatusConflict, parentTag,
		"%s is a parent tag, which always resolves to its highest version: use the tag of a version", tag)
}
