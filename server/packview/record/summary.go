package record

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/reference"
)

// mostImages is how many bytes of image references a summary contains. Real packs have a few
// kilobytes.
const mostImages = 64 << 10

// Summary is the part of a record that listings show and search. It has a few kilobytes.
type Summary struct {
	Archive     digest.Digest
	Reason      string // why the archive is not a pack that can be installed; empty if it is one
	HasMetadata bool   // pack.json is valid; otherwise the following are empty
	Name        string
	Version     string
	DisplayName string
	Layer       string
	AddonType   string
	CloudTypes  []string
	Description string
	Lifecycle   packs.Lifecycle
	Images      string // references, a line each, up to mostImages
	Logo        string // sha256 of the logo; empty if there is none
}

// Summary returns the summary of a record.
func (r *Record) Summary() *Summary {
	s := &Summary{Archive: r.Archive, Reason: r.Reason()}
	if m := r.Metadata; m != nil {
		s.HasMetadata = true
		s.Name, s.Version, s.DisplayName, s.Layer, s.AddonType = m.Name, m.Version, m.DisplayName, m.Layer, m.AddonType
		s.CloudTypes, s.Lifecycle, s.Description = m.CloudTypes, m.Lifecycle(), m.Annotations["description"]
	}
	var images strings.Builder
	for _, i := range r.Images {
		if images.Len()+len(i.Reference) < mostImages {
			images.WriteString(i.Reference + "\n")
		}
	}
	s.Images = images.String()
	if logo, ok := r.Logo(); ok {
		s.Logo = logo.SHA256
	}
	return s
}

func (s *Summary) size() int64 {
	size := 256 + len(s.AddonType) + len(s.Description) + len(s.Images) + len(s.Lifecycle.EOL) + len(s.Lifecycle.System)
	for _, c := range s.CloudTypes {
		size += len(c) + 16
	}
	return int64(size + len(s.Reason) + len(s.Name) + len(s.Version) + len(s.DisplayName) + len(s.Layer))
}

// Summary returns the summary of an archive's record. It returns nil if there is no record, which
// it does not create, or if the repository does not have the archive.
func (r *Records) Summary(ctx context.Context, repo reference.Repository, archive digest.Digest) *Summary {
	if _, err := r.o.Blobs.StatBlob(ctx, repo, archive, false); err != nil {
		return nil
	}
	key := "summary/" + string(archive)
	if s, ok := r.memory.get(key).(*Summary); ok {
		return s
	}
	rec := r.remembered(archive)
	if rec == nil {
		var end func()
		rec, end = r.read(context.WithValue(ctx, leaseKey{}, nil), archive) // without the lease: the record is used only here
		defer end()
	}
	if rec == nil {
		return nil
	}
	s := rec.Summary()
	r.memory.put(key, s, s.size())
	return s
}
