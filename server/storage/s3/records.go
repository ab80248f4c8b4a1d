package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// mostRecord is the largest record, in bytes.
const mostRecord = 1 << 20

// records implements storage.Records with objects of the bucket.
type records struct {
	s      *Store
	folder string
}

// Records implements storage.Shared.
func (s *Store) Records(folder string) storage.Records { return &records{s, recordsDir + folder + "/"} }

// OpenRecords opens a folder of records for reading. It neither probes the bucket nor writes to it.
func OpenRecords(ctx context.Context, c config.S3Storage, folder string) (storage.Records, error) {
	client, err := newClient(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	return newStore(ctx, client, Options{Config: c, ReadOnly: true}).Records(folder), nil
}

func (r *records) key(name string) string { return r.folder + escapeRecord(name) }

// Get implements storage.Records.
func (r *records) Get(ctx context.Context, name string) ([]byte, error) {
	body, _, err := read(ctx, r.s.bucket, r.key(name), mostRecord)
	if errors.Is(err, errMissing) {
		return nil, storage.ErrNoRecord
	}
	return body, err
}

// Put implements storage.Records.
func (r *records) Put(ctx context.Context, name string, content []byte) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	_, err = r.s.bucket.put(ctx, r.key(name), content, condition{})
	return err
}

// Delete implements storage.Records.
func (r *records) Delete(ctx context.Context, name string) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return r.s.bucket.delete(ctx, r.key(name))
}

// List implements storage.Records.
func (r *records) List(ctx context.Context) ([]storage.Record, error) {
	var all []storage.Record
	err := walk(ctx, r.s.bucket, r.folder, func(o object) error {
		if name := strings.TrimPrefix(o.key, r.folder); escapeRecord(name) == name {
			all = append(all, storage.Record{Name: name, Age: r.s.now().Sub(o.modTime)})
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
