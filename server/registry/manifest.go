package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
	"packhouse/server/transfer"
)

// readManifest serves a manifest as it was pushed (end-3). It ignores Accept, because there is only one representation.
func (g *Registry) readManifest(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	stored, err := g.findManifest(r.Context(), grant)
	if err != nil {
		return err
	}
	h := w.Header()
	cache := forever
	if !grant.Request.Tag.IsZero() {
		cache = revalidate
	}
	contentHeaders(h, stored.MediaType, stored.Digest, cache)
	if transfer.NotModified(w, r, stored.Digest) {
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(stored.Content)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(stored.Content) // fails only if the client has left
	e := Event{Verb: Pull, Digest: stored.Digest, MediaType: stored.MediaType, Size: int64(len(stored.Content))}
	if tag := grant.Request.Tag; !tag.IsZero() {
		e.Tags = []reference.Tag{tag}
	}
	g.notify(r, grant, e)
	return nil
}

// findManifest returns a manifest by digest or tag. It resolves a tag again if the tag moved between the two lookups.
func (g *Registry) findManifest(ctx context.Context, grant auth.Grant) (storage.Stored, error) {
	req := grant.Request
	if req.Tag.IsZero() {
		return g.o.Store.GetManifest(ctx, req.Repository, req.Digest, grant.CanPush())
	}
	d, err := g.o.Store.ResolveTag(ctx, req.Repository, req.Tag)
	if err != nil {
		return storage.Stored{}, err
	}
	stored, err := g.o.Store.GetManifest(ctx, req.Repository, d, grant.CanPush())
	if !errors.Is(err, storage.ErrManifestUnknown) {
		return stored, err
	}
	again, failed := g.o.Store.ResolveTag(ctx, req.Repository, req.Tag)
	if failed != nil || again == d {
		return stored, err
	}
	return g.o.Store.GetManifest(ctx, req.Repository, again, grant.CanPush())
}

// writeManifest stores a manifest and moves tags to it (end-7).
func (g *Registry) writeManifest(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	if err := g.checkTags(req); err != nil {
		return err
	}
	content, finish, err := g.readManifestBody(w, r)
	if err != nil {
		return err
	}
	defer finish()
	release, err := g.admitManifest(r.Context(), int64(len(content)))
	if err != nil {
		return err
	}
	defer release()
	m, err := manifest.ParsePushed(content)
	if err != nil {
		return err
	}
	if err := checkType(r.Header.Get("Content-Type"), m.MediaType); err != nil {
		return err
	}
	if err := g.checkURLs(m); err != nil {
		return err
	}
	put, err := g.putOf(r, grant, content, m)
	if err == nil {
		err = g.o.Store.PutManifest(r.Context(), put)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Location", g.location(req.Repository, "manifests", put.Digest.String()))
	h.Set("Docker-Content-Digest", put.Digest.String())
	if m.Subject != nil {
		h.Set("Oci-Subject", m.Subject.Digest.String())
	}
	for _, tag := range req.Tags {
		h.Add("Oci-Tag", tag.String())
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	g.notify(r, grant, Event{
		Verb: Push, Digest: put.Digest, MediaType: m.MediaType, Manifest: m, Size: int64(len(content)), Tags: put.Tags,
	})
	return nil
}

// putOf returns the Put of a pushed manifest, after verifying its digest.
func (g *Registry) putOf(
	r *http.Request, grant auth.Grant, content []byte, m *manifest.Manifest,
) (storage.Put, error) {
	req := grant.Request
	put := storage.Put{
		Repository: req.Repository, Digest: req.Digest, Content: content, Manifest: m, Tags: req.Tags, Sparse: g.o.Sparse,
	}
	expect := preconditions(r.Header)
	if !req.Tag.IsZero() {
		put.Digest, put.Tags = digest.SHA256.FromBytes(content), []reference.Tag{req.Tag}
		if expect != nil {
			put.Expect = func(_ reference.Tag, now digest.Digest) error { return expect(now) }
		}
	} else if got := req.Digest.Algorithm().FromBytes(content); got != req.Digest {
		return put, problem.BadDigest(req.Digest, got)
	} else if expect != nil {
		// The content of a digest never changes, so this need not be atomic.
		if err := g.expectDigest(r.Context(), req.Repository, req.Digest, expect); err != nil {
			return put, err
		}
	}
	unchanged := g.unchanged(r.Context(), req.Repository, put.Tags, content)
	put.MayOverwrite = func(tag reference.Tag, old digest.Digest) error {
		if unchanged[old] {
			return nil
		}
		return g.o.MayOverwrite(grant, tag, old)
	}
	return put, nil
}

// unchanged returns the manifests of a pack's tags that differ from content only in the time of the
// push, which some clients write. The tag may move to content without the right to overwrite.
func (g *Registry) unchanged(
	ctx context.Context, repo reference.Repository, tags []reference.Tag, content []byte,
) map[digest.Digest]bool {
	if _, _, pack := repo.Pack(); !pack {
		return nil
	}
	pushed := withoutCreated(content)
	same := map[digest.Digest]bool{}
	for _, tag := range tags {
		old, err := g.o.Store.ResolveTag(ctx, repo, tag)
		if err != nil {
			continue
		}
		stored, err := g.o.Store.GetManifest(ctx, repo, old, false)
		if err != nil {
			continue
		}
		same[old] = pushed != nil && reflect.DeepEqual(pushed, withoutCreated(stored.Content))
	}
	return same
}

// withoutCreated decodes a manifest without its time of creation. It returns nil if content is not
// a JSON object.
func withoutCreated(content []byte) map[string]any {
	var m map[string]any
	if json.Unmarshal(content, &m) != nil {
		return nil
	}
	if annotations, ok := m["annotations"].(map[string]any); ok {
		delete(annotations, ocispec.AnnotationCreated)
		if len(annotations) == 0 {
			delete(m, "annotations")
		}
	}
	return m
}

// checkTags returns an error if the repository of a pack must not have one of the tags.
func (g *Registry) checkTags(req route.Request) error {
	if _, _, pack := req.Repository.Pack(); !pack || g.o.MayTag == nil {
		return nil
	}
	for _, tag := range append([]reference.Tag{req.Tag}, req.Tags...) {
		if tag.IsZero() {
			continue
		}
		if err := g.o.MayTag(tag); err != nil {
			return err
		}
	}
	return nil
}

// checkType returns an error if Content-Type contradicts the manifest: a client that trusts the header would parse other
// content than one that trusts the manifest (CVE-2021-41190). An absent header is accepted.
func checkType(header, mediaType string) error {
	if header == "" {
		return nil
	}
	given, _, err := mime.ParseMediaType(header)
	if err != nil {
		given = header
	}
	if strings.EqualFold(given, mediaType) {
		return nil
	}
	return problem.New(http.StatusBadRequest, problem.ManifestInvalid, "Content-Type is %.200q, but the manifest is %s: send that", given, mediaType)
}

// deleteTag removes a tag but not its manifest (end-9).
func (g *Registry) deleteTag(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	if err := g.o.Store.DeleteTag(r.Context(), req.Repository, req.Tag); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	g.notify(r, grant, Event{Verb: Delete, Tags: []reference.Tag{req.Tag}, Size: -1})
	return nil
}

// deleteManifest removes a manifest and every tag that points to it (end-9).
func (g *Registry) deleteManifest(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	req := grant.Request
	discard := false
	if grant.Identity.Probe {
		stored, err := g.o.Store.GetManifest(r.Context(), req.Repository, req.Digest, false)
		if err != nil {
			return err
		}
		discard = namesProbe(grant.Identity, bytes.NewReader(stored.Content))
	}
	if err := g.o.Store.DeleteManifest(r.Context(), req.Repository, req.Digest, false); err != nil {
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
