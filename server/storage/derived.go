package storage

import (
	"context"
	"errors"
)

// ErrNotDerived says that there is no derived record of that name.
var ErrNotDerived = errors.New("no derived record")

// MaxDerived is the largest derived record, in bytes.
const MaxDerived = 16 << 20

// Derived keeps what was made of stored content and can be made of it again, such as the list of the files in an archive. It lies beside the
// content and is no part of it: collection, copies and backups know nothing of it, and whoever deletes it costs the next reader some time.
//
// Names are relative paths of letters, digits, -, _ and . that the caller has built from parsed values. A record is there whole or, after a
// power cut, in part or not at all: whoever reads one checks it.
type Derived interface {
	// ReadDerived returns a record; ErrNotDerived.
	ReadDerived(ctx context.Context, name string) ([]byte, error)
	// WriteDerived writes a record, over whatever is there; ErrReadOnly where nothing is written.
	WriteDerived(ctx context.Context, name string, content []byte) error
	// RemoveDerived removes a record, if there is one.
	RemoveDerived(ctx context.Context, name string) error
}
