package pages

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"unicode/utf8"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/route"
)

// packPage is the page of one version.
type packPage struct {
	card

	Version  *packview.Version
	Metadata *packs.Metadata // nil if invalid
	Ref      string          // the tag of the version, otherwise its digest
	Asked    string          // the parent tag in the request, if any
	Group    string
	Tabs     []tab
	Section  string
	Download string
	Use      use
	Others   []other
	Hidden   int // number of other versions not listed

	README template.HTML
	Text   string // values, pack.json or a file
	Cut    bool   // it was truncated
	File   string // path of the file shown
	Image  string // URL of the file, if it is an image
	Raw    string // URL of its download
	Binary bool   // it is neither text nor an image
	Diff   diffView

	Attached []attachedRow
	Files    []fileRow
	Images   []packs.Image
	Uses     func(image string) string // URL of the packs that use an image
	More     int                       // number of files or images not listed
	Errors   int
}

type tab struct {
	Name, URL string
	Count     int
	Current   bool
}

// other is another version of the pack.
type other struct {
	Tag, URL string
	Current  bool
	Parents  []string
}

type fileRow struct {
	packs.File
	URL string // of the page that shows it
}

// Limits of what a page shows.
const (
	longestText = 256 << 10 // bytes of a file
	mostRows    = 2000      // files or images
	mostOthers  = 200       // other versions
	largeText   = 64 << 10  // bytes of a file above which requests take turns
)

// showPack shows one version of a pack.
func (p *Pages) showPack(r *http.Request, grant auth.Grant) (*page, error) {
	ctx, req := r.Context(), grant.Request
	v, err := p.o.View.Find(ctx, req)
	if err != nil {
		return nil, err
	}
	d := &packPage{card: p.describe(req, v), Version: v, Section: req.Section, Ref: v.Tag}
	d.Name = req.Pack
	d.Uses = func(image string) string {
		return p.address(route.Request{Action: route.PagePacks, Base: req.Base}, "/packs", "q", "image:"+image)
	}
	if d.Ref == "" {
		d.Ref = v.Digest.String()
	}
	if asked := req.Tag.String(); asked != "" && asked != v.Tag {
		d.Asked = asked
	}
	d.Download = p.address(req, "/v1/"+req.Pack+"/archives/"+d.Ref)
	d.Use = p.useOf(r, req, d.Ref)
	if err := p.otherVersions(r, req, d); err != nil {
		return nil, err
	}
	if rec := v.Record; rec != nil {
		p.o.View.Records().NoteLogo(ctx, req.Repository, v.Summary, v.Digest, false)
		d.Metadata = rec.Metadata
		for _, problem := range rec.Problems {
			if problem.Severity == finding.Refused {
				d.Errors++
			}
		}
		if err := p.fill(r, req, d); err != nil {
			return nil, err
		}
	}
	if d.Attached, err = p.attached(ctx, req, v.Digest); err != nil {
		return nil, err
	}
	p.addTabs(req, d)
	return &page{template: "pack", Title: d.Title + " " + v.Version, Here: "packs", Data: d}, nil
}

// otherVersions lists the tags of the pack, highest first.
func (p *Pages) otherVersions(r *http.Request, req route.Request, d *packPage) error {
	tags, err := p.o.View.Tags(r.Context(), req.Repository)
	if err != nil {
		return err
	}
	all := slices.Clone(tags)
	slices.SortFunc(tags, func(a, b string) int { return packs.CompareTags(b, a) })
	tags = tags[:min(len(tags), mostOthers)]
	d.Hidden = len(all) - len(tags)
	parents := packs.ParentsOf(all, tags)
	for _, tag := range tags {
		section := req.Section
		if section == "file" || section == "changes" { // what it shows may be missing there
			section = ""
		}
		d.Others = append(d.Others, other{tag, p.packAddress(req, tag, section), tag == d.Version.Tag, parents[tag]})
	}
	return nil
}

// fill adds the content of the section.
func (p *Pages) fill(r *http.Request, req route.Request, d *packPage) error {
	rec := d.Version.Record
	document := map[string]string{"": packs.ReadmeFile, "values": packs.ValuesFile}[req.Section]
	switch req.Section {
	case "", "values":
		if kept, ok := rec.Document(document); ok && kept.Size > largeText {
			if _, err := p.o.View.Records().Heavy(r.Context()); err != nil { // until the page is rendered
				return err
			}
		}
		content, err := p.o.View.Records().Document(r.Context(), req.Repository, rec, document)
		if err != nil {
			return err
		}
		content, d.Cut = cut(content)
		if req.Section == "" {
			d.README = p.readme(req, rec, content)
		} else {
			d.Text = string(content)
		}
	case "metadata":
		text := rec.JSON
		if d.Errors == 0 {
			text = packs.IndentJSON(text)
		}
		content, short := cut([]byte(text))
		d.Text, d.Cut = string(content), short
	case "files":
		files := rec.Files[:min(len(rec.Files), mostRows)]
		d.More = len(rec.Files) - len(files)
		for _, f := range files {
			d.Files = append(d.Files, fileRow{f, p.viewAddress(req, d.Ref, f.Path)})
		}
	case "schema":
		return p.showFile(r, req, d, packs.SchemaFile)
	case "presets":
		return p.showFile(r, req, d, packs.PresetsFile)
	case "file":
		return p.showFile(r, req, d, req.File)
	case "changes":
		return p.showChanges(r, req, d)
	case "images":
		d.Images = rec.Images[:min(len(rec.Images), mostRows)]
		d.More = len(rec.Images) - len(d.Images)
	}
	return nil
}

// cut truncates a text to longestText at a character boundary and removes invalid characters.
func cut(content []byte) ([]byte, bool) {
	short := len(content) > longestText
	if short {
		content = content[:longestText]
		for i := len(content) - 1; i > len(content)-utf8.UTFMax; i-- {
			if utf8.RuneStart(content[i]) {
				content = content[:i]
				break
			}
		}
	}
	return bytes.ToValidUTF8(content, []byte("\uFFFD")), short
}

// addTabs adds tabs for the sections that have content.
func (p *Pages) addTabs(req route.Request, d *packPage) {
	rec := d.Version.Record
	if rec == nil {
		return
	}
	has := func(name string) bool {
		_, ok := rec.File(name)
		return ok
	}
	constraints := 0
	if m := rec.Metadata; m != nil {
		constraints = len(m.Constraints.Dependencies) + len(m.Constraints.Resources)
	}
	for _, t := range []struct {
		section, name string
		count         int
		shown         bool
	}{
		{"", "README", 0, true},
		{"values", "Values", 0, true},
		{"presets", "Presets", 0, has(packs.PresetsFile)},
		{"schema", "Schema", 0, has(packs.SchemaFile)},
		{"metadata", "pack.json", 0, true},
		{"files", "Files", len(rec.Files), true},
		{"constraints", "Constraints", constraints, constraints > 0},
		{"images", "Images", len(rec.Images), true},
		{"changes", "Changes", 0, len(d.Others)+d.Hidden > 1},
		{"problems", "Findings", len(rec.Problems), len(rec.Problems) > 0},
	} {
		current := t.section == req.Section || t.section == "files" && req.Section == "file"
		if t.shown || current {
			d.Tabs = append(d.Tabs, tab{t.name, p.packAddress(req, d.Ref, t.section), t.count, current})
		}
	}
}
