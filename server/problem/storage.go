package problem

import (
	"errors"
	"net/http"
	"time"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// How long clients shall wait: for what is being collected, for an upload to be finished, and for storage that does not answer.
const (
	busyWait   = 5 * time.Second
	uploadWait = 30 * time.Second
	absentWait = 10 * time.Second
)

// FromStorage words what a store returned: every error that package storage and package manifest name has its status and code here. An
// *Error anywhere in the chain is returned as it is. Nil is returned for an error that is none of these; Write makes a 500 of it.
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
	if e, ok := errors.AsType[*manifest.Error](err); ok {
		return Manifest(e)
	}
	if e := known(err); e != nil {
		return e.Because(err)
	}
	return nil
}

// known words the sentinels of package storage. Damaged content comes first: to a client it is unknown too, but told why.
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
		return Slow(uploadWait, "too many uploads are open: finish or cancel some, abandoned ones expire")
	case errors.Is(err, storage.ErrBlobDamaged) && errors.Is(err, storage.ErrManifestUnknown):
		return New(http.StatusNotFound, ManifestUnknown, "the manifest is damaged: push it again to heal it").About(map[string]string{"reason": "damaged"})
	case errors.Is(err, storage.ErrBlobDamaged):
		return New(http.StatusNotFound, BlobUnknown, "the blob was damaged and has been set aside: push it again to heal it").About(map[string]string{"reason": "damaged"})
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

// maxMissing is how many missing references one answer names.
const maxMissing = 100

// Missing is the answer to a manifest that refers to what the repository does not hold.
func Missing(references []manifest.Reference) *Error {
	names := make([]string, 0, min(len(references), maxMissing))
	for _, r := range references[:min(len(references), maxMissing)] {
		names = append(names, r.Digest.String())
	}
	return New(http.StatusNotFound, ManifestBlobUnknown, "the manifest refers to content that is not in this repository (%d): push that first", len(references)).
		About(map[string][]string{"missing": names})
}

// Manifest is the answer to bytes that are no manifest which is served.
func Manifest(e *manifest.Error) *Error {
	status := http.StatusBadRequest
	if errors.Is(e, manifest.ErrTooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	return New(status, ManifestInvalid, "%s", e.Text).Because(e)
}
