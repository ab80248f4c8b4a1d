package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"packhouse/finding"
	"packhouse/server/config"
)

// client implements bucket with the AWS SDK.
type client struct {
	api       *s3.Client
	presigner *s3.PresignClient
	transport *transport
	cfg       config.S3Storage
	prefix    string // of every key: the root directory, placed as distribution does
	retries   int
	copying   *semaphore.Weighted // of limit bytes, see sendPart
	limit     int64
	noCopy    *atomic.Bool // the service has no UploadPartCopy
	single    *atomic.Bool // the service has no usable DeleteObjects
}

const defaultRetries = 5

func newClient(ctx context.Context, cfg config.S3Storage) (*client, error) {
	cas, err := trustedBy(cfg)
	if err != nil {
		return nil, err
	}
	t := newTransport(cfg, cas.roots)
	endpoint, literal, err := endpointOf(cfg)
	if err != nil {
		return nil, err
	}
	region := cfg.Region
	if region == "" && endpoint != "" {
		region = "us-east-1" // self-hosted services rarely have regions, but the signature needs one
	}
	retries := cfg.MaxRetries
	if retries <= 0 {
		retries = defaultRetries
	}
	options := append(cas.forCredentials(),
		awsconfig.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = retries + 1
				o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
					return retry.NewExponentialJitterBackoff(t.pause).BackoffDelay(attempt, err)
				})
				o.RateLimiter = unlimited{}
				o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(neverLate)}, o.Retryables...)
			})
		}),
		awsconfig.WithLogger(logging.Nop{}), // the default logs to stderr; failures are returned as errors
		// Not every service supports the newer checksums, so send them only where S3 requires them:
		// the signature already covers every body.
		awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	)
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	if cfg.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey.Reveal(), cfg.SessionToken.Reveal())))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("load credentials: %w", err)
	}
	api := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.HTTPClient = t
		o.UsePathStyle = cfg.ForcePathStyle || literal
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		o.EndpointOptions.DisableHTTPS = !cfg.Secure
	})
	c := &client{
		api: api, presigner: s3.NewPresignClient(api), transport: t, cfg: cfg, retries: retries, single: new(atomic.Bool),
		noCopy: new(atomic.Bool), limit: max(cfg.UploadMemory, 1),
	}
	c.copying = semaphore.NewWeighted(c.limit)
	c.prefix, err = prefixOf(cfg.RootDirectory)
	return c, err
}

// unlimited disables the SDK's retry quota: the number of attempts bounds retries, and one slow
// request must not make others fail.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }

func neverLate(err error) aws.Ternary {
	if errors.Is(err, errLate) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// prefixOf returns the prefix of every key. It rejects elements that a service or proxy could
// resolve to a path outside the root.
func prefixOf(root string) (string, error) {
	root = strings.Trim(root, "/")
	if root == "" {
		return "", nil
	}
	for element := range strings.SplitSeq(root, "/") {
		if element == "" || element == "." || element == ".." || strings.ContainsFunc(element, unicode.IsControl) {
			return "", finding.Errorf("%s is not a plain path: %q", key("storage.s3.rootdirectory"), root)
		}
	}
	return root + "/", nil
}

// endpointOf returns the endpoint URL, empty for AWS, and whether its host cannot have a bucket
// name prepended (an IP address or a single label).
func endpointOf(cfg config.S3Storage) (endpoint string, literal bool, err error) {
	endpoint = strings.TrimRight(cfg.RegionEndpoint, "/")
	if endpoint == "" {
		return "", false, nil
	}
	if !strings.Contains(endpoint, "://") {
		scheme := "https"
		if !cfg.Secure {
			scheme = "http"
		}
		endpoint = scheme + "://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return "", false, finding.Errorf("%s is neither a URL nor host:port: %q", key("storage.s3.regionendpoint"),
			cfg.RegionEndpoint)
	}
	host := u.Hostname()
	return endpoint, net.ParseIP(host) != nil || !strings.Contains(host, "."), nil
}

func (c *client) key(key string) *string    { return aws.String(c.prefix + key) }
func (c *client) bucket() *string           { return aws.String(c.cfg.Bucket) }
func (c *client) skew() time.Duration       { return time.Duration(c.transport.ahead.Load()) }
func (c *client) relative(k *string) string { return strings.TrimPrefix(aws.ToString(k), c.prefix) }

// encryption returns the encryption-at-rest parameters of every write.
func (c *client) encryption() (types.ServerSideEncryption, *string) {
	switch {
	case c.cfg.KeyID != "":
		return types.ServerSideEncryptionAwsKms, aws.String(c.cfg.KeyID)
	case c.cfg.Encrypt:
		return types.ServerSideEncryptionAes256, nil
	}
	return "", nil
}

// class returns the storage class of blob content. Links and records are small and change often,
// which makes the cheaper classes expensive.
func (c *client) class(key string) types.StorageClass {
	content := strings.HasPrefix(key, blobsDir) || strings.HasPrefix(key, probeDir) && strings.HasSuffix(key, "/"+asContent)
	if !content || strings.EqualFold(c.cfg.StorageClass, "NONE") {
		return ""
	}
	return types.StorageClass(c.cfg.StorageClass)
}

func (c *client) head(ctx context.Context, key string) (object, error) {
	out, err := c.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: c.bucket(), Key: c.key(key)})
	if err != nil {
		return object{}, translate("head", key, err)
	}
	return object{key: key, size: aws.ToInt64(out.ContentLength), etag: aws.ToString(out.ETag), modTime: aws.ToTime(out.LastModified)}, nil
}

func (c *client) get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, object, error) {
	in := &s3.GetObjectInput{Bucket: c.bucket(), Key: c.key(key)}
	if etag != "" {
		in.IfMatch = aws.String(etag)
	}
	switch {
	case length >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	out, err := c.api.GetObject(ctx, in)
	if status(err) == 416 {
		// The offset is not satisfiable, as in an empty object.
		o, err := c.head(ctx, key)
		return io.NopCloser(strings.NewReader("")), o, err
	}
	if err != nil {
		return nil, object{}, translate("get", key, err)
	}
	o := object{key: key, size: aws.ToInt64(out.ContentLength), etag: aws.ToString(out.ETag), modTime: aws.ToTime(out.LastModified)}
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if o.size, err = strconv.ParseInt(total, 10, 64); err != nil {
			out.Body.Close()
			return nil, object{}, fmt.Errorf("get %s: the S3 service answers with the range %q", key, aws.ToString(out.ContentRange))
		}
	}
	return out.Body, o, nil
}

func (c *client) put(ctx context.Context, key string, body []byte, cond condition) (string, error) {
	in := &s3.PutObjectInput{
		Bucket: c.bucket(), Key: c.key(key), ContentLength: aws.Int64(int64(len(body))),
		ContentType: aws.String("application/octet-stream"), StorageClass: c.class(key),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = c.encryption()
	if cond.absent {
		in.IfNoneMatch = aws.String("*")
	}
	if cond.etag != "" {
		in.IfMatch = aws.String(cond.etag)
	}
	ctx, sent := counted(ctx)
	for attempt := 0; ; attempt++ {
		in.Body = bytes.NewReader(body)
		out, err := c.api.PutObject(ctx, in, payloadHash(ctx))
		if err == nil {
			return aws.ToString(out.ETag), nil
		}
		if status(err) != 409 || attempt >= c.retries {
			err = translate("put", key, err)
			if cond.etag != "" && errors.Is(err, errMissing) {
				err = fmt.Errorf("put %s: %w", key, errCondition)
			}
			if errors.Is(err, errCondition) && sent.Load() > 1 {
				// An attempt whose response was lost may have written the object, so that the retry
				// found its own write.
				if now, o, rerr := read(ctx, c, key, int64(len(body))); rerr == nil && bytes.Equal(now, body) {
					return o.etag, nil
				}
			}
			return "", err
		}
		// A concurrent write or deletion of the same key is in progress. Retry: the loser gets
		// errCondition from the next response.
		if err := pause(ctx, time.Duration(1+rand.IntN(50<<min(attempt, 4)))*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// digestKey is the context key for the digest of the request body.
type digestKey struct{}

// withDigest avoids hashing a body again to sign it: the service compares the received bytes with
// the digest that the registry's client sent.
func withDigest(ctx context.Context, d digest.Digest) context.Context {
	if d.Algorithm() != digest.SHA256 {
		return ctx
	}
	return context.WithValue(ctx, digestKey{}, d)
}

func payloadHash(ctx context.Context) func(*s3.Options) {
	d, ok := ctx.Value(digestKey{}).(digest.Digest)
	if !ok {
		return func(*s3.Options) {}
	}
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("KnownPayloadHash", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return next.HandleFinalize(v4.SetPayloadHash(ctx, d.Encoded()), in)
		}), middleware.Before)
	})
}

func (c *client) delete(ctx context.Context, key string) error {
	_, err := c.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: c.bucket(), Key: c.key(key)})
	if err = translate("delete", key, err); errors.Is(err, errMissing) {
		return nil
	}
	return err
}

func (c *client) deleteIf(ctx context.Context, key, etag string) error {
	ctx, sent := counted(ctx)
	_, err := c.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: c.bucket(), Key: c.key(key), IfMatch: aws.String(etag)})
	if err = translate("delete", key, err); errors.Is(err, errMissing) {
		err = fmt.Errorf("delete %s: %w", key, errCondition)
	}
	if errors.Is(err, errCondition) && sent.Load() > 1 {
		// An attempt whose response was lost may have deleted it.
		if _, herr := c.head(ctx, key); errors.Is(herr, errMissing) {
			return nil
		}
	}
	return err
}

// list implements bucket. A response that is cut off is requested again: the SDK retries only what
// fails before the response begins.
func (c *client) list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	for attempt := 1; ; attempt++ {
		p, err := c.listOnce(ctx, prefix, after, limit, folders)
		if err == nil || !cutOff(err) || attempt > c.retries || ctx.Err() != nil {
			return p, err
		}
		if perr := pause(ctx, time.Duration(attempt)*50*time.Millisecond); perr != nil {
			return p, err
		}
	}
}

func (c *client) listOnce(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	in := &s3.ListObjectsV2Input{Bucket: c.bucket(), Prefix: c.key(prefix), MaxKeys: aws.Int32(int32(min(limit, mostListed)))} //nolint:gosec // at most 1,000
	if after != "" {
		in.StartAfter = c.key(after)
	}
	if folders {
		in.Delimiter = aws.String("/")
	}
	out, err := c.api.ListObjectsV2(ctx, in)
	if err != nil {
		return page{}, translate("list", prefix, err)
	}
	if out.IsTruncated == nil && out.MaxKeys == nil && out.Name == nil { // the SDK reads an empty body as no objects
		return page{}, fmt.Errorf("list %s: the response is empty: %w", prefix, io.ErrUnexpectedEOF)
	}
	p := page{more: aws.ToBool(out.IsTruncated)}
	for _, o := range out.Contents {
		key := c.relative(o.Key)
		p.objects = append(p.objects, object{key: key, size: aws.ToInt64(o.Size), etag: aws.ToString(o.ETag), modTime: aws.ToTime(o.LastModified)})
		p.last = max(p.last, key)
	}
	for _, f := range out.CommonPrefixes {
		folder := c.relative(f.Prefix)
		p.folders = append(p.folders, folder)
		p.last = max(p.last, folder+"~") // sorts after everything in the folder: registry names contain no tilde
	}
	if p.more && p.last <= after {
		// Continuing would loop forever.
		return page{}, fmt.Errorf("list %s: the S3 service has more, but none behind %q", prefix, after)
	}
	return p, nil
}

// onTime signs with the S3 service's clock.
type onTime struct {
	s3.HTTPPresignerV4
	c *client
}

// PresignHTTP implements s3.HTTPPresignerV4.
func (p onTime) PresignHTTP(ctx context.Context, keys aws.Credentials, r *http.Request, payload, service, region string, at time.Time, options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return p.HTTPPresignerV4.PresignHTTP(ctx, keys, r, payload, service, region, at.Add(p.c.skew()), options...)
}

// presign returns a URL for GET requests, with or without a range. HEAD would need its own
// signature.
func (c *client) presign(ctx context.Context, key string, life time.Duration) (string, error) {
	r, err := c.presigner.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: c.bucket(), Key: c.key(key), ResponseContentType: aws.String("application/octet-stream"),
	}, s3.WithPresignExpires(life), func(o *s3.PresignOptions) { o.Presigner = onTime{o.Presigner, c} })
	if err != nil {
		return "", fmt.Errorf("presign %s: %w", key, err)
	}
	return r.URL, nil
}
