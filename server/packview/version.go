package packview

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"packhouse/packs"
	"packhouse/server/manifest"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// Version is one version of a pack: a tag, or a manifest that was requested by digest.
type Version struct {
	Tag        string        `json:"tag,omitempty"`     // empty if it was requested by digest
	Version    string        `json:"version,omitempty"` // the tag without its group
	Group      string        `json:"group"`
	Digest     digest.Digest `json:"digest"`            // of the manifest: what Palette remembers
	Size       int64         `json:"size"`              // of the archive, or of all layers if it is not a pack, in bytes
	ParentTags []string      `json:"parentTags"`        // that resolve to it now
	Created    time.Time     `json:"created,omitzero"`  // when the manifest was stored
	Message    string        `json:"message,omitempty"` // why it overwrote another one
	State      string        `json:"state,omitempty"`   // deprecated, end of life or hidden
	EOL        string        `json:"eol,omitempty"`     // yyyy-MM-dd
	Problem    string        `json:"problem,omitempty"` // why it is not a pack

	Artifact *packs.Artifact `json:"-"` // nil if the manifest is not a pack
	Summary  *record.Summary `json:"-"` // nil if there is no record of the archive yet
	Record   *record.Record  `json:"-"` // only of a version that Find returns
	Stored   storage.Stored  `json:"-"`
}

// mostTags is the number of tags of one pack that are read.
const mostTags = 20_000

// Tags returns all tags of a pack, in byte order.
func (v *View) Tags(ctx context.Context, repo reference.Repository) ([]string, error) {
	var all []string
	for last := ""; ; last = all[len(all)-1] {
		page, more, err := v.o.Store.Tags(ctx, repo, last, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if !more || len(page) == 0 || len(all) >= mostTags {
			return all, nil
		}
	}
}

// Versions describes tags of a pack, of which all is the complete list. It leaves out tags that
// were deleted in the meantime. Missing records are created in the background.
func (v *View) Versions(ctx context.Context, repo reference.Repository, all, tags []string) ([]*Version, error) {
	parents, found := packs.ParentsOf(all, tags), make([]*Version, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, text := range tags {
		group.Go(func() error {
			tag, err := reference.ParseTag(text)
			if err != nil {
				return err
			}
			d, err := v.o.Store.ResolveTag(ctx, repo, tag)
			if errors.Is(err, storage.ErrTagUnknown) {
				return nil
			}
			if err != nil {
				return err
			}
			found[i], err = v.describe(ctx, repo, text, d, parents[text], false)
			if errors.Is(err, storage.ErrManifestUnknown) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(f *Version) bool { return f == nil }), nil
}

// describe describes a manifest without opening its archive.
func (v *View) describe(ctx context.Context, repo reference.Repository, tag string, d digest.Digest, parents []string, whole bool) (*Version, error) {
	stored, err := v.o.Store.GetManifest(ctx, repo, d, false)
	if err != nil {
		return nil, err
	}
	f := &Version{Tag: tag, Digest: d, ParentTags: parents, Created: stored.CreatedAt}
	if whole {
		f.Stored = stored
	}
	if f.ParentTags == nil {
		f.ParentTags = []string{}
	}
	if t, err := packs.ParseTag(tag); err == nil {
		f.Version, f.Group = t.Label, t.Group
	}
	if f.Artifact, err = packs.ParseArtifact(stored.Content); err != nil {
		f.Problem, f.Size = err.Error(), sizeOf(stored.Content)
		return f, nil
	}
	f.Size, f.Message = f.Artifact.Size, f.Artifact.Message
	if f.Summary = v.o.Records.Summary(ctx, repo, f.Artifact.Archive); f.Summary == nil {
		v.lookInto(repo, f.Artifact.Archive, d)
	}
	f.summarize(repo, v.o.Now())
	return f, nil
}

// sizeOf returns the size of the layers of a manifest in bytes.
func sizeOf(content []byte) (size int64) {
	m, err := manifest.Parse(content)
	if err != nil {
		return 0
	}
	for _, l := range m.Layers {
		size += l.Size
	}
	return size
}

// summarize sets what follows from the summary of the archive's record.
func (f *Version) summarize(repo reference.Repository, now time.Time) {
	f.Problem = f.notPack(repo)
	if f.Summary != nil {
		f.State, f.EOL = f.Summary.Lifecycle.State(now), packs.Printable(f.Summary.Lifecycle.EOL)
	}
}

// notPack returns why a version is not a pack, or "" if it is one or if there is no record yet.
func (f *Version) notPack(repo reference.Repository) string {
	_, name, _ := repo.Pack()
	s := f.Summary
	switch {
	case s == nil:
		return f.Artifact.Disagreement(name, f.Tag, nil)
	case s.Reason != "":
		return "not a pack: " + s.Reason
	case !s.HasMetadata:
		return "not a pack: its pack.json cannot be read"
	}
	return f.Artifact.Disagreement(name, f.Tag, &packs.Identity{Name: s.Name, Version: s.Version})
}

// Find returns the version that a request names by tag, parent tag or digest, or the highest
// version if it names none. It creates the record if necessary. The context must have a lease of
// the records.
func (v *View) Find(ctx context.Context, req route.Request) (*Version, error) {
	f, err := v.find(ctx, req)
	if err != nil || f.Artifact == nil {
		return f, err
	}
	if f.Record, err = v.o.Records.Get(ctx, req.Repository, f.Artifact.Archive); err != nil {
		return nil, err
	}
	f.Summary = f.Record.Summary()
	f.summarize(req.Repository, v.o.Now())
	return f, nil
}

// find is like Find, but does not load the record.
func (v *View) find(ctx context.Context, req route.Request) (*Version, error) {
	if req.Digest != "" {
		return v.describe(ctx, req.Repository, "", req.Digest, nil, true)
	}
	tags, err := v.Tags(ctx, req.Repository)
	if err != nil {
		return nil, err
	}
	name, ok := packs.ResolveTag(tags, req.Tag.String())
	if req.Tag.IsZero() {
		if name, ok = packs.Highest(tags); !ok && len(tags) > 0 {
			name, ok = tags[len(tags)-1], true
		}
	}
	if !ok {
		return nil, storage.ErrTagUnknown
	}
	tag, err := reference.ParseTag(name)
	if err != nil {
		return nil, err
	}
	d, err := v.o.Store.ResolveTag(ctx, req.Repository, tag)
	if err != nil {
		return nil, err
	}
	return v.describe(ctx, req.Repository, name, d, packs.ParentsOf(tags, []string{name})[name], true)
}

// lookInto creates the record of an archive and the note of its logo in the background.
func (v *View) lookInto(repo reference.Repository, archive, manifest digest.Digest) {
	v.o.Records.Behind(repo, archive, func(ctx context.Context, s *record.Summary) { v.o.Records.NoteLogo(ctx, repo, s, manifest, true) })
}

// Pushed is called after a manifest was pushed to /v2. If it is that of a pack, the record of its
// archive is created in the background.
func (v *View) Pushed(repo reference.Repository, manifest digest.Digest, layers []digest.Digest) {
	v.pushes.of(repo).Add(1)
	if _, _, pack := repo.Pack(); pack && len(layers) == 1 {
		v.lookInto(repo, layers[0], manifest)
	}
}
