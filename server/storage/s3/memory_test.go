package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// memoryBucket is a bucket in memory: linearizable, with conditions, as S3 promises to be. before is called ahead of every request and may
// fail it or make it wait.
type memoryBucket struct {
	mu      sync.Mutex
	objects map[string]memoryObject
	open    map[string]*memoryMultipart
	clock   func() time.Time
	before  func(ctx context.Context, verb, key string) error
	counts  map[string]int
	weak    bool // ignores conditions

	// The limits of S3 in bytes.
	smallest int64 // of a part that is not the last
	largest  int64 // of what one request writes or copies
	whole    int64 // of an object
}

var errTooLarge = errors.New("EntityTooLarge")

// fits returns an error for what S3 refuses to write with one request.
func (b *memoryBucket) fits(number int32, size int64) error {
	switch {
	case number < 1 || number > 10_000:
		return fmt.Errorf("InvalidArgument: part number %d", number)
	case size > b.largest:
		return fmt.Errorf("%w: %d bytes in one request", errTooLarge, size)
	}
	return nil
}

// tinyChunk is for what has to be cut into parts many times: some of what is left behind them fits into a record, and some does not.
const tinyChunk = 128 << 10

// tiny has a store cut uploads into tiny parts, and its bucket take them.
func tiny(s *Store, b *memoryBucket) {
	b.smallest, s.smallest, s.opt.Config.ChunkSize = tinyChunk, tinyChunk, tinyChunk
	s.budget = newBudget(s.opt.Config.UploadMemory, tinyChunk)
}

type memoryObject struct {
	body []byte
	o    object
}

type memoryMultipart struct {
	key   string
	parts map[int32][]byte
	began time.Time
}

func newMemoryBucket() *memoryBucket {
	return &memoryBucket{objects: map[string]memoryObject{}, open: map[string]*memoryMultipart{}, clock: time.Now, counts: map[string]int{}, smallest: smallestChunk, largest: 5 << 30, whole: 5 << 40}
}

func (b *memoryBucket) enter(ctx context.Context, verb, key string) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.before != nil {
		if err := b.before(ctx, verb, key); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	b.counts[verb]++
	if until, ok := ctx.Value(deadlineKey{}).(time.Time); ok && late(until) {
		b.mu.Unlock()
		return nil, errLate
	}
	return b.mu.Unlock, nil
}

func etagOf(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (b *memoryBucket) find(key string) (memoryObject, error) {
	o, ok := b.objects[key]
	if !ok {
		return o, fmt.Errorf("%s: %w", key, errMissing)
	}
	return o, nil
}

func (b *memoryBucket) head(ctx context.Context, key string) (object, error) {
	leave, err := b.enter(ctx, "head", key)
	if err != nil {
		return object{}, err
	}
	defer leave()
	o, err := b.find(key)
	return o.o, err
}

func (b *memoryBucket) get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, object, error) {
	leave, err := b.enter(ctx, "get", key)
	if err != nil {
		return nil, object{}, err
	}
	defer leave()
	o, err := b.find(key)
	if err != nil {
		return nil, object{}, err
	}
	if etag != "" && o.o.etag != etag {
		return nil, object{}, errCondition
	}
	body := o.body[min(offset, o.o.size):]
	if length >= 0 {
		body = body[:min(length, int64(len(body)))]
	}
	return memoryBody{bytes.NewReader(body)}, o.o, nil
}

// memoryBody is the content of an object.
type memoryBody struct{ *bytes.Reader }

// Close implements io.Closer.
func (memoryBody) Close() error { return nil }

func (b *memoryBucket) set(key string, body []byte) string {
	o := object{key: key, size: int64(len(body)), etag: etagOf(body), modTime: b.clock()}
	b.objects[key] = memoryObject{slices.Clone(body), o}
	return o.etag
}

func (b *memoryBucket) put(ctx context.Context, key string, body []byte, c condition) (string, error) {
	leave, err := b.enter(ctx, "put", key)
	if err != nil {
		return "", err
	}
	defer leave()
	if err := b.fits(1, int64(len(body))); err != nil && !strings.HasSuffix(key, "/session") { // records are not scaled
		return "", err
	}
	now, there := b.objects[key]
	if !b.weak && (c.absent && there || c.etag != "" && (!there || now.o.etag != c.etag)) {
		return "", fmt.Errorf("put %s: %w", key, errCondition)
	}
	return b.set(key, body), nil
}

func (b *memoryBucket) delete(ctx context.Context, key string) error {
	leave, err := b.enter(ctx, "delete", key)
	if err != nil {
		return err
	}
	defer leave()
	delete(b.objects, key)
	return nil
}

func (b *memoryBucket) deleteMany(ctx context.Context, keys []string) map[string]error {
	failed := map[string]error{}
	for _, k := range keys {
		if err := b.delete(ctx, k); err != nil {
			failed[k] = err
		}
	}
	return failed
}

func (b *memoryBucket) deleteIf(ctx context.Context, key, etag string) error {
	leave, err := b.enter(ctx, "delete", key)
	if err != nil {
		return err
	}
	defer leave()
	if o, ok := b.objects[key]; !b.weak && (!ok || o.o.etag != etag) {
		return errCondition
	}
	delete(b.objects, key)
	return nil
}

func (b *memoryBucket) list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	leave, err := b.enter(ctx, "list", prefix)
	if err != nil {
		return page{}, err
	}
	defer leave()
	var p page
	last := ""
	for _, key := range b.sorted(prefix, after) {
		rest := key[len(prefix):]
		folder := ""
		if i := strings.IndexByte(rest, '/'); folders && i >= 0 {
			if folder = prefix + rest[:i+1]; folder == last {
				continue
			}
		}
		if len(p.objects)+len(p.folders) == limit {
			p.more = true
			break
		}
		if folder != "" {
			last = folder
			p.folders = append(p.folders, folder)
			p.last = folder + "~"
			continue
		}
		p.objects = append(p.objects, b.objects[key].o)
		p.last = key
	}
	return p, nil
}

// sorted returns the keys with a prefix that follow another one.
func (b *memoryBucket) sorted(prefix, after string) (keys []string) {
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (b *memoryBucket) startMultipart(ctx context.Context, key string) (string, error) {
	leave, err := b.enter(ctx, "start", key)
	if err != nil {
		return "", err
	}
	defer leave()
	id := newID()
	b.open[id] = &memoryMultipart{key: key, parts: map[int32][]byte{}, began: b.clock()}
	return id, nil
}

func (b *memoryBucket) putPart(ctx context.Context, key, id string, number int32, body []byte) (part, error) {
	leave, err := b.enter(ctx, "part", key)
	if err != nil {
		return part{}, err
	}
	defer leave()
	m := b.open[id]
	if m == nil {
		return part{}, errMissing
	}
	if err := b.fits(number, int64(len(body))); err != nil {
		return part{}, err
	}
	m.parts[number] = slices.Clone(body)
	return part{number, etagOf(body), int64(len(body))}, nil
}

func (b *memoryBucket) copyPart(ctx context.Context, _, id string, number int32, from, etag string, offset, length int64) (part, error) {
	leave, err := b.enter(ctx, "copy", from)
	if err != nil {
		return part{}, err
	}
	defer leave()
	o, err := b.find(from)
	if err != nil {
		return part{}, err
	}
	if etag != "" && o.o.etag != etag {
		return part{}, errCondition
	}
	m := b.open[id]
	if m == nil {
		return part{}, errMissing
	}
	if err := b.fits(number, length); err != nil {
		return part{}, err
	}
	body := slices.Clone(o.body[offset : offset+length])
	m.parts[number] = body
	return part{number, etagOf(body), length}, nil
}

func (b *memoryBucket) copies() bool { return true }

func (b *memoryBucket) completeMultipart(ctx context.Context, key, id string, parts []part) (string, error) {
	leave, err := b.enter(ctx, "complete", key)
	if err != nil {
		return "", err
	}
	defer leave()
	m := b.open[id]
	if m == nil {
		return "", errMissing
	}
	var all []byte
	for i, p := range parts {
		body, ok := m.parts[p.number]
		if !ok || etagOf(body) != p.etag || int(p.number) != i+1 {
			return "", errors.New("a part is missing, another one or out of order")
		}
		if int64(len(body)) < b.smallest && i < len(parts)-1 {
			return "", errors.New("EntityTooSmall")
		}
		all = append(all, body...)
	}
	if int64(len(all)) > b.whole {
		return "", fmt.Errorf("%w: %d bytes in an object", errTooLarge, len(all))
	}
	delete(b.open, id)
	return b.set(key, all), nil
}

func (b *memoryBucket) abortMultipart(ctx context.Context, key, id string) error {
	leave, err := b.enter(ctx, "abort", key)
	if err != nil {
		return err
	}
	defer leave()
	if b.open[id] == nil {
		return errMissing
	}
	delete(b.open, id)
	return nil
}

func (b *memoryBucket) listMultiparts(ctx context.Context, prefix string) ([]openMultipart, error) {
	leave, err := b.enter(ctx, "multiparts", prefix)
	if err != nil {
		return nil, err
	}
	defer leave()
	var all []openMultipart
	for id, m := range b.open {
		if strings.HasPrefix(m.key, prefix) {
			all = append(all, openMultipart{m.key, id, m.began})
		}
	}
	return all, nil
}

func (b *memoryBucket) presign(_ context.Context, key string, _ time.Duration) (string, error) {
	return "https://bucket.example/" + key, nil
}

func (b *memoryBucket) skew() time.Duration { return 0 }

// keys returns what lies below a prefix.
func (b *memoryBucket) keys(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sorted(prefix, "")
}
