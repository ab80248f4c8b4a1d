package record

import (
	"context"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Summary is the part of a record that listings show. It has at most a few kilobytes.
type Summary struct {
	Archive     digest.Digest
	Reason      string // why the archive is not a pack that can be installed; empty if it is one
	HasMetadata bool   // pack.json is valid; otherwise the following are empty
	Name        string
	Title       string // of the archive, computed from pack.json
	DisplayName string
	Layer       string
	AddonType   string
	Logo        string // sha256 of the logo; empty if there is none
}

// Summary returns the summary of a record.
func (r *Record) Summary() *Summary {
	s := &Summary{Archive: r.Archive, Reason: r.Reason()}
	if m := r.Metadata; m != nil {
		s.HasMetadata = true
		s.Name, s.Title, s.DisplayName, s.Layer, s.AddonType = m.Name, m.Title(), m.DisplayName, m.Layer, m.AddonType
	}
	if logo, ok := r.Logo(); ok {
		s.Logo = logo.SHA256
	}
	return s
}

func (s *Summary) size() int64 {
	return int64(len(s.Reason) + len(s.Name) + len(s.Title) + len(s.DisplayName) + len(s.Layer) + len(s.AddonType) + 256)
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
