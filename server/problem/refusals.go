package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Codes of the specification (distribution-spec 1.1, "Error Codes").
const (
	BlobUnknown         = "BLOB_UNKNOWN"
	BlobUploadInvalid   = "BLOB_UPLOAD_INVALID"
	BlobUploadUnknown   = "BLOB_UPLOAD_UNKNOWN"
	DigestInvalid       = "DIGEST_INVALID"
	ManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
	ManifestInvalid     = "MANIFEST_INVALID"
	ManifestUnknown     = "MANIFEST_UNKNOWN"
	NameInvalid         = "NAME_INVALID"
	NameUnknown         = "NAME_UNKNOWN"
	SizeInvalid         = "SIZE_INVALID"
	Unauthorized        = "UNAUTHORIZED"
	Denied              = "DENIED"
	Unsupported         = "UNSUPPORTED"
	TooManyRequests     = "TOOMANYREQUESTS"
)

// Codes that the specification does not define, but allows. The first two are CNCF distribution's.
const (
	TagInvalid              = "TAG_INVALID"
	PaginationNumberInvalid = "PAGINATION_NUMBER_INVALID"
	RangeInvalid            = "RANGE_INVALID"
	QueryInvalid            = "QUERY_INVALID"
	NotFound                = "NOT_FOUND"
	BodyTimeout             = "BODY_TIMEOUT"
	PreconditionFailed      = "PRECONDITION_FAILED"
	StorageFull             = "STORAGE_FULL"
	Unavailable             = "UNAVAILABLE"
	Unknown                 = "UNKNOWN" // clients treat any unknown code like this
)

// maxMessage is the maximum length in bytes of a message, which can quote what the client sent.
const maxMessage = 2048

// clip truncates a text to maxMessage.
func clip(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// New creates an Error. message says what is wrong and, if not obvious, how to fix it; a long one is
// truncated.
func New(status int, code, message string, arguments ...any) *Error {
	if len(arguments) > 0 {
		message = fmt.Sprintf(message, arguments...)
	}
	return &Error{Status: status, Code: code, Message: clip(message)}
}

// With sets a header and returns the error.
func (e *Error) With(key, value string) *Error {
	if e.Header == nil {
		e.Header = make(http.Header)
	}
	e.Header.Set(key, value)
	return e
}

// About sets the detail and returns the error.
func (e *Error) About(detail any) *Error {
	e.Detail = detail
	return e
}

// Because sets the cause, which is logged and never sent, and returns the error.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// NoRoute returns the error for an unknown path.
func NoRoute() *Error { return New(http.StatusNotFound, NotFound, "nothing is served at this path") }

// MethodNotAllowed returns the error for a method that the path does not support.
func MethodNotAllowed(allowed ...string) *Error {
	list := strings.Join(allowed, ", ")
	return New(http.StatusMethodNotAllowed, Unsupported, "this path takes %s", list).With("Allow", list)
}

// Authenticate returns the error for missing, unknown and wrong credentials (RFC 7617).
func Authenticate(realm string) *Error {
	return New(http.StatusUnauthorized, Unauthorized, "a user name and a password are needed").
		With("WWW-Authenticate", "Basic realm="+quoted(realm)+`, charset="UTF-8"`)
}

// Forbidden returns the error for an authenticated user without the required role.
func Forbidden(message string, arguments ...any) *Error {
	return New(http.StatusForbidden, Denied, message, arguments...)
}

// Slow returns the error for too many requests; after sets Retry-After.
func Slow(after time.Duration, message string, arguments ...any) *Error {
	return New(http.StatusTooManyRequests, TooManyRequests, message, arguments...).With("Retry-After", seconds(after))
}

// Later returns the error for something temporarily unavailable; after sets Retry-After.
func Later(after time.Duration, message string, arguments ...any) *Error {
	return New(http.StatusServiceUnavailable, Unavailable, message, arguments...).With("Retry-After", seconds(after))
}

// Full returns the error for full storage.
func Full() *Error {
	return New(http.StatusInsufficientStorage, StorageFull, "the storage is full: free space or ask the operator, then push again")
}

// ReadOnly returns the error for writes to a read-only registry.
func ReadOnly() *Error {
	return New(http.StatusMethodNotAllowed, Unsupported, "the registry is read-only").With("Allow", "GET, HEAD")
}

// NoDeletion returns the error for deletions while they are disabled.
func NoDeletion() *Error {
	return New(http.StatusMethodNotAllowed, Unsupported, "deletion is switched off (storage.delete.enabled)").With("Allow", "GET, HEAD, PUT")
}

// FailedPrecondition returns the error for a write whose If-Match or If-None-Match does not hold.
// now is the digest of the stored manifest, or "".
func FailedPrecondition(header string, now digest.Digest) *Error {
	const message = "%s does not match the stored manifest: read it again before the next push"
	if now == "" {
		const missing = "%s does not match: there is no such manifest; push without it to create one"
		return New(http.StatusPreconditionFailed, PreconditionFailed, missing, header)
	}
	e := New(http.StatusPreconditionFailed, PreconditionFailed, message, header)
	return e.About(map[string]string{"digest": now.String()})
}

// BadDigest returns the error for content that does not match its digest.
func BadDigest(want, got digest.Digest) *Error {
	return New(http.StatusBadRequest, DigestInvalid, "the content does not match its digest").
		About(map[string]string{"want": want.String(), "got": got.String()})
}

// BadSize returns the error for a body of another size than announced, in bytes.
func BadSize(want, got int64) *Error {
	return New(http.StatusBadRequest, SizeInvalid, "Content-Length is %d, but %d bytes arrived", want, got).
		About(map[string]int64{"want": want, "got": got})
}

// BadReferenceSize returns the error for a manifest with a wrong size for stored content, in bytes.
// Clients that allocate by the stated size, or stop reading there, would get other content.
func BadReferenceSize(of string, stated, stored int64) *Error {
	return New(http.StatusBadRequest, SizeInvalid, "%s has %d bytes, the manifest states %d: push a manifest with the right size", of, stored, stated).
		About(map[string]any{"digest": of, "want": stated, "got": stored})
}

// BadRange returns the error for a range outside a blob of size bytes.
func BadRange(size int64) *Error {
	return New(http.StatusRequestedRangeNotSatisfiable, RangeInvalid, "the blob has %d bytes, none of them in the range", size).
		With("Content-Range", fmt.Sprintf("bytes */%d", size))
}

// OutOfOrder returns the error for a chunk that does not start at offset, the number of bytes
// already uploaded.
func OutOfOrder(offset int64) *Error {
	return New(http.StatusRequestedRangeNotSatisfiable, BlobUploadInvalid, "the upload has %d bytes: continue from there", offset).
		With("Range", UploadRange(offset)).
		About(map[string]int64{"offset": offset})
}

// UploadRange returns the Range header of an upload with offset bytes (distribution-spec, "Pushing
// a blob in chunks"). The format cannot distinguish none from one; every registry uses 0-0 for
// both.
func UploadRange(offset int64) string { return fmt.Sprintf("0-%d", max(0, offset-1)) }

// BrokenBody returns the error for a body that ended early. A limit of the server that ended it is
// returned as it is.
func BrokenBody(cause error) *Error {
	if e, ok := errors.AsType[*Error](cause); ok {
		return e
	}
	return New(http.StatusBadRequest, BlobUploadInvalid, "the body ended early: ask for the offset of the upload and continue from there").Because(cause)
}

// BodyStalled returns the error for a body that arrives too slowly. limit is the key of the
// configuration that was exceeded, message says how.
func BodyStalled(limit, message string, arguments ...any) *Error {
	message = fmt.Sprintf(message, arguments...)
	const remedy = "ask for the offset of the upload and continue from there, or push again"
	return New(http.StatusRequestTimeout, BodyTimeout, "%s (%s): %s", message, limit, remedy).
		About(map[string]string{"limit": limit})
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// quoted returns a quoted-string (RFC 9110, section 5.6.4) without control characters, which
// headers must not contain.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c < ' ' || c == 0x7f:
			continue
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}
