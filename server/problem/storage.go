package problem

import (
	"errors"
	"net/http"
	"time"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// Retry-After for running garbage collection, unfinished uploads, and unavailable storage.
const (
	busyWait   = 5 * time.Second
	uploadWait = 10 * time.Second
	absentWait = 10 * time.Second
)

// FromStorage converts an error of package storage or manifest to its status and code. It returns
// an *Error in the chain unchanged, and nil for any other error, which Write reports as a 500.
func FromStorage(err error) *Error {
	if p, ok := errors.AsType[*Error](err); ok {
		return p
	}
	if e, ok := errors.AsType[*storage.DigestError](err); ok {
		return BadDigest(e.Want, e.Got).Because(err)
	}
	if e, ok := errors.AsType[*storage.SizeError](err); ok {
		return BadSize(e.Want, e.Got).Because(err)
	}
	if e, ok := errors.AsType[*storage.ReferenceSizeError](err); ok {
		return BadReferenceSize(string(e.Digest), e.Stated, e.Stored).Because(err)
	}
	if e, ok := errors.AsType[*storage.OffsetError](err); ok {
		return OutOfOrder(e.Upload.Offset).Because(err)
	}
	if e, ok := errors.AsType[*storage.MissingError](err); ok {
		return Missing(e.References).Because(err)
	}
	if e, ok := errors.AsType[*storage.NeededError](err); ok {
		return Needed(e).Because(err)
	}
	if e, ok := errors.AsType[*manifest.Error](err); ok {
		return Manifest(e)
	}
	if e := known(err); e != nil {
		return e.Because(err)
	}
	return nil
}

// known converts the sentinel errors of package storage. Damaged content is checked first, because
// it also counts as unknown but has a better message.
func known(err error) *Error {
	switch {
	case errors.Is(err, storage.ErrFull):
		return Full()
	case errors.Is(err, storage.ErrReadOnly):
		return ReadOnly()
	case errors.Is(err, storage.ErrUnwritable):
		return Later(absentWait, "the storage cannot be written: its file system is read-only or denies access; pulls still work")
	case errors.Is(err, storage.ErrBusy):
		return Later(busyWait, "the content is being collected, try again shortly")
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrFailing):
		return Later(absentWait, "the storage behind the registry does not answer, try again shortly")
	case errors.Is(err, storage.ErrTooManyUploads):
		return Slow(uploadWait, "too many uploads of this user are in progress: let some finish, then try again")
	case errors.Is(err, storage.ErrBlobDamaged) && errors.Is(err, storage.ErrManifestUnknown):
		return New(http.StatusNotFound, ManifestUnknown, "the manifest is damaged: push it again to heal it").About(map[string]string{"reason": "damaged"})
	case errors.Is(err, storage.ErrBlobDamaged):
		return New(http.StatusNotFound, BlobUnknown, "the blob was damaged and is in quarantine: push it again to replace it").About(map[string]string{"reason": "damaged"})
	case errors.Is(err, storage.ErrBlobUnknown):
		return New(http.StatusNotFound, BlobUnknown, "the blob is not in this repository")
	case errors.Is(err, storage.ErrManifestUnknown):
		return New(http.StatusNotFound, ManifestUnknown, "the manifest is not in this repository")
	case errors.Is(err, storage.ErrTagUnknown):
		return New(http.StatusNotFound, ManifestUnknown, "the tag is not in this repository")
	case errors.Is(err, storage.ErrRepositoryUnknown):
		return New(http.StatusNotFound, NameUnknown, "the repository is not here")
	case errors.Is(err, storage.ErrUploadUnknown):
		return New(http.StatusNotFound, BlobUploadUnknown, "the upload is not known: it was finished, cancelled or expired; start a new one")
	}
	return nil
}

// maxMissing is the maximum number of missing references named in one error.
const maxMissing = 100

// Missing returns the error for a manifest that refers to content missing from the repository.
func Missing(references []manifest.Reference) *Error {
	names := make([]string, 0, min(len(references), maxMissing))
	for _, r := range references[:min(len(references), maxMissing)] {
		names = append(names, r.Digest.String())
	}
	return New(http.StatusNotFound, ManifestBlobUnknown, "the manifest refers to content that is not in this repository (%d): push that first", len(references)).
		About(map[string][]string{"missing": names})
}

// Needed returns the error for deleting content that an image with a tag needs.
func Needed(e *storage.NeededError) *Error {
	const message = "the tag %s needs this content: delete the tag, or point it to another image, first"
	return New(http.StatusMethodNotAllowed, Denied, message, e.Tag).
		With("Allow", "GET, HEAD").
		About(map[string]string{"tag": e.Tag, "manifest": e.Manifest.String()})
}

// Manifest returns the error for an invalid or unsupported manifest.
func Manifest(e *manifest.Error) *Error {
	status := http.StatusBadRequest
	if errors.Is(e, manifest.ErrTooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	return New(status, ManifestInvalid, "%s", e.Text).Because(e)
}
