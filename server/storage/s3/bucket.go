package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// What a bucket answers, for errors.Is.
var (
	errMissing = errors.New("no such object")
	// errCondition says that If-Match or If-None-Match did not hold, and nothing was written.
	errCondition = errors.New("object is not as expected")
)

// object describes what lies under a key.
type object struct {
	key     string // relative to the store's root
	size    int64
	etag    string
	modTime time.Time // by the engine's clock
}

// condition is what must hold for a write. The zero value is none.
type condition struct {
	absent bool   // there is no such object
	etag   string // the object is this one
}

var ifAbsent = condition{absent: true}

func ifMatch(etag string) condition { return condition{etag: etag} }

// page is a part of a listing, in byte order of the keys.
type page struct {
	objects []object
	folders []string // common prefixes, where a delimiter was asked for; each ends in it
	more    bool
	last    string // where the next page starts, whatever of it was a folder
}

// part is one part of a multipart upload, as completing it wants to hear of it.
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

// bucket is what the engine needs of S3. Keys are relative to the store's root. All methods retry what may be retried.
type bucket interface {
	head(ctx context.Context, key string) (object, error)
	// get reads length bytes from an offset, or all from there on for -1. With an etag it fails with errCondition when the object is
	// another one. The object's size is that of the whole.
	get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, object, error)
	put(ctx context.Context, key string, body []byte, c condition) (etag string, err error)
	delete(ctx context.Context, key string) error
	// deleteIf deletes the object only if it is still that one. Engines that do not know the condition are told apart by prove.
	deleteIf(ctx context.Context, key, etag string) error
	// list returns up to limit (at most 1,000) keys after one. With folders, what lies behind the next slash is folded into one entry.
	list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error)

	startMultipart(ctx context.Context, key string) (id string, err error)
	putPart(ctx context.Context, key, id string, number int32, body []byte) (part, error)
	// copyPart makes a range of another object a part. With an etag the source must be that one.
	copyPart(ctx context.Context, key, id string, number int32, from, etag string, offset, length int64) (part, error)
	completeMultipart(ctx context.Context, key, id string, parts []part) (etag string, err error)
	abortMultipart(ctx context.Context, key, id string) error
	listMultiparts(ctx context.Context, prefix string) ([]openMultipart, error)

	// presign returns an address that anybody may read the object at for a while.
	presign(ctx context.Context, key string, life time.Duration) (string, error)
	// skew is how far the engine's clock is ahead of this machine's.
	skew() time.Duration
}

// walk hands out every object below a prefix, in order.
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

// mostListed is what S3 returns at once at most.
const mostListed = 1000

// read returns a small object whole; longer than most is an error. An answer that breaks off is asked for again.
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

// readRange returns a part of an object, which must be that one still. An answer that breaks off is asked for again.
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
