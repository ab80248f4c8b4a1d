package storage

import (
	"context"
	"errors"
)

// Errors of a Derived.
var (
	ErrNotDerived    = errors.New("no derived record")        // of that name
	ErrDerivedTooBig = errors.New("derived record too large") // for what the caller is prepared to read
)

// MaxDerived is the largest derived record, in bytes.
const MaxDerived = 8 << 20

// Derived keeps what was made of stored content and can be made of it again, such as the list of the files in an archive. It lies beside the
// content and is no part of it: collection, copies and backups know nothing of it, and whoever deletes it costs the next reader some time.
//
// Names are relative paths of letters, digits, -, _ and . that the caller has built from parsed values. A record is there whole or, after a
// power cut, in part or not at all: whoever reads one checks it.
type Derived interface {
	// ReadDerived returns a record of at most the given number of bytes. It returns ErrNotDerived if there is none and ErrDerivedTooBig, before
	// it reads anything, if the record is larger.
	ReadDerived(ctx context.Context, name string, most int64) ([]byte, error)
	// WriteDerived writes a record, over whatever is there; ErrReadOnly where nothing is written.
	WriteDerived(ctx context.Context, name string, content []byte) error
	// RemoveDerived removes a record, if there is one.
	RemoveDerived(ctx context.Context, name string) error
}
