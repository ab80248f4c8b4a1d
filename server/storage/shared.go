package storage

import (
	"context"
	"errors"
	"time"
)

// Errors of stores that several processes share.
var (
	// ErrNoRecord means that no record with that name exists.
	ErrNoRecord = errors.New("no such record")
	// ErrElsewhere means that another process that shares the store is scrubbing it.
	ErrElsewhere = errors.New("another process that shares the store is scrubbing it")
)

// Shared is implemented by stores that several processes may use at once, such as one in a bucket.
type Shared interface {
	// Records returns a folder of records. folder must be a safe path element.
	Records(folder string) Records
	// Lease acquires a time-limited lock. The returned context is canceled when the lease is lost,
	// and release releases it. ok is false if another process holds it. It only prevents double
	// work: safety does not depend on mutual exclusion.
	Lease(ctx context.Context, name string) (held context.Context, release func(), ok bool, err error)
}

// Records is a folder of small objects beside the content of the store, such as issued
// certificates. All processes that share the store see the same ones.
type Records interface {
	// Get returns a record, or ErrNoRecord.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put writes or overwrites a record.
	Put(ctx context.Context, name string, content []byte) error
	// Delete removes a record if it exists.
	Delete(ctx context.Context, name string) error
	// List returns the records whose names consist of letters, digits, '-', '_' and '.', sorted by
	// name.
	List(ctx context.Context) ([]Record, error)
}

// Record is an entry of Records.
type Record struct {
	Name string
	Age  time.Duration // by the clock of the storage
}
