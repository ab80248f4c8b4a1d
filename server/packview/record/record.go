// Package record keeps what is known of packs' archives without opening them: files, metadata, images, findings, logo, README and values.
//
//	records := record.New(record.Options{Blobs: store, Derived: store})
//	defer records.Close()
//	rec, err := records.Get(ctx, repository, archive) // read, or made now: once for all who wait
//	readme, err := records.Document(ctx, repository, rec, packs.ReadmeFile)
//
// A record is derived from an archive and belongs to its digest and to the version of this package that made it, so it never grows stale; it
// can be deleted at any time and is made again. Archives are read as streams, within limits, and never unpacked to a disk.
//
// Knowing the digest of an archive gives nothing: every method wants a repository that links to it.
package record

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
)

// Extractor is the version of what makes records. A change to what a record holds is a new one; records of others are made again in the background.
const Extractor = 2

// documents are the files whose content is kept beside a record, with the end of the name that it has there.
var documents = map[string]string{packs.LogoFile: ".logo", packs.ReadmeFile: ".readme", packs.ValuesFile: ".values"}

// Record is what is known of one archive.
type Record struct {
	Extractor int             `json:"extractor"`
	Archive   digest.Digest   `json:"archive"`
	Refused   *packs.Problem  `json:"refused,omitempty"` // why the archive cannot be read; nothing else is known then
	Root      string          `json:"root,omitempty"`    // the folder of the archive that holds the pack
	Size      int64           `json:"size"`              // of all files, in bytes
	Files     []packs.File    `json:"files"`             // by path
	Images    []packs.Image   `json:"images"`
	Problems  []packs.Problem `json:"problems"`           // what lint finds, in the order in which people fix it
	JSON      string          `json:"packJson,omitempty"` // pack.json as it stands
	Documents []Document      `json:"documents"`

	Metadata *packs.Metadata `json:"-"` // JSON, parsed; nil where it cannot be

	size int64 // of the record as it is kept, in bytes
}

// Document is a file of a pack that is kept by itself.
type Document struct {
	Name      string `json:"name"` // as package packs calls it
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	MediaType string `json:"mediaType,omitempty"` // of a logo, as its bytes say
}

// Reason tells why the archive is no pack that could be installed; empty where it is one.
func (r *Record) Reason() string {
	if r.Refused != nil {
		return r.Refused.Error()
	}
	for _, p := range r.Problems {
		if p.Severity == packs.Error {
			return p.Error()
		}
	}
	return ""
}

// Document returns what is known of a kept file.
func (r *Record) Document(name string) (Document, bool) {
	for _, d := range r.Documents {
		if d.Name == name {
			return d, true
		}
	}
	return Document{}, false
}

// Logo returns the logo, where there is one that browsers may show.
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

// OnlyFile returns a record of an archive that knows one of its files only, for reading it.
func (r *Record) OnlyFile(f packs.File) *Record {
	return &Record{Extractor: r.Extractor, Archive: r.Archive, Root: strings.Clone(r.Root), Files: []packs.File{f}}
}

// fromContents makes a record of what was read, and of the documents that are kept beside it.
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

// parse reads a kept record, and refuses what is not one of that archive.
func parse(archive digest.Digest, content []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("read record of %s: %w", archive, err)
	}
	if r.Extractor != Extractor || r.Archive != archive {
		return nil, fmt.Errorf("read record of %s: it is one of %s by extractor %d", archive, r.Archive, r.Extractor)
	}
	if r.JSON != "" {
		r.Metadata, _ = packs.ParseMetadata([]byte(r.JSON)) // what is wrong with it stands in Problems
	}
	r.size = int64(len(content))
	return &r, nil
}

// name is where the record of an archive is kept, with the given end.
func name(archive digest.Digest, end string) string { return nameOf(Extractor, archive, end) }

// nameOf is name for the records of a version of the extractor.
func nameOf(extractor int, archive digest.Digest, end string) string {
	alg, hex, _ := strings.Cut(string(archive), ":")
	return fmt.Sprintf("%s%s/%s/%s%s", folder(extractor), alg, hex[:2], hex, end)
}

// folder is where records of a version of the extractor are kept.
func folder(extractor int) string { return strconv.Itoa(extractor) + "/" }
