package packview

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"packhouse/packs"
	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// Version is one version of a pack: a tag, or a manifest that is asked for by its digest.
type Version struct {
	Tag        string        `json:"tag,omitempty"`     // empty where it was asked for by its digest
	Version    string        `json:"version,omitempty"` // the tag without its group
	Group      string        `json:"group"`
	Digest     digest.Digest `json:"digest"`     // of the manifest: what Palette remembers
	Size       int64         `json:"size"`       // of the archive, in bytes
	ParentTags []string      `json:"parentTags"` // that stand for it now
	Created    time.Time     `json:"created,omitzero"`
	Message    string        `json:"message,omitempty"` // why it was pushed over another
	Problem    string        `json:"problem,omitempty"` // why it is no pack

	Artifact *packs.Artifact `json:"-"` // nil where the manifest is not that of a pack
	Record   *record.Record  `json:"-"` // nil where the archive was not looked into yet
	Stored   storage.Stored  `json:"-"`
}

// mostTags is how many tags of one pack are looked at.
const mostTags = 100_000

// Tags returns all tags of a pack, in byte order.
func (v *View) Tags(ctx context.Context, repo reference.Repository) ([]string, error) {
	var all []string
	for last := ""; ; last = all[len(all)-1] {
		page, more, err := v.o.Store.Tags(ctx, repo, last, 10_000)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if !more || len(page) == 0 || len(all) >= mostTags {
			return all, nil
		}
	}
}

// parentsOf turns the parent tags of a repository around: each tag with those that stand for it.
func parentsOf(tags []string) map[string][]string {
	parents := map[string][]string{}
	all := packs.ParentTags(tags)
	for _, parent := range slices.SortedFunc(maps.Keys(all), packs.CompareTags) {
		parents[all[parent]] = append(parents[all[parent]], parent)
	}
	return parents
}

// Versions describes tags of a pack, which are some of all. What was not looked into yet has no record; behind the answer it is made. A tag
// that was deleted meanwhile is left out.
func (v *View) Versions(ctx context.Context, repo reference.Repository, all, tags []string) ([]*Version, error) {
	parents, found := parentsOf(all), make([]*Version, len(tags))
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
			found[i], err = v.describe(ctx, repo, text, d, parents[text])
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

// describe tells what is known of a manifest without opening its archive.
func (v *View) describe(ctx context.Context, repo reference.Repository, tag string, d digest.Digest, parents []string) (*Version, error) {
	stored, err := v.o.Store.GetManifest(ctx, repo, d, false)
	if err != nil {
		return nil, err
	}
	f := &Version{Tag: tag, Digest: d, ParentTags: parents, Created: stored.CreatedAt, Stored: stored}
	if f.ParentTags == nil {
		f.ParentTags = []string{}
	}
	if t, err := packs.ParseTag(tag); err == nil {
		f.Version, f.Group = t.Label, t.Group
	}
	if f.Artifact, err = packs.ParseArtifact(stored.Content); err != nil {
		f.Problem = err.Error()
		return f, nil
	}
	f.Size, f.Message = f.Artifact.Size, f.Artifact.Message
	if !f.Artifact.Created.IsZero() {
		f.Created = f.Artifact.Created
	}
	if f.Record = v.o.Records.Peek(ctx, repo, f.Artifact.Archive); f.Record == nil {
		v.lookInto(repo, f.Artifact.Archive)
	}
	f.Problem = f.judge(repo)
	return f, nil
}

// judge tells why a version is no pack, as far as is known.
func (f *Version) judge(repo reference.Repository) string {
	_, name, _ := repo.Pack()
	switch {
	case f.Record == nil:
		return ""
	case f.Record.Reason() != "":
		return "not a pack: " + f.Record.Reason()
	case f.Record.Metadata == nil:
		return "not a pack: its pack.json cannot be read"
	case f.Record.Metadata.Name != name:
		return fmt.Sprintf("not a pack: its pack.json calls it %s, and it lies where %s is looked for", packs.Printable(f.Record.Metadata.Name), name)
	case f.Record.Metadata.Title() != f.Artifact.Title:
		return fmt.Sprintf("not a pack: its layer is titled %s, and its pack.json makes it %s", packs.Printable(f.Artifact.Title), packs.Printable(f.Record.Metadata.Title()))
	}
	return ""
}

// Find returns the version that a request names: by tag, by a parent tag or by digest, and the highest where it names none. Its archive is
// looked into, unless it is no pack's.
func (v *View) Find(ctx context.Context, req route.Request) (*Version, error) {
	f, err := v.find(ctx, req)
	if err != nil || f.Artifact == nil || f.Record != nil {
		return f, err
	}
	if f.Record, err = v.o.Records.Get(ctx, req.Repository, f.Artifact.Archive); err != nil {
		return nil, err
	}
	f.Problem = f.judge(req.Repository)
	return f, nil
}

// find is Find without looking into the archive.
func (v *View) find(ctx context.Context, req route.Request) (*Version, error) {
	if req.Digest != "" {
		return v.describe(ctx, req.Repository, "", req.Digest, nil)
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
	return v.describe(ctx, req.Repository, name, d, parentsOf(tags)[name])
}

// lookInto makes the record of an archive behind the answer, and notes its logo.
func (v *View) lookInto(repo reference.Repository, archive digest.Digest) {
	v.o.Records.Behind(repo, archive, func(ctx context.Context, rec *record.Record) { v.o.Records.NoteLogo(ctx, repo, rec) })
}

// Pushed hears of a manifest that was pushed by another door, with its content: if it is that of a pack, its archive is looked into.
func (v *View) Pushed(repo reference.Repository, layers []digest.Digest) {
	if _, _, pack := repo.Pack(); pack && len(layers) == 1 {
		v.lookInto(repo, layers[0])
	}
}
