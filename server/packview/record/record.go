// Package record stores what requests need of packs' archives, so that they need not open them:
// files, metadata, images, findings, logo, README and values.
//
//	records := record.New(record.Options{Blobs: store, Derived: store})
//	defer records.Close()
//	rec, err := records.Get(ctx, repository, archive) // loaded or created once for all waiting requests
//	readme, err := records.Document(ctx, repository, rec, packs.ReadmeFile)
//
// A record is identified by the digest of the archive and the version of the extractor, so it never
// becomes stale. It can be deleted at any time and is rebuilt when needed. Archives are read as
// streams, within limits, and never unpacked to a disk.
//
// The digest of an archive grants no access: methods require a repository that links to it.
package record

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/finding"
	"packhouse/packs"
)

// Extractor is the version of the code that creates records. Increment it when the content of
// records changes; records of other versions are then rebuilt in the background.
const Extractor = 3

// documents maps the files whose content is stored beside a record to the suffixes of their names
// there.
var documents = map[string]string{packs.LogoFile: ".logo", packs.ReadmeFile: ".readme", packs.ValuesFile: ".values"}

// Record describes one archive.
type Record struct {
	Extractor int            `json:"extractor"`
	Archive   digest.Digest  `json:"archive"`
	Refused   *finding.JSON  `json:"refused,omitempty"` // why the archive cannot be read; the following are then empty
	Root      string         `json:"root,omitempty"`    // the folder of the archive that contains the pack
	Size      int64          `json:"size"`              // of all files, in bytes
	Files     []packs.File   `json:"files"`             // sorted by path
	Images    []packs.Image  `json:"images"`
	Problems  packs.Findings `json:"problems"`           // findings of lint, in the order in which to fix them
	JSON      string         `json:"packJson,omitempty"` // pack.json, unchanged
	Documents []Document     `json:"documents"`

	Metadata *packs.Metadata `json:"-"` // parsed JSON; nil if it is invalid

	size int64 // of the stored record, in bytes
}

// Document is a file of a pack that is stored beside the record.
type Document struct {
	Name      string `json:"name"` // a constant of package packs
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	MediaType string `json:"mediaType,omitempty"` // of a logo, detected from its content
}

// Reason returns why the archive is not a pack that can be installed, or "" if it is one.
func (r *Record) Reason() string {
	if r.Refused != nil {
		return packs.Line(r.Refused.Finding())
	}
	for _, p := range r.Problems {
		if p.Severity == finding.Refused {
			return packs.Line(p)
		}
	}
	return ""
}

// Document returns the description of a stored file.
func (r *Record) Document(name string) (Document, bool) {
	for _, d := range r.Documents {
		if d.Name == name {
			return d, true
		}
	}
	return Document{}, false
}

// Logo returns the logo if the pack has one that browsers may show.
func (r *Record) Logo() (Document, bool) { return r.Document(packs.LogoFile) }

// File finds a file by its path.
func (r *Record) File(name string) (packs.File, bool) {
	name = path.Clean(name)
	for _, f := range r.Files {
		if f.Path == name {
			return f, true
		}
	}
	return packs.File{}, false
}

// FileOf finds a file by the sha256 of its content, in hexadecimal digits.
func (r *Record) FileOf(sha256 string) (packs.File, bool) {
	for _, f := range r.Files {
		if f.SHA256 == sha256 {
			return f, true
		}
	}
	return packs.File{}, false
}

// OnlyFile returns a record with a single file, which uses little memory while the file is sent.
func (r *Record) OnlyFile(f packs.File) *Record {
	return &Record{Extractor: r.Extractor, Archive: r.Archive, Root: strings.Clone(r.Root), Files: []packs.File{f}}
}

// fromContents returns the record of an archive, and the documents to store beside it.
func fromContents(archive digest.Digest, c *packs.Contents) (*Record, map[string][]byte) {
	r := &Record{
		Extractor: Extractor, Archive: archive, Root: c.Root, Size: c.Size, Files: c.Files, Images: c.Images, Problems: c.Lint(),
		JSON: string(c.Document(packs.MetadataFile)), Metadata: c.Metadata,
	}
	kept := map[string][]byte{}
	keep := func(name string, content []byte, mediaType string) {
		if content == nil {
			return
		}
		kept[name] = content
		r.Documents = append(r.Documents, Document{name, int64(len(content)), digest.FromBytes(content).Encoded(), mediaType})
	}
	logo, mediaType := c.Logo()
	keep(packs.LogoFile, logo, mediaType)
	keep(packs.ReadmeFile, c.Document(packs.ReadmeFile), "")
	keep(packs.ValuesFile, c.Document(packs.ValuesFile), "")
	return r, kept
}

// parse parses a stored record. It returns an error if the record is of another archive or
// extractor.
func parse(archive digest.Digest, content []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("read record of %s: %w", archive, err)
	}
	if r.Extractor != Extractor || r.Archive != archive {
		return nil, fmt.Errorf("read record of %s: it is one of %s by extractor %d", archive, r.Archive, r.Extractor)
	}
	if r.JSON != "" {
		r.Metadata, _ = packs.ParseMetadata([]byte(r.JSON)) // its problems are in Problems
	}
	r.size = int64(len(content))
	return &r, nil
}

// name returns the name of a stored object of an archive, with a suffix.
func name(archive digest.Digest, end string) string { return nameOf(Extractor, archive, end) }

// nameOf is like name, but for any version of the extractor.
func nameOf(extractor int, archive digest.Digest, end string) string {
	alg, hex, _ := strings.Cut(string(archive), ":")
	return fmt.Sprintf("%s%s/%s/%s%s", folder(extractor), alg, hex[:2], hex, end)
}

// folder returns the folder with the records of a version of the extractor.
func folder(extractor int) string { return strconv.Itoa(extractor) + "/" }
