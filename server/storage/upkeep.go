package storage

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// Upkeep keeps the place small, sound and known. Every method may run while the store serves; what only one may do at a time waits.
type Upkeep interface {
	// Collect removes what no live manifest references and nobody touched within the window. report (may be nil) hears of every blob and
	// manifest that was considered, why it stays or goes, and when it may.
	Collect(ctx context.Context, o CollectOptions, report func(Verdict)) (CollectReport, error)
	// PurgeUploads drops upload sessions older than age, CNCF distribution's included.
	PurgeUploads(ctx context.Context, age time.Duration, dryRun bool) (PurgeReport, error)
	// Scrub reads everything and compares it with its digest. Damaged blobs are set aside, damaged manifests named.
	Scrub(ctx context.Context, o ScrubOptions, report func(Damage)) (ScrubReport, error)
	// Usage measures what is stored for whom.
	Usage(ctx context.Context) (Usage, error)
	// Reindex rebuilds every derived record: repositories, tags, referrers.
	Reindex(ctx context.Context) (ReindexReport, error)
	// Space returns what is left where the store lives.
	Space(ctx context.Context) (Space, error)
}

// CollectOptions says what may go.
type CollectOptions struct {
	DryRun   bool
	Window   time.Duration // what was touched within it stays
	Untagged time.Duration // age at which a manifest without a tag, parent or subject goes; 0: never
}

// Verdict is what collection thinks of one object.
type Verdict struct {
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"`
	Kind       string        `json:"kind"` // "blob" or "manifest"
	Repository string        `json:"repository,omitempty"`
	Removed    bool          `json:"removed"`        // or would be, in a dry run
	Reason     string        `json:"reason"`         // one sentence
	After      time.Time     `json:"after,omitzero"` // when it may go at the earliest, where only time keeps it
}

// CollectReport sums up a collection.
type CollectReport struct {
	DryRun           bool     `json:"dryRun"`
	BlobsKept        int      `json:"blobsKept"`
	BlobsRemoved     int      `json:"blobsRemoved"`
	ManifestsRemoved int      `json:"manifestsRemoved"`
	LinksRemoved     int      `json:"linksRemoved"`
	BytesFreed       int64    `json:"bytesFreed"`
	Problems         []string `json:"problems,omitempty"` // what was odd in the store and is left alone
	Skipped          string   `json:"skipped,omitempty"`  // why nothing was swept, where so
}

// PurgeReport sums up a purge of uploads.
type PurgeReport struct {
	DryRun  bool  `json:"dryRun"`
	Removed int   `json:"removed"`
	Kept    int   `json:"kept"`
	Bytes   int64 `json:"bytes"`
}

// ScrubOptions says how hard to scrub.
type ScrubOptions struct {
	Rate int64 // bytes a second; 0: as fast as it goes
}

// Damage is something whose bytes are not what they should be.
type Damage struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"` // "blob", "manifest" or "link"
	Path         string        `json:"path,omitempty"`
	What         string        `json:"what"`                   // one sentence
	Quarantined  string        `json:"quarantined,omitempty"`  // where it lies now
	Repositories []string      `json:"repositories,omitempty"` // who links to it
}

// ScrubReport sums up a scrub.
type ScrubReport struct {
	Blobs     int      `json:"blobs"`
	Manifests int      `json:"manifests"`
	Bytes     int64    `json:"bytes"`
	Damaged   []Damage `json:"damaged"`
}

// Usage is what is stored for whom. Bytes are those of the content, not of the disk's blocks.
type Usage struct {
	Repositories []RepositoryUsage `json:"repositories"`
	Blobs        int               `json:"blobs"`
	Bytes        int64             `json:"bytes"`
	Unreferenced int64             `json:"unreferencedBytes"`
	Uploads      int               `json:"uploads"`
	UploadBytes  int64             `json:"uploadBytes"`
	Quarantined  int               `json:"quarantined"`
	Space        Space             `json:"space"`
}

// RepositoryUsage is the part of one repository.
type RepositoryUsage struct {
	Name      string `json:"name"`
	Tags      int    `json:"tags"`
	Manifests int    `json:"manifests"`
	Blobs     int    `json:"blobs"`
	Bytes     int64  `json:"bytes"`  // all it links to
	Unique    int64  `json:"unique"` // what no other repository links to
}

// ReindexReport sums up a reindexing.
type ReindexReport struct {
	Repositories int `json:"repositories"`
	Tags         int `json:"tags"`
	Referrers    int `json:"referrers"`
}

// Space is what a file system has left. Total 0 means that it is not known.
type Space struct {
	FreeBytes  int64 `json:"freeBytes"`
	TotalBytes int64 `json:"totalBytes"`
	FreeInodes int64 `json:"freeInodes"`
}
