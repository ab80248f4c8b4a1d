// Package storage is a content-addressed store of blobs, manifests and tags, in the layout of CNCF
// distribution.
//
// Blobs are stored once, by digest. A repository links to its blobs, and the link grants access:
// knowing a digest is not enough. The drivers are separate packages: filesystem (and inmemory, the
// same driver on a disk in memory) and s3.
//
// Every driver guarantees:
//
//   - A method that returns nil for a change has made it durable (P1).
//   - Bytes are verified against their digest when written and when first read; damaged content is
//     never served completely (P2).
//   - Garbage collection runs concurrently with everything else and never removes what is referenced
//     or was touched within the window (P3).
//   - Writing the intact bytes again restores a damaged or missing blob (P5).
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
)

// Errors a caller matches with errors.Is.
var (
	ErrRepositoryUnknown = errors.New("repository unknown")
	ErrBlobUnknown       = errors.New("blob unknown")
	ErrBlobDamaged       = errors.New("blob damaged") // quarantined; also matches ErrBlobUnknown
	ErrManifestUnknown   = errors.New("manifest unknown")
	ErrTagUnknown        = errors.New("tag unknown")
	ErrUploadUnknown     = errors.New("upload unknown")
	ErrReadOnly          = errors.New("storage is read-only")      // by configuration
	ErrUnwritable        = errors.New("storage cannot be written") // the file system is read-only or denies access
	ErrTooManyUploads    = errors.New("too many uploads")
	ErrFull              = errors.New("storage is full") // no space or no inodes
	ErrBusy              = errors.New("content is being collected, try again shortly")
	ErrUnavailable       = errors.New("storage does not answer") // temporarily: retrying later may help
	ErrFailing           = errors.New("storage device fails")    // acknowledged content is safe, but cannot be written to its place
)

// DigestError reports that bytes do not have the announced digest.
type DigestError struct{ Want, Got digest.Digest }

// Error implements error.
func (e *DigestError) Error() string { return fmt.Sprintf("digest is %s, not %s", e.Got, e.Want) }

// SizeError reports that a body was shorter or longer than announced. Sizes are in bytes.
type SizeError struct{ Want, Got int64 }

// Error implements error.
func (e *SizeError) Error() string { return fmt.Sprintf("size is %d, not %d", e.Got, e.Want) }

// OffsetError reports that a chunk does not start at the current offset of the upload.
type OffsetError struct {
	Upload Upload
	Want   int64 // the offset the client sent
}

// Error implements error.
func (e *OffsetError) Error() string {
	return fmt.Sprintf("upload has %d bytes, not %d", e.Upload.Offset, e.Want)
}

// MissingError lists what a manifest refers to but the repository does not contain.
type MissingError struct{ References []manifest.Reference }

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d references are not in the repository", len(e.References))
}

// Store is a storage driver opened on one location. All methods are safe for concurrent use.
type Store interface {
	Blobs
	Uploads
	Manifests
	Listings
	Upkeep

	// Health reports in constant time whether the store is writable: it returns nil, ErrFull,
	// ErrReadOnly or the failure of the last probe.
	Health(ctx context.Context) error
	// Close waits for changes in progress and releases ownership of the location.
	Close() error
}

// Blobs reads and removes blobs of a repository.
type Blobs interface {
	// StatBlob returns the size of a blob linked in repo. With touch, it also refreshes the link's
	// time, so that garbage collection keeps the blob for a window; set it if the caller may push
	// and may skip a push because of the answer. It returns ErrBlobUnknown if link or data is
	// missing or the size is wrong.
	StatBlob(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (int64, error)
	// OpenBlob opens a blob linked in repo for reading.
	OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (Blob, error)
	// MountBlob links blob d in repository to if one of candidates links to it. The caller has checked
	// that the user may read the candidates. It returns ErrBlobUnknown if none of them links to d.
	MountBlob(ctx context.Context, to reference.Repository, candidates []reference.Repository, d digest.Digest) error
	// DeleteBlob removes the link; garbage collection removes the data. Unless force is set, it
	// returns a *NeededError if a tag of repo points to a manifest that needs the blob, directly or
	// through an index.
	DeleteBlob(ctx context.Context, repo reference.Repository, d digest.Digest, force bool) error
	// DiscardData removes the data of a deleted blob or manifest without waiting for garbage
	// collection. The caller guarantees that no other client has the bytes, so that no other
	// repository links to them. The filesystem driver verifies that under the digest's lock and
	// keeps the data if a repository links to it; the s3 driver cannot. Missing data is not an
	// error.
	DiscardData(ctx context.Context, d digest.Digest) error
}

// Blob is an open blob.
type Blob interface {
	// Content returns the content for http.ServeContent: an *os.File if it is verified, so that the
	// kernel can send it directly, else a reader that hashes along the way, withholds the end, and
	// fails instead of returning damaged content completely.
	Content() io.ReadSeeker
	Size() int64
	ModTime() time.Time
	Close() error
}

// Checker is an optional interface of a Blob's Content. Check verifies the content, if that is
// fast, before a part of it is served. It need not be called before reading the whole.
type Checker interface{ Check() error }

// Upload is the state of one upload session.
type Upload struct {
	ID        string // 128 random bits, safe in paths
	Offset    int64  // bytes received
	StartedAt time.Time
}

// Owner identifies the owner of an upload session. No other user or repository can access it.
type Owner struct {
	Repository reference.Repository
	User       string
}

// Uploads stores blobs. Bytes are hashed once, while they are written. A size of -1 means unknown.
type Uploads interface {
	// PutBlob stores the content of r as d and links it in the owner's repository.
	PutBlob(ctx context.Context, o Owner, d digest.Digest, r io.Reader, size int64) error
	// StartUpload opens a session that hashes with alg.
	StartUpload(ctx context.Context, o Owner, alg digest.Algorithm) (Upload, error)
	// StatUpload returns the state of a session.
	StatUpload(ctx context.Context, o Owner, id string) (Upload, error)
	// AppendUpload adds a chunk at offset at, or at the end if at is -1. Bytes received before r
	// failed are kept.
	AppendUpload(ctx context.Context, o Owner, id string, at int64, r io.Reader, size int64) (Upload, error)
	// FinishUpload adds a last chunk (r may be nil), verifies the digest, makes the blob durable
	// and links it. If the digest uses another algorithm than the session, the bytes are hashed
	// again.
	FinishUpload(ctx context.Context, o Owner, id string, at int64, r io.Reader, size int64, d digest.Digest) error
	// CancelUpload drops a session.
	CancelUpload(ctx context.Context, o Owner, id string) error
}

// Put is a manifest to be stored.
type Put struct {
	Repository reference.Repository
	Digest     digest.Digest // of Content; already verified by the caller
	Content    []byte
	Manifest   *manifest.Manifest // parsed Content
	Tags       []reference.Tag    // tags to move to it; none: push by digest only
	Sparse     bool               // blobs that the manifest refers to may be missing
	// Expect is called under the lock of each tag, before anything is written, with the digest that
	// the tag points to: "" if the tag does not exist. An error rejects the whole Put and is returned
	// unchanged. Nil: no precondition.
	Expect func(tag reference.Tag, now digest.Digest) error
	// MayOverwrite is called under the tag's lock before a tag that points elsewhere is moved. An
	// error rejects the whole Put and is returned unchanged. Nil allows all moves.
	MayOverwrite func(tag reference.Tag, old digest.Digest) error
}

// TagNames returns the names of the tags without duplicates, in the order in which their locks are
// acquired.
func (p Put) TagNames() []string {
	names := make([]string, 0, len(p.Tags))
	for _, t := range p.Tags {
		names = append(names, t.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Allows returns the error of Expect or MayOverwrite for a tag that points to now, or nil.
func (p Put) Allows(tag string, now digest.Digest) error {
	i := slices.IndexFunc(p.Tags, func(t reference.Tag) bool { return t.String() == tag })
	if p.Expect != nil {
		if err := p.Expect(p.Tags[i], now); err != nil {
			return err
		}
	}
	if p.MayOverwrite != nil && now != "" && now != p.Digest {
		return p.MayOverwrite(p.Tags[i], now)
	}
	return nil
}

// Stored is a stored manifest.
type Stored struct {
	Digest    digest.Digest
	MediaType string
	Content   []byte // must not be modified
	CreatedAt time.Time
}

// Manifests reads, writes and removes manifests and tags.
type Manifests interface {
	// PutManifest stores a manifest and then moves its tags, after checking under locks that
	// everything it refers to exists (*MissingError). It touches what the manifest refers to.
	PutManifest(ctx context.Context, p Put) error
	// GetManifest returns a manifest by digest. With touch its revision link is refreshed.
	GetManifest(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (Stored, error)
	// ResolveTag returns the digest that a tag points to, or ErrTagUnknown.
	ResolveTag(ctx context.Context, repo reference.Repository, tag reference.Tag) (digest.Digest, error)
	// DeleteTag removes a tag but keeps the manifest.
	DeleteTag(ctx context.Context, repo reference.Repository, tag reference.Tag) error
	// DeleteManifest removes a manifest and the tags that point to it. Unless force is set, it
	// returns a *NeededError if a tag of repo points to an index that contains the manifest,
	// directly or through another index.
	DeleteManifest(ctx context.Context, repo reference.Repository, d digest.Digest, force bool) error
}

// Listings lists names in byte order. A page starts after last and has at most n entries; more
// reports whether others follow.
type Listings interface {
	// Repositories lists the repositories that contain a manifest or a blob and that visible (nil:
	// all) accepts. The filter applies before the page is cut.
	Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error)
	// Tags lists the tags of a repository. It returns ErrRepositoryUnknown if the repository does
	// not exist.
	Tags(ctx context.Context, repo reference.Repository, last string, n int) (page []string, more bool, err error)
	// Referrers lists the manifests whose subject is d, even if d does not exist
	// (distribution-spec, "Listing Referrers").
	Referrers(ctx context.Context, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error)
}
