package pages

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

const (
	repositoriesOnPage = 200
	tagsOnPage         = 100
)

type repositoryList struct {
	Rows   []repositoryRow
	Search string
	Next   string
}

type repositoryRow struct{ Name, URL, Note string }

// listRepositories lists the repositories that are not packs below the default base path.
func (p *Pages) listRepositories(r *http.Request, grant auth.Grant) (*page, error) {
	req := grant.Request
	search := strings.ToLower(req.Search)
	names, more, err := p.o.Store.Repositories(r.Context(), req.Page.Last, repositoriesOnPage, func(repository reference.Repository) bool {
		base, _, pack := repository.Pack()
		return (!pack || base != p.o.Packs) && strings.Contains(repository.String(), search) && (grant.Visible == nil || grant.Visible(repository))
	})
	if err != nil {
		return nil, err
	}
	list := repositoryList{Search: req.Search}
	for _, name := range names {
		row := repositoryRow{Name: name, URL: p.o.Prefix + "/repositories/" + name}
		repository, err := reference.ParseRepository(name)
		if err != nil {
			return nil, err
		}
		if base, pack, ok := repository.Pack(); ok {
			other := req
			other.Base, other.Pack = base, pack
			row.URL, row.Note = p.packAddress(other, "", ""), "pack"
		}
		list.Rows = append(list.Rows, row)
	}
	if more && len(names) > 0 {
		list.Next = p.address(req, "/repositories", "q", req.Search, "last", names[len(names)-1])
	}
	return &page{template: "repositories", Title: "Repositories", Here: "repositories", Data: list}, nil
}

type repositoryPage struct {
	Name string
	Tags []tagRow
	Pull string
	Pack string // URL of the page of the pack, if it is one
	Next string
}

type tagRow struct {
	Name      string
	Digest    digest.Digest
	MediaType string
	Kind      string
	Size      int64
	Created   time.Time
	Image     bool // docker pulls it
}

// showRepository lists the tags of a repository.
func (p *Pages) showRepository(r *http.Request, grant auth.Grant) (*page, error) {
	req := grant.Request
	tags, more, err := p.o.Store.Tags(r.Context(), req.Repository, req.Page.Last, tagsOnPage)
	if err != nil {
		return nil, err
	}
	d := repositoryPage{Name: req.Repository.String(), Tags: make([]tagRow, len(tags))}
	if base, pack, ok := req.Repository.Pack(); ok {
		other := req
		other.Base, other.Pack = base, pack
		d.Pack = p.packAddress(other, "", "")
	}
	if more && len(tags) > 0 {
		d.Next = p.address(req, "/repositories/"+d.Name, "last", tags[len(tags)-1])
	}
	group, ctx := errgroup.WithContext(r.Context())
	group.SetLimit(8)
	for i, name := range tags {
		group.Go(func() error {
			tag, err := reference.ParseTag(name)
			if err != nil {
				return err
			}
			at, err := p.o.Store.ResolveTag(ctx, req.Repository, tag)
			if err != nil {
				return gone(err)
			}
			stored, err := p.o.Store.GetManifest(ctx, req.Repository, at, false)
			if err != nil {
				return gone(err)
			}
			d.Tags[i], err = p.describeManifest(ctx, req, name, stored)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	d.Tags = slices.DeleteFunc(d.Tags, func(t tagRow) bool { return t.Name == "" })
	if len(d.Tags) > 0 {
		d.Pull = p.pullLine(r, req, d.Tags[len(d.Tags)-1])
	}
	return &page{template: "repository", Title: d.Name, Here: "repositories", Data: d}, nil
}

// gone ignores errors for tags and manifests that were deleted meanwhile.
func gone(err error) error {
	if errors.Is(err, storage.ErrTagUnknown) || errors.Is(err, storage.ErrManifestUnknown) {
		return nil
	}
	return err
}

// Kinds of artifacts.
const (
	kindChart = "Helm chart"
	kindImage = "container image"
)

// mostChildren is the number of manifests of an index whose sizes are added up.
const mostChildren = 16

// describeManifest describes an artifact for people.
func (p *Pages) describeManifest(
	ctx context.Context, req route.Request, tag string, stored storage.Stored,
) (tagRow, error) {
	row := tagRow{Name: tag, Digest: stored.Digest, MediaType: stored.MediaType, Created: stored.CreatedAt, Kind: "artifact"}
	m, err := manifest.Parse(stored.Content)
	if err != nil {
		return row, nil
	}
	row.Size = sizeOf(m)
	config := ""
	if m.Config != nil {
		config = m.Config.MediaType
	}
	switch {
	case len(m.Manifests) > 0:
		row.Kind, row.Image = "index of "+plural(len(m.Manifests), "manifest", "manifests"), m.Manifests[0].ArtifactType == ""
		for _, child := range m.Manifests[:min(len(m.Manifests), mostChildren)] {
			stored, err := p.o.Store.GetManifest(ctx, req.Repository, child.Digest, false)
			if err != nil {
				if gone(err) != nil {
					return row, err
				}
				continue
			}
			if m, err := manifest.Parse(stored.Content); err == nil {
				row.Size += sizeOf(m)
			}
		}
	case strings.Contains(config, "helm"):
		row.Kind = kindChart
	case strings.Contains(config, "image.config") || strings.Contains(config, "container.image"):
		row.Kind, row.Image = kindImage, true
	case m.ArtifactType != "":
		row.Kind = packs.Printable(m.ArtifactType)
	}
	return row, nil
}

// sizeOf returns the size of the config and layers of a manifest in bytes.
func sizeOf(m *manifest.Manifest) (size int64) {
	if m.Config != nil {
		size = m.Config.Size
	}
	for _, l := range m.Layers {
		size += l.Size
	}
	return size
}

// pullLine returns the command that pulls an artifact.
func (p *Pages) pullLine(r *http.Request, req route.Request, row tagRow) string {
	scheme, host := p.server(r)
	plain := ""
	if scheme == "http" {
		plain = " --plain-http"
	}
	name := host + "/" + req.Repository.String()
	switch {
	case row.Image:
		return "docker pull " + name + ":" + row.Name
	case row.Kind == kindChart:
		return "helm pull oci://" + name + " --version " + strings.ReplaceAll(row.Name, "_", "+") + plain
	}
	return "oras pull " + name + ":" + row.Name + plain
}
