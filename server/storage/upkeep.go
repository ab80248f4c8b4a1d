package storage

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// Upkeep maintains and measures a store. Every method may run while the store serves; calls that
// must not overlap wait.
type Upkeep interface {
	// Collect removes what no live manifest references and was not touched within the window. It
	// calls report (may be nil) for every blob and manifest considered, with the reason why it is
	// kept or removed, and when it may be removed.
	Collect(ctx context.Context, o CollectOptions, report func(Verdict)) (CollectReport, error)
	// PurgeUploads drops upload sessions older than age, including those of CNCF distribution.
	PurgeUploads(ctx context.Context, age time.Duration, dryRun bool) (PurgeReport, error)
	// Scrub reads everything and compares it with its digest. Damaged blobs are quarantined,
	// damaged manifests only reported.
	Scrub(ctx context.Context, o ScrubOptions, report func(Damage)) (ScrubReport, error)
	// Usage measures what each repository stores.
	Usage(ctx context.Context) (Usage, error)
	// Reindex rebuilds all derived records: repositories, tags, referrers.
	Reindex(ctx context.Context) (ReindexReport, error)
	// Space returns the free space of the store's file system.
	Space(ctx context.Context) (Space, error)
}

// CollectOptions configures a garbage collection.
type CollectOptions struct {
	DryRun   bool
	Window   time.Duration // content touched within it is kept
	Untagged time.Duration // age at which a manifest without a tag, parent or subject is removed; 0: never
}

// Verdict is the decision of garbage collection about one object.
type Verdict struct {
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"`
	Kind       string        `json:"kind"` // "blob" or "manifest"
	Repository string        `json:"repository,omitempty"`
	Removed    bool          `json:"removed"`        // or would be, in a dry run
	Reason     string        `json:"reason"`         // one sentence
	After      time.Time     `json:"after,omitzero"` // earliest removal, if only its age keeps it
}

// CollectReport summarizes a garbage collection.
type CollectReport struct {
	DryRun           bool     `json:"dryRun"`
	BlobsKept        int      `json:"blobsKept"`
	BlobsRemoved     int      `json:"blobsRemoved"`
	ManifestsRemoved int      `json:"manifestsRemoved"`
	LinksRemoved     int      `json:"linksRemoved"`
	BytesFreed       int64    `json:"bytesFreed"`
	Problems         []string `json:"problems,omitempty"` // invalid content found in the store, left unchanged
	Skipped          string   `json:"skipped,omitempty"`  // why nothing was removed, if so
}

// PurgeReport summarizes a purge of uploads.
type PurgeReport struct {
	DryRun  bool  `json:"dryRun"`
	Removed int   `json:"removed"`
	Kept    int   `json:"kept"`
	Bytes   int64 `json:"bytes"`
}

// ScrubOptions configures a scrub.
type ScrubOptions struct {
	Rate int64 // bytes per second; 0: unlimited
}

// Damage is content that does not match its digest, or an invalid link.
type Damage struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"` // "blob", "manifest" or "link"
	Path         string        `json:"path,omitempty"`
	What         string        `json:"what"`                   // one sentence
	Quarantined  string        `json:"quarantined,omitempty"`  // its path in quarantine
	Repositories []string      `json:"repositories,omitempty"` // repositories that link to it
}

// ScrubReport summarizes a scrub.
type ScrubReport struct {
	Blobs     int      `json:"blobs"`
	Manifests int      `json:"manifests"`
	Bytes     int64    `json:"bytes"`
	Damaged   []Damage `json:"damaged"`
}

// Usage is what the store and each repository contain. Bytes are those of the content, not of disk
// blocks.
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

// RepositoryUsage is the usage of one repository.
type RepositoryUsage struct {
	Name      string `json:"name"`
	Tags      int    `json:"tags"`
	Manifests int    `json:"manifests"`
	Blobs     int    `json:"blobs"`
	Bytes     int64  `json:"bytes"`  // of everything it links to
	Unique    int64  `json:"unique"` // of what no other repository links to
}

// ReindexReport summarizes a reindexing.
type ReindexReport struct {
	Repositories int `json:"repositories"`
	Tags         int `json:"tags"`
	Referrers    int `json:"referrers"`
}

// Space is the free space of a file system. TotalBytes 0 means unknown.
type Space struct {
	FreeBytes  int64 `json:"freeBytes"`
	TotalBytes int64 `json:"totalBytes"`
	FreeInodes int64 `json:"freeInodes"`
}
