package record

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// ErrOther means that a file does not match its record. The record was changed, and is removed.
var ErrOther = errors.New("the file has other content than its record says")

// Open calls read with the content of one file of an archive. If the file does not match the
// record, the content ends with ErrOther before its last bytes.
func (r *Records) Open(ctx context.Context, repo reference.Repository, rec *Record, f packs.File, read func(io.Reader) error) error {
	blob, err := r.o.Blobs.OpenBlob(ctx, repo, rec.Archive)
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // read only
	unpacked, err := gzip.NewReader(until{ctx, blob.Content()})
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	archive, wanted := tar.NewReader(unpacked), path.Join(rec.Root, f.Path)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			r.forget(ctx, rec.Archive)
			return fmt.Errorf("find %q in its archive: %w", wanted, ErrOther)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if path.Clean(header.Name) != wanted || header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeGNUSparse {
			continue
		}
		err = read(&checked{r: archive, left: f.Size, hash: sha256.New(), want: f.SHA256})
		if errors.Is(err, ErrOther) {
			r.forget(ctx, rec.Archive)
		}
		return err
	}
}

// forget removes a record, so that it is rebuilt.
func (r *Records) forget(ctx context.Context, archive digest.Digest) {
	r.memory.remove("summary/" + string(archive))
	r.remove(ctx, name(archive, ".json"))
}

// unwritable reports whether an error means that the store cannot be written, so that records stay
// in memory.
func unwritable(err error) bool {
	return errors.Is(err, storage.ErrReadOnly) || errors.Is(err, storage.ErrUnwritable)
}

// checked reads a file and returns its last bytes only after it has verified the hash.
type checked struct {
	r    io.Reader
	left int64 // unread bytes
	hash hash.Hash
	want string
	end  *bytes.Reader // the last bytes, once the hash is verified
}

// holdBack is the number of bytes at the end of a file that checked holds back.
const holdBack = 64 << 10

func (c *checked) Read(p []byte) (int, error) {
	if c.end != nil {
		return c.end.Read(p)
	}
	if c.left > holdBack {
		n, err := c.r.Read(p[:min(int64(len(p)), c.left-holdBack)])
		c.hash.Write(p[:n])
		c.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = ErrOther // the file is too short
		}
		return n, err
	}
	end := make([]byte, c.left)
	if _, err := io.ReadFull(c.r, end); err != nil {
		return 0, errors.Join(ErrOther, err)
	}
	c.hash.Write(end)
	if n, _ := c.r.Read(make([]byte, 1)); n > 0 || hex.EncodeToString(c.hash.Sum(nil)) != c.want {
		return 0, ErrOther
	}
	c.end = bytes.NewReader(end)
	return c.end.Read(p)
}

// until is a reader that fails once its context ends.
type until struct {
	ctx context.Context //nolint:containedctx // lives as long as one reading
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
