package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"packhouse/server/storage"
)

// foundUpload is an upload in progress or the remains of one: an upload session, an upload of
// distribution, or an open multipart upload.
type foundUpload struct {
	keys []string
	size int64
	last time.Time // time of its last change
	// of a multipart upload
	key, id string
}

// eachUpload calls do for every upload.
func (s *Store) eachUpload(ctx context.Context, do func(foundUpload) error) error {
	if err := s.eachGroup(ctx, uploadsDir, func(key string) string {
		p := strings.SplitN(strings.TrimPrefix(key, uploadsDir), "/", 3)
		if len(p) < 3 {
			return key
		}
		return p[0] + "/" + p[1]
	}, do); err != nil {
		return err
	}
	if err := s.eachGroup(ctx, reposDir, func(key string) string {
		if k, ok := parseRepoKey(key); ok && k.kind == uploadKind {
			return k.repo + ":" + k.upload
		}
		return ""
	}, do); err != nil {
		return err
	}
	return s.eachMultipart(ctx, do)
}

// eachGroup calls do for each run of consecutive objects below a prefix that have the same group.
// It skips objects whose group is empty.
func (s *Store) eachGroup(ctx context.Context, prefix string, group func(key string) string, do func(foundUpload) error) error {
	var now foundUpload
	name := ""
	end := func() error {
		if name == "" {
			return nil
		}
		return do(now)
	}
	err := walk(ctx, s.bucket, prefix, func(o object) error {
		g := group(o.key)
		if g != name {
			if err := end(); err != nil {
				return err
			}
			now, name = foundUpload{}, g
		}
		now.keys = append(now.keys, o.key)
		if !strings.HasSuffix(o.key, "/session") {
			now.size += o.size
		}
		if o.modTime.After(now.last) {
			now.last = o.modTime
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	return end()
}

// eachMultipart calls do for every open multipart upload: the recorded ones, and others that the
// service lists.
func (s *Store) eachMultipart(ctx context.Context, do func(foundUpload) error) error {
	known := map[string]bool{}
	err := walk(ctx, s.bucket, multipartDir, func(o object) error {
		body, _, err := read(ctx, s.bucket, o.key, 4<<10)
		if errors.Is(err, errMissing) {
			return nil // completed in the meantime
		}
		if err != nil {
			return err
		}
		var r multipartRecord
		if json.Unmarshal(body, &r) != nil {
			return nil
		}
		known[r.ID] = true
		return do(foundUpload{keys: []string{o.key}, last: o.modTime, key: r.Key, id: r.ID})
	})
	if err != nil {
		return fmt.Errorf("list multipart uploads: %w", err)
	}
	for _, prefix := range []string{theirs, ours} {
		listed, err := s.bucket.listMultiparts(ctx, prefix)
		if err != nil {
			s.log.Debug("the S3 service does not list multipart uploads", "error", err)
			return nil // the records are authoritative
		}
		for _, m := range listed {
			if known[m.id] {
				continue
			}
			if err := do(foundUpload{last: m.started, key: m.key, id: m.id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// PurgeUploads implements storage.Upkeep. The age of an upload is that of its last chunk.
func (s *Store) PurgeUploads(ctx context.Context, age time.Duration, dryRun bool) (storage.PurgeReport, error) {
	report := storage.PurgeReport{DryRun: dryRun}
	if s.opt.ReadOnly && !dryRun {
		return report, storage.ErrReadOnly
	}
	ctx, stop := s.running(ctx)
	defer stop()
	now := s.now()
	err := s.eachUpload(ctx, func(u foundUpload) error {
		if now.Sub(u.last) <= age {
			report.Kept++
			return nil
		}
		report.Removed++
		report.Bytes += u.size
		if dryRun {
			return nil
		}
		if u.id != "" {
			if err := s.bucket.abortMultipart(ctx, u.key, u.id); err != nil && !errors.Is(err, errMissing) {
				return err
			}
		}
		return s.purge(ctx, u.keys)
	})
	if err != nil {
		return report, fmt.Errorf("purge uploads: %w", err)
	}
	return report, nil
}

// purge removes an upload. It deletes the session record first, so that no client can continue the
// upload.
func (s *Store) purge(ctx context.Context, keys []string) error {
	for _, k := range keys {
		if strings.HasSuffix(k, "/session") {
			if err := s.bucket.delete(ctx, k); err != nil {
				return err
			}
		}
	}
	return s.deleteAll(ctx, slices.DeleteFunc(keys, func(k string) bool { return strings.HasSuffix(k, "/session") }))
}
