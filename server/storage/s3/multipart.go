package s3

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (c *client) startMultipart(ctx context.Context, key string) (string, error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: c.bucket(), Key: c.key(key), ContentType: aws.String("application/octet-stream"), StorageClass: c.class(key),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = c.encryption()
	out, err := c.api.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", translate("start multipart", key, err)
	}
	return aws.ToString(out.UploadId), nil
}

func (c *client) putPart(ctx context.Context, key, id string, number int32, body []byte) (part, error) {
	out, err := c.api.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: c.bucket(), Key: c.key(key), UploadId: aws.String(id), PartNumber: aws.Int32(number),
		Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
	})
	if err != nil {
		return part{}, translate("put part of", key, err)
	}
	return part{number: number, etag: aws.ToString(out.ETag), size: int64(len(body))}, nil
}

func (c *client) copyPart(ctx context.Context, key, id string, number int32, from, etag string, offset, length int64) (part, error) {
	in := &s3.UploadPartCopyInput{
		Bucket: c.bucket(), Key: c.key(key), UploadId: aws.String(id), PartNumber: aws.Int32(number), CopySource: c.source(from),
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)),
	}
	if etag != "" {
		in.CopySourceIfMatch = aws.String(etag)
	}
	if c.noCopy.Load() {
		return c.sendPart(ctx, key, id, number, from, etag, offset, length)
	}
	out, err := c.api.UploadPartCopy(working(ctx, length), in)
	if s := status(err); s == 501 || s == 405 {
		c.noCopy.Store(true)
		return c.sendPart(ctx, key, id, number, from, etag, offset, length)
	}
	if err != nil {
		return part{}, translate("copy part of", from, err)
	}
	if out.CopyPartResult == nil {
		return part{}, fmt.Errorf("copy part of %s: the S3 service answers with nothing", from)
	}
	return part{number: number, etag: aws.ToString(out.CopyPartResult.ETag), size: length}, nil
}

// sendPart reads a range of an object and sends it as a part, for a service without UploadPartCopy.
// The parts in memory are bounded by storage.s3.uploadmemory.
func (c *client) sendPart(
	ctx context.Context, key, id string, number int32, from, etag string, offset, length int64,
) (part, error) {
	memory := min(length, c.limit)
	if err := c.copying.Acquire(ctx, memory); err != nil {
		return part{}, fmt.Errorf("wait for memory to copy a part: %w", err)
	}
	defer c.copying.Release(memory)
	body, err := readRange(ctx, c, from, etag, offset, length)
	if err != nil {
		return part{}, err
	}
	return c.putPart(ctx, key, id, number, body)
}

func (c *client) copies() bool { return !c.noCopy.Load() }

// source returns the x-amz-copy-source value for a key.
func (c *client) source(key string) *string {
	p := strings.Split(c.prefix+key, "/")
	for i := range p {
		p[i] = strings.ReplaceAll(url.PathEscape(p[i]), "+", "%2B") // services decode + as a space
	}
	return aws.String(url.PathEscape(c.cfg.Bucket) + "/" + strings.Join(p, "/"))
}

func (c *client) completeMultipart(ctx context.Context, key, id string, parts []part) (string, error) {
	done := make([]types.CompletedPart, len(parts))
	size := int64(0)
	for i, p := range parts {
		size += p.size
		done[i] = types.CompletedPart{PartNumber: aws.Int32(p.number), ETag: aws.String(p.etag)}
	}
	// Services backed by a file system assemble the parts before they respond.
	out, err := c.api.CompleteMultipartUpload(working(ctx, size), &s3.CompleteMultipartUploadInput{
		Bucket: c.bucket(), Key: c.key(key), UploadId: aws.String(id), MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		return "", translate("complete multipart", key, err)
	}
	return aws.ToString(out.ETag), nil
}

func (c *client) abortMultipart(ctx context.Context, key, id string) error {
	_, err := c.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: c.bucket(), Key: c.key(key), UploadId: aws.String(id)})
	return translate("abort multipart", key, err)
}

func (c *client) listMultiparts(ctx context.Context, prefix string) ([]openMultipart, error) {
	var all []openMultipart
	in := &s3.ListMultipartUploadsInput{Bucket: c.bucket(), Prefix: c.key(prefix)}
	for {
		out, err := c.api.ListMultipartUploads(ctx, in)
		if err != nil {
			return nil, translate("list multiparts", prefix, err)
		}
		for _, u := range out.Uploads {
			all = append(all, openMultipart{key: c.relative(u.Key), id: aws.ToString(u.UploadId), started: aws.ToTime(u.Initiated)})
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}
