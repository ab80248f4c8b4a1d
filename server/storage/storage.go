// Package storage is a content-addressed store of blobs, manifests and tags, in the layout of CNCF distribution.
//
// Blobs are kept once, by digest; a repository links to those that are its own, and the link is the authority: knowing a digest gives
// nothing. The engines are packages of their own: filesystem (and inmemory, the same engine over a disk that is memory) and s3.
//
// What every engine promises:
//
//   - A method that returns nil for a change has made it durable (P1).
//   - Bytes are checked against their digest when written and when first read; wrong ones are never handed out whole (P2).
//   - Collection runs beside everything else and never removes what is referenced or was touched within the window (P3).
//   - Writing the good bytes again heals a damaged or missing blob (P5).
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
	ErrBlobDamaged       = errors.New("blob damaged") // set aside; also matches ErrBlobUnknown
	ErrManifestUnknown   = errors.New("manifest unknown")
	ErrTagUnknown        = errors.New("tag unknown")
	ErrUploadUnknown     = errors.New("upload unknown")
	ErrReadOnly          = errors.New("storage is read-only")      // by configuration
	ErrUnwritable        = errors.New("storage cannot be written") // the file system is read-only or denies access
	ErrTooManyUploads    = errors.New("too many uploads")
	ErrFull              = errors.New("storage is full") // no space or no inodes
	ErrBusy              = errors.New("content is being collected, try again shortly")
	ErrUnavailable       = errors.New("storage does not answer") // at the moment: trying again later may help
	ErrFailing           = errors.New("storage device fails")    // acknowledged content is safe, but cannot be written to its place
)

// DigestError says that bytes do not have the digest they were announced with.
type DigestError struct{ Want, Got digest.Digest }

// Error implements error.
func (e *DigestError) Error() string { return fmt.Sprintf("digest is %s, not %s", e.Got, e.Want) }

// SizeError says that a body was shorter or longer than announced. Sizes are in bytes.
type SizeError struct{ Want, Got int64 }

// Error implements error.
func (e *SizeError) Error() string { return fmt.Sprintf("size is %d, not %d", e.Got, e.Want) }

// OffsetError says that a chunk does not start where the upload stands.
type OffsetError struct {
	Upload Upload
	Want   int64 // the offset the client sent
}

// Error implements error.
func (e *OffsetError) Error() string {
	return fmt.Sprintf("upload stands at %d, not at %d", e.Upload.Offset, e.Want)
}

// MissingError lists what a manifest refers to and the repository does not hold.
type MissingError struct{ References []manifest.Reference }

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d references are not in the repository", len(e.References))
}

// Store is one engine over one place. All methods may be called at once from many goroutines.
type Store interface {
	Blobs
	Uploads
	Manifests
	Listings
	Upkeep

	// Health tells in constant time whether the store can be written: nil, ErrFull, ErrReadOnly or the failure of the last probe.
	Health(ctx context.Context) error
	// Close waits for running changes and gives up ownership of the place.
	Close() error
}

// Blobs reads and removes blobs of a repository.
type Blobs interface {
	// StatBlob returns size and digest of a blob linked in repo. With touch (the caller may push, and will take the answer for a reason not to)
	// the link's time is refreshed, so that collection leaves the blob alone for a window. ErrBlobUnknown where link or data is missing or
	// the size is wrong.
	StatBlob(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (int64, error)
	// OpenBlob opens a blob linked in repo for reading.
	OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (Blob, error)
	// MountBlob links in to a blob that one of candidates links to, the first that does (the caller has checked
	// that the user may read them); ErrBlobUnknown where none does.
	MountBlob(ctx context.Context, to reference.Repository, candidates []reference.Repository, d digest.Digest) error
	// DeleteBlob removes the link; collection removes the data.
	DeleteBlob(ctx context.Context, repo reference.Repository, d digest.Digest) error
	// DiscardData removes the data of a deleted blob or manifest without waiting for collection. The caller guarantees that nobody else
	// has the bytes, so that no other repository links to them. The file system verifies that under the digest's lock and keeps the data
	// if a repository links to it; a bucket cannot. Missing data is no error.
	DiscardData(ctx context.Context, d digest.Digest) error
}

// Blob is an open blob.
type Blob interface {
	// Content is what http.ServeContent wants: an *os.File where the bytes are known to be good, so that the kernel sends them itself; else a
	// reader that hashes as it goes, holds back the end and fails instead of handing out wrong bytes whole.
	Content() io.ReadSeeker
	Size() int64
	ModTime() time.Time
	Close() error
}

// Checker is what the Content of a Blob may be, too: Check finds out whether the bytes are good, where that does not take long, before a part
// of them is handed out. A reader of the whole need not ask.
type Checker interface{ Check() error }

// Upload is the state of one upload session.
type Upload struct {
	ID        string // 128 random bits, safe in paths
	Offset    int64  // bytes received
	StartedAt time.Time
}

// Owner is whom uploads belong to: a session is nobody else's, in no other repository.
type Owner struct {
	Repository reference.Repository
	User       string
}

// Uploads brings blobs in. Bytes are hashed while they are written, once. A size of -1 means unknown.
type Uploads interface {
	// PutBlob stores r as d in one go and links it in the owner's repository.
	PutBlob(ctx context.Context, o Owner, d digest.Digest, r io.Reader, size int64) error
	// StartUpload opens a session that hashes by alg.
	StartUpload(ctx context.Context, o Owner, alg digest.Algorithm) (Upload, error)
	// StatUpload returns where a session stands.
	StatUpload(ctx context.Context, o Owner, id string) (Upload, error)
	// AppendUpload adds a chunk; at is the offset it belongs at, or -1 for the end. What arrived before r failed stays and counts.
	AppendUpload(ctx context.Context, o Owner, id string, at int64, r io.Reader, size int64) (Upload, error)
	// FinishUpload adds a last chunk (r may be nil), checks the digest, makes the blob durable and links it. Where the digest is of another
	// algorithm than the session's, the bytes are hashed again.
	FinishUpload(ctx context.Context, o Owner, id string, at int64, r io.Reader, size int64, d digest.Digest) error
	// CancelUpload drops a session.
	CancelUpload(ctx context.Context, o Owner, id string) error
}

// Put is a manifest to be stored.
type Put struct {
	Repository reference.Repository
	Digest     digest.Digest // of Content; checked by the caller already
	Content    []byte
	Manifest   *manifest.Manifest // Content, parsed
	Tags       []reference.Tag    // to be moved to it; none: by digest only
	// MayOverwrite is asked under the tag's lock before a tag that points elsewhere is moved; an error refuses the whole Put and is returned
	// as it is. Nil allows.
	MayOverwrite func(tag reference.Tag, old digest.Digest) error
}

// TagNames are the names of the tags, each once and in their order, which is that in which their locks are taken.
func (p Put) TagNames() []string {
	names := make([]string, 0, len(p.Tags))
	for _, t := range p.Tags {
		names = append(names, t.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Stored is a manifest as it is kept.
type Stored struct {
	Digest    digest.Digest
	MediaType string
	Content   []byte // not to be changed
	CreatedAt time.Time
}

// Manifests reads, writes and removes manifests and tags.
type Manifests interface {
	// PutManifest stores a manifest and then moves its tags, after checking under locks that everything it refers to is here
	// (*MissingError); what it refers to is touched.
	PutManifest(ctx context.Context, p Put) error
	// GetManifest returns a manifest by digest. With touch its revision link is refreshed.
	GetManifest(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (Stored, error)
	// ResolveTag returns what a tag points to; ErrTagUnknown.
	ResolveTag(ctx context.Context, repo reference.Repository, tag reference.Tag) (digest.Digest, error)
	// DeleteTag removes a tag and leaves the manifest.
	DeleteTag(ctx context.Context, repo reference.Repository, tag reference.Tag) error
	// DeleteManifest removes a manifest, and with it the tags that point to it.
	DeleteManifest(ctx context.Context, repo reference.Repository, d digest.Digest) error
}

// Listings are in byte order of the names. A page starts after last and has at most n entries; more tells whether others follow.
type Listings interface {
	// Repositories lists those that hold a manifest or a blob and that visible (nil: all) lets through, filtered before the page is cut.
	Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error)
	// Tags lists the tags of a repository; ErrRepositoryUnknown where there is none.
	Tags(ctx context.Context, repo reference.Repository, last string, n int) (page []string, more bool, err error)
	// Referrers lists the manifests whose subject is d, whether or not d is here (distribution-spec, "Listing Referrers").
	Referrers(ctx context.Context, repo reference.Repository, d digest.Digest) ([]manifest.Descriptor, error)
}
