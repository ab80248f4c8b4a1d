package filesystem

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

const (
	// heldBack is how much of a blob a first reader does not get before all of it was hashed.
	heldBack = 64 << 10
	// hashedFirst is the largest blob that is hashed when it is opened, so that damage is an answer and not a broken connection.
	hashedFirst = 1 << 20
	// rangedFirst is the largest blob that is hashed before a range of it is handed out.
	rangedFirst = 64 << 20
)

// blob is an open blob.
type blob struct {
	f       disk.File
	info    disk.Info
	content io.ReadSeeker
}

func (b *blob) Content() io.ReadSeeker { return b.content }
func (b *blob) Size() int64            { return b.info.Size }
func (b *blob) ModTime() time.Time     { return b.info.ModTime }
func (b *blob) Close() error           { return b.f.Close() }

// OpenBlob implements storage.Blobs.
func (s *Store) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	target, _, ok, err := s.linked(layerDir(repo.String(), d), d)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	f, err := s.disk.Open(blobPath(target))
	if absent(err) {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	b, err := s.openBlob(ctx, f, target)
	if err != nil {
		f.Close()
		return nil, err
	}
	return b, nil
}

func (s *Store) openBlob(ctx context.Context, f disk.File, d digest.Digest) (*blob, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat blob: %w", err)
	}
	b := &blob{f: f, info: info}
	if !info.Regular {
		return nil, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if !s.verified.has(d, info) {
		if info.Size > hashedFirst {
			b.content = &firstReader{s: s, ctx: ctx, f: f, info: info, d: d}
			return b, nil
		}
		if err := s.verify(ctx, f, info, d); err != nil {
			return nil, err
		}
	}
	b.content = f.Content()
	return b, nil
}
