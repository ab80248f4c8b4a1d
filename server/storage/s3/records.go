package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"packhouse/server/config"
)

// ErrNoRecord means that no record with that name exists.
var ErrNoRecord = errors.New("no such record")

// mostRecord is the largest record, in bytes.
const mostRecord = 1 << 20

// Records is a folder of small objects in the bucket that every process of the registry shares,
// such as issued certificates.
type Records struct {
	s      *Store
	folder string
}

// Records returns a folder of records. folder must be a safe key element.
func (s *Store) Records(folder string) *Records { return &Records{s, recordsDir + folder + "/"} }

// OpenRecords opens a folder of records for reading. It neither probes the bucket nor writes to it.
func OpenRecords(ctx context.Context, c config.S3Storage, folder string) (*Records, error) {
	client, err := newClient(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	return newStore(ctx, client, Options{Config: c, ReadOnly: true}).Records(folder), nil
}

func (r *Records) key(name string) string { return r.folder + escapeRecord(name) }

// Get returns a record, or ErrNoRecord.
func (r *Records) Get(ctx context.Context, name string) ([]byte, error) {
	body, _, err := read(ctx, r.s.bucket, r.key(name), mostRecord)
	if errors.Is(err, errMissing) {
		return nil, ErrNoRecord
	}
	return body, err
}

// Put writes a record.
func (r *Records) Put(ctx context.Context, name string, content []byte) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	_, err = r.s.bucket.put(ctx, r.key(name), content, condition{})
	return err
}

// Delete removes a record if it exists.
func (r *Records) Delete(ctx context.Context, name string) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return r.s.bucket.delete(ctx, r.key(name))
}

// Listed is a record and its age by the S3 service's clock.
type Listed struct {
	Name string
	Age  time.Duration
}

// List returns the records whose names need no escaping, sorted by name.
func (r *Records) List(ctx context.Context) ([]Listed, error) {
	var all []Listed
	err := walk(ctx, r.s.bucket, r.folder, func(o object) error {
		if name := strings.TrimPrefix(o.key, r.folder); escapeRecord(name) == name {
			all = append(all, Listed{name, r.s.now().Sub(o.modTime)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return all, nil
}

// escapeRecord encodes any name as one path element.
func escapeRecord(name string) string {
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			out = append(out, c)
		default:
			out = append(out, fmt.Sprintf("!%02x", c)...)
		}
	}
	return string(out)
}
