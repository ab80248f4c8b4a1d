package storage

import (
	"context"
	"errors"
)

// Errors of Derived.
var (
	ErrNotDerived    = errors.New("no derived record")        // with that name
	ErrDerivedTooBig = errors.New("derived record too large") // larger than the caller's limit
)

// MaxDerived is the largest derived record, in bytes.
const MaxDerived = 8 << 20

// Derived stores data that was derived from stored content and can be rebuilt from it, such as the
// list of files in an archive. It is stored next to the content and is not part of it: garbage
// collection, copies and backups ignore it, and deleting it only costs the next reader some time.
//
// Names are relative paths of letters, digits, -, _ and . that the caller has built from parsed
// values. After a power cut, a record may be incomplete or missing, so readers must validate it.
type Derived interface {
	// ReadDerived returns a record of at most the given number of bytes. It returns ErrNotDerived
	// if there is none and ErrDerivedTooBig, before reading anything, if the record is larger.
	ReadDerived(ctx context.Context, name string, most int64) ([]byte, error)
	// WriteDerived writes or overwrites a record. It returns ErrReadOnly if the store is read-only.
	WriteDerived(ctx context.Context, name string, content []byte) error
	// RemoveDerived removes a record if it exists.
	RemoveDerived(ctx context.Context, name string) error
	// ListDerived calls visit with the name of every record in a folder, which ends in a slash, and
	// in the folders below it, in no order. It stops at the first error of visit and returns that.
	ListDerived(ctx context.Context, folder string, visit func(name string) error) error
}
