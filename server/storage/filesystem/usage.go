package filesystem

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// Usage implements storage.Upkeep. It walks the store.
func (s *Store) Usage(ctx context.Context) (storage.Usage, error) {
	ctx, stop := s.running(ctx)
	defer stop()
	m := s.newMarks()
	m.count = true
	defer m.close()
	u := storage.Usage{Repositories: []storage.RepositoryUsage{}}
	if err := m.walk(ctx); err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	for i, name := range m.repos {
		u.Repositories = append(u.Repositories, storage.RepositoryUsage{Name: name, Tags: m.tags[i]})
	}
	for i := range 256 {
		if err := s.measure(ctx, m, byte(i), &u); err != nil { //nolint:gosec // 0 to 255
			return u, fmt.Errorf("measure usage: %w", err)
		}
	}
	for _, session := range s.sessions.list(s) {
		u.Uploads++
		u.UploadBytes += session.upload().Offset
	}
	err := s.eachForeignUpload(ctx, func(_ string, _ time.Time, size int64) error {
		u.Uploads++
		u.UploadBytes += size
		return nil
	})
	if err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	_ = s.disk.List(quarantineDir, func(disk.Entry) error {
		u.Quarantined++
		return nil
	})
	if u.Space, err = s.Space(ctx); err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	return u, nil
}

// measure adds the blobs whose digest begins with the given byte.
func (s *Store) measure(ctx context.Context, m *marks, first byte, u *storage.Usage) error {
	live := map[string]struct{}{}
	if err := m.live.each(first, func(k string, _ []byte) { live[k] = struct{}{} }); err != nil {
		return err
	}
	links := map[string][]linkedBy{}
	err := m.links.each(first, func(k string, tail []byte) {
		links[k] = append(links[k], linkedBy{int(binary.BigEndian.Uint32(tail[1:])), tail[0]})
	})
	if err != nil {
		return err
	}
	return s.eachBlob(ctx, first, m.problem, func(d digest.Digest, info disk.Info) error {
		k, _ := key(d)
		u.Blobs++
		u.Bytes += info.Size
		if _, ok := live[k]; !ok {
			u.Unreferenced += info.Size
		}
		var sole *storage.RepositoryUsage
		seen := map[int]struct{}{}
		for _, l := range links[k] {
			r := &u.Repositories[l.repo]
			if l.kind == layerLink {
				r.Blobs++
			} else {
				r.Manifests++
			}
			if _, ok := seen[l.repo]; !ok {
				seen[l.repo], sole = struct{}{}, r
				r.Bytes += info.Size
			}
		}
		if len(seen) == 1 {
			sole.Unique += info.Size
		}
		return nil
	})
}
