package storage

import (
	"context"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// Piece is the part of a blob that somebody is going to read.
type Piece struct {
	From   int64 // offset of its first byte
	Length int64 // in bytes; negative: to the end
}

// PieceOpener is what a Store may be, too, where bytes that nobody reads cost something: OpenBlobPiece is OpenBlob by somebody who means to read
// that piece. The Blob is the whole one nevertheless, with its size, and may be read elsewhere.
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
