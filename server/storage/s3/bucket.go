package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors of bucket methods, for errors.Is.
var (
	errMissing = errors.New("no such object")
	// errCondition means that If-Match or If-None-Match did not hold and nothing was written.
	errCondition = errors.New("object is not as expected")
)

// object describes the object under a key.
type object struct {
	key     string // relative to the store's root
	size    int64
	etag    string
	modTime time.Time // by the S3 service's clock
}

// condition is a precondition of a write. The zero value is none.
type condition struct {
	absent bool   // the object must not exist
	etag   string // the object must have this ETag
}

var ifAbsent = condition{absent: true}

func ifMatch(etag string) condition { return condition{etag: etag} }

// page is one page of a listing, in byte order of the keys.
type page struct {
	objects []object
	folders []string // common prefixes if a delimiter was requested; each ends in it
	more    bool
	last    string // start of the next page; may be a folder
}

// part is one part of a multipart upload, as completeMultipart expects it.
type part struct {
	number int32
	etag   string
	size   int64
}

// openMultipart is a multipart upload that is neither completed nor aborted.
type openMultipart struct {
	key, id string
	started time.Time
}

// bucket is the subset of S3 that the store uses. Keys are relative to the store's root. All
// methods retry errors that are retryable.
type bucket interface {
	head(ctx context.Context, key string) (object, error)
	// get reads length bytes from offset, or up to the end if length is -1. With an etag, it fails
	// with errCondition if the object has another one. The returned object's size is that of the
	// whole object.
	get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, object, error)
	put(ctx context.Context, key string, body []byte, c condition) (etag string, err error)
	delete(ctx context.Context, key string) error
	// deleteMany deletes objects with few requests. It returns the keys that could not be deleted;
	// others are gone.
	deleteMany(ctx context.Context, keys []string) (failed map[string]error)
	// deleteIf deletes the object only if its ETag still matches. prove detects services that
	// ignore the condition.
	deleteIf(ctx context.Context, key, etag string) error
	// list returns up to limit (at most 1,000) keys after the given one. With folders, keys are
	// grouped at the next slash.
	list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error)

	startMultipart(ctx context.Context, key string) (id string, err error)
	putPart(ctx context.Context, key, id string, number int32, body []byte) (part, error)
	// copyPart makes a part from a range of another object. With an etag, the source must have it.
	copyPart(ctx context.Context, key, id string, number int32, from, etag string, offset, length int64) (part, error)
	// copies reports whether the service copies parts; otherwise copyPart reads and sends them.
	copies() bool
	completeMultipart(ctx context.Context, key, id string, parts []part) (etag string, err error)
	abortMultipart(ctx context.Context, key, id string) error
	listMultiparts(ctx context.Context, prefix string) ([]openMultipart, error)

	// presign returns a URL from which anyone can read the object until it expires.
	presign(ctx context.Context, key string, life time.Duration) (string, error)
	// skew returns how far the S3 service's clock is ahead of this machine's.
	skew() time.Duration
}

// walk calls do for every object below a prefix, in key order.
func walk(ctx context.Context, b bucket, prefix string, do func(object) error) error {
	after := ""
	for {
		p, err := b.list(ctx, prefix, after, mostListed, false)
		if err != nil {
			return err
		}
		for _, o := range p.objects {
			if err := do(o); err != nil {
				return err
			}
		}
		if !p.more {
			return nil
		}
		after = p.last
	}
}

// mostListed is the most keys that S3 returns per request.
const mostListed = 1000

// read returns a whole object. It returns errTooLong if the object is larger than most bytes.
// Interrupted responses are retried.
func read(ctx context.Context, b bucket, key string, most int64) ([]byte, object, error) {
	for attempt := 1; ; attempt++ {
		content, o, broken, err := readOnce(ctx, b, key, most)
		if !broken || attempt > mostBroken || ctx.Err() != nil {
			return content, o, err
		}
		if perr := pause(ctx, time.Duration(attempt)*50*time.Millisecond); perr != nil {
			return nil, o, err
		}
	}
}

func readOnce(ctx context.Context, b bucket, key string, most int64) (content []byte, o object, broken bool, err error) {
	body, o, err := b.get(ctx, key, "", 0, -1)
	if err != nil {
		return nil, o, false, err
	}
	defer body.Close()
	if o.size > most {
		return nil, o, false, errTooLong
	}
	content = make([]byte, o.size)
	if _, err := io.ReadFull(body, content); err != nil {
		return nil, o, true, fmt.Errorf("get %s: %w", key, err)
	}
	return content, o, false, nil
}

// readRange returns a range of an object, whose ETag must still match. Interrupted responses are
// retried.
func readRange(ctx context.Context, b bucket, key, etag string, offset, length int64) ([]byte, error) {
	content := make([]byte, length)
	for attempt := 1; ; attempt++ {
		body, _, err := b.get(ctx, key, etag, offset, length)
		if err != nil {
			return nil, err
		}
		_, err = io.ReadFull(body, content)
		body.Close()
		if err == nil {
			return content, nil
		}
		if attempt > mostBroken || ctx.Err() != nil {
			return nil, fmt.Errorf("get %s: %w", key, err)
		}
		if perr := pause(ctx, time.Duration(attempt)*50*time.Millisecond); perr != nil {
			return nil, perr
		}
	}
}

var errTooLong = errors.New("object is longer than any of its kind")
