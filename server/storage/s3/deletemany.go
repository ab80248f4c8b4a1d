package s3

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// errNotReached means that a change ended before it sent a request.
var errNotReached = errors.New("not reached in time")

// mostDeleted is the most keys that S3 deletes per request.
const mostDeleted = 1000

// deleteMany deletes up to 1,000 objects per request. What the response does not confirm is deleted
// with a request of its own: some services lack DeleteObjects, or reject its checksums.
func (c *client) deleteMany(ctx context.Context, keys []string) map[string]error {
	var mu sync.Mutex
	failed := map[string]error{}
	left := keys
	if len(keys) > 1 && !c.single.Load() {
		left = nil
		for some := range slices.Chunk(keys, mostDeleted) {
			if !c.single.Load() {
				some = c.deleteBatch(ctx, some)
			}
			left = append(left, some...)
		}
	}
	for _, k := range left {
		failed[k] = errNotReached
	}
	_ = inParallel(ctx, len(left), wide, func(ctx context.Context, i int) error {
		err := c.delete(ctx, left[i])
		mu.Lock()
		defer mu.Unlock()
		if failed[left[i]] = err; err == nil {
			delete(failed, left[i])
		}
		return nil
	})
	return failed
}

// deleteBatch sends one request, and returns the keys that its response does not confirm.
func (c *client) deleteBatch(ctx context.Context, keys []string) (left []string) {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i, k := range keys {
		ids[i].Key = c.key(k)
	}
	out, err := c.api.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: c.bucket(), Delete: &types.Delete{Objects: ids}},
		s3.WithAPIOptions(smithyhttp.AddContentChecksumMiddleware)) // older services require Content-MD5
	if err != nil {
		switch status(err) {
		case 400, 404, 405, 411, 415, 501: // not supported, or not in this form
			c.single.Store(true)
		}
		return keys
	}
	done := make(map[string]bool, len(out.Deleted))
	for _, d := range out.Deleted {
		done[c.relative(d.Key)] = true
	}
	for _, e := range out.Errors {
		delete(done, c.relative(e.Key))
	}
	for _, k := range keys {
		if !done[k] {
			left = append(left, k)
		}
	}
	return left
}
