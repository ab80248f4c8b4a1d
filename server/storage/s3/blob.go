package s3

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

const (
	// firstBytes is how much of a blob OpenBlob requests. A blob that fits is verified right away
	// if it was not before, so that damage is reported as an error response and not as a broken
	// connection.
	firstBytes = 1 << 20
	// heldBack is how much of the end of an unverified blob is withheld from its first reader until
	// the whole is hashed.
	heldBack = 64 << 10
	// rangedFirst is the size of the largest blob that is verified before a range of it is served.
	rangedFirst = 64 << 20
)

// blob is an open blob.
type blob struct {
	o       object
	content io.ReadSeeker
	source  *source
	first   *firstReader // content, if the blob is not verified yet
}

func (b *blob) Content() io.ReadSeeker { return b.content }
func (b *blob) Size() int64            { return b.o.size }
func (b *blob) ModTime() time.Time     { return b.o.modTime }

func (b *blob) Close() error {
	b.source.drop()
	if b.first != nil {
		b.first.close()
	}
	return nil
}

// OpenBlob implements storage.Blobs. It requests the link and the first bytes in parallel.
func (s *Store) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	b, err := s.openBlob(ctx, repo, d, storage.Piece{Length: firstBytes})
	if err != nil {
		return nil, err
	}
	b.source.until = 0 // the rest is read, too
	return b, nil
}

// OpenBlobPiece implements storage.PieceOpener. For a verified blob, it requests only the piece
// from S3, in one request.
func (s *Store) OpenBlobPiece(ctx context.Context, repo reference.Repository, d digest.Digest, piece storage.Piece) (storage.Blob, error) {
	b, err := s.openBlob(ctx, repo, d, piece)
	if err != nil {
		return nil, err
	}
	return b, nil
}

var _ storage.PieceOpener = (*Store)(nil)

// openBlob opens a blob and requests piece, which the caller reads first.
func (s *Store) openBlob(ctx context.Context, repo reference.Repository, d digest.Digest, piece storage.Piece) (*blob, error) {
	var first io.ReadCloser
	o, target, err := s.find(ctx, repo.String(), d, func(_ context.Context, key string) (object, error) {
		if first != nil {
			first.Close()
		}
		var o object
		var err error
		first, o, err = s.bucket.get(ctx, key, "", piece.From, piece.Length)
		return o, err
	})
	if err == nil && !s.plausible(target, o) {
		err = blobUnknown(d)
		if s.bad(target, o) {
			err = &storage.DamagedError{Digest: string(target), What: "its bytes have another digest"}
		}
	}
	if err != nil {
		if first != nil {
			first.Close()
		}
		return nil, err
	}
	end := o.size
	if piece.Length >= 0 {
		end = min(end, piece.From+piece.Length)
	}
	src := &source{s: s, ctx: ctx, key: blobKey(target), digest: target, o: o, body: first, reached: piece.From, end: end, until: end}
	b := &blob{o: o, source: src, content: src}
	if s.good(target, o) {
		return b, nil
	}
	src.hashed = true
	if o.size > firstBytes {
		b.first = &firstReader{s: s, src: src, d: target, h: target.Algorithm().Hash()}
		b.content = b.first
		return b, nil
	}
	if err := src.hold(); err != nil {
		src.drop()
		return nil, fmt.Errorf("read blob: %w", err)
	}
	if err := src.checkDigest(target.Algorithm().FromBytes(src.held)); err != nil {
		return nil, err
	}
	return b, nil
}
