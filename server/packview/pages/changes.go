package pages

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/manifest"
	"packhouse/server/packview"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// diffView is what changed since another version.
type diffView struct {
	packs.Diff
	From     string // tag or digest of the other version; empty: there is none
	Action   string // URL of the form that selects another one
	Base     string // in the query of the form; empty: the default
	Sections []diffSection
}

type diffSection struct {
	Name    string
	Changes []packs.Change
}

// showChanges adds what changed from the version of ?from=, by default the next lower one.
func (p *Pages) showChanges(r *http.Request, req route.Request, d *packPage) error {
	d.Diff.Action = p.o.Prefix + "/packs/" + req.Pack + "/" + d.Ref + "/changes"
	if req.Base != p.o.Packs {
		d.Diff.Base = req.Base
	}
	before := req
	before.Tag, before.Digest = req.Before.Tag, req.Before.Digest
	if before.Tag.IsZero() && before.Digest == "" {
		lower := d.lower()
		if lower == "" {
			return nil
		}
		var err error
		if before.Tag, err = reference.ParseTag(lower); err != nil {
			return err
		}
	}
	if _, err := p.o.View.Records().Heavy(r.Context()); err != nil { // until the page is rendered
		return err
	}
	old, err := p.o.View.Find(r.Context(), before)
	if err != nil {
		return err
	}
	d.Diff.From = old.Tag
	if old.Tag == "" {
		d.Diff.From = old.Digest.String()
	}
	from, err := p.diffInput(r.Context(), req, old)
	if err != nil {
		return err
	}
	to, err := p.diffInput(r.Context(), req, d.Version)
	if err != nil {
		return err
	}
	d.Diff.Diff = packs.Compare(from, to)
	d.Diff.Sections = []diffSection{
		{packs.MetadataFile, d.Diff.Metadata},
		{"Charts", d.Diff.Charts},
		{"Images", d.Diff.Images},
		{packs.ValuesFile, d.Diff.Values},
		{"Files, in bytes", d.Diff.Files},
	}
	return nil
}

// lower returns the tag below the one shown, or "".
func (d *packPage) lower() string {
	for i, o := range d.Others {
		if o.Current && i+1 < len(d.Others) {
			return d.Others[i+1].Tag
		}
	}
	return ""
}

// diffInput returns what is compared of a version; nothing if it is not a pack.
func (p *Pages) diffInput(ctx context.Context, req route.Request, v *packview.Version) (packs.DiffInput, error) {
	rec := v.Record
	if rec == nil {
		return packs.DiffInput{}, nil
	}
	values, err := p.o.View.Records().Document(ctx, req.Repository, rec, packs.ValuesFile)
	return packs.DiffInput{Metadata: []byte(rec.JSON), Values: values, Images: rec.Images, Files: rec.Files}, err
}

// attachedRow is an artifact that refers to a version: a signature, an SBOM.
type attachedRow struct {
	Type   string
	Digest digest.Digest
	Size   int64
}

// Limits of the artifacts that a page lists.
const (
	mostAttached      = 20
	mostAttachedBytes = 256 << 10 // of their records
)

// attached lists the artifacts whose subject is a manifest.
func (p *Pages) attached(ctx context.Context, req route.Request, d digest.Digest) ([]attachedRow, error) {
	var rows []attachedRow
	pages, ok := p.o.Store.(storage.ReferrerPages)
	if !ok {
		found, err := p.o.Store.Referrers(ctx, req.Repository, d)
		for _, f := range found[:min(len(found), mostAttached)] {
			rows = append(rows, attachedRow{attachedType(f.ArtifactType), f.Digest, f.Size})
		}
		return rows, err
	}
	found, _, err := pages.ReferrersAfter(ctx, req.Repository, d, "", mostAttached, mostAttachedBytes)
	if errors.Is(err, storage.ErrPageTooSmall) {
		return nil, nil
	}
	for _, f := range found {
		var described manifest.Descriptor
		if json.Unmarshal(f.Content, &described) == nil {
			rows = append(rows, attachedRow{attachedType(f.ArtifactType), f.Digest, described.Size})
		}
	}
	return rows, err
}

// attachedType names the usual types of attached artifacts.
func attachedType(mediaType string) string {
	for _, known := range [][2]string{
		{"cosign", "Cosign signature"},
		{"notary", "Notation signature"},
		{"sigstore", "Sigstore bundle"},
		{"spdx", "SBOM (SPDX)"},
		{"cyclonedx", "SBOM (CycloneDX)"},
		{"in-toto", "attestation (in-toto)"},
	} {
		if strings.Contains(mediaType, known[0]) {
			return known[1]
		}
	}
	return packs.Printable(mediaType)
}
