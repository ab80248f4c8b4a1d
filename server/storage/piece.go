package storage

import (
	"context"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Piece is the part of a blob that the caller intends to read.
type Piece struct {
	From   int64 // offset of its first byte
	Length int64 // in bytes; negative: to the end
}

// PieceOpener is an optional interface of a Store for which unread bytes are expensive.
// OpenBlobPiece is OpenBlob for a caller that intends to read that piece. The Blob is still the
// whole one, with its full size, and can be read elsewhere.
type PieceOpener interface {
	OpenBlobPiece(ctx context.Context, repo reference.Repository, d digest.Digest, piece Piece) (Blob, error)
}

// OpenBlobPiece opens a blob of any store to read a piece of it.
func OpenBlobPiece(ctx context.Context, s Blobs, repo reference.Repository, d digest.Digest, piece Piece) (Blob, error) {
	if o, able := s.(PieceOpener); able {
		return o.OpenBlobPiece(ctx, repo, d, piece)
	}
	return s.OpenBlob(ctx, repo, d)
}
