package filesystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

const (
	// heldBack is how much of the end of an unverified blob is withheld from its first reader until
	// the whole is hashed.
	heldBack = 64 << 10
	// hashedFirst is the size of the largest blob that is verified when it is opened, so that
	// damage is reported as an error response and not as a broken connection.
	hashedFirst = 1 << 20
	// rangedFirst is the size of the largest blob that is verified before a range of it is sent.
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
	b, pending, err := s.openBlob(ctx, target)
	if pending && errors.Is(err, storage.ErrBlobDamaged) {
		// The checkpoint may have detected the failure in the meantime and written the blob again
		// from the journal.
		if again, _, aerr := s.openBlob(ctx, target); !errors.Is(aerr, storage.ErrBlobUnknown) {
			b, err = again, aerr
		}
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// openBlob opens the data of a digest and chooses how it is verified. It reports whether the data
// was pending.
func (s *Store) openBlob(ctx context.Context, d digest.Digest) (b *blob, pending bool, err error) {
	f, err := s.disk.Open(blobPath(d))
	if absent(err) {
		return nil, false, fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open blob: %w", err)
	}
	b = &blob{f: f}
	if b.info, err = f.Stat(); err != nil {
		err = fmt.Errorf("stat blob: %w", err)
	} else if !b.info.Regular {
		err = fmt.Errorf("%w: %s", storage.ErrBlobUnknown, d)
	} else if pending = b.info.Size <= inlineMost && s.pendingWrite(blobDir(d)); pending {
		b.content, err = s.readPending(f, b.info, d)
	} else {
		b.content, err = s.contentOf(ctx, f, b.info, d)
	}
	if err != nil {
		f.Close()
		return nil, pending, err
	}
	return b, pending, nil
}

// contentOf returns a reader of a blob's content: the file itself if it is verified.
func (s *Store) contentOf(ctx context.Context, f disk.File, info disk.Info, d digest.Digest) (io.ReadSeeker, error) {
	if !s.verified.has(d, info) {
		if info.Size > hashedFirst {
			return &firstReader{s: s, ctx: ctx, f: f, info: info, d: d}, nil
		}
		if err := s.verify(ctx, f, info, d); err != nil {
			return nil, err
		}
	}
	return f.Content(), nil
}

// pendingWrite reports whether files in dir may not have reached the device yet. Only the page
// cache holds them, which loses what it fails to write, so no earlier verification counts. Files
// larger than inlineMost were synced before they were named.
func (s *Store) pendingWrite(dir string) bool {
	if s.opt.ReadOnly {
		return false
	}
	select {
	case <-s.settled:
	default:
		return true
	}
	j := s.journal.Load()
	return *s.unsettled.Load() != nil || j != nil && j.pending(dir)
}

// readPending reads a small blob into memory and verifies the bytes that it returns.
func (s *Store) readPending(f disk.File, info disk.Info, d digest.Digest) (io.ReadSeeker, error) {
	epoch, body := s.verified.epoch(), make([]byte, info.Size)
	if n, err := f.ReadAt(body, 0); int64(n) < info.Size {
		return nil, fmt.Errorf("read blob: %w", err)
	}
	if err := s.checkDigest(f, info, d, d.Algorithm().FromBytes(body), info.Size, epoch); err != nil {
		return nil, err
	}
	return bytes.NewReader(body), nil
}
