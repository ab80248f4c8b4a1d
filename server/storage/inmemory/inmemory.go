// Package inmemory provides a store in memory, for trials and tests: the filesystem driver on a
// disk in memory. Nothing outlives the process.
//
// The disk can also track what was synced and simulate a power cut, to test the driver's
// durability.
package inmemory

import (
	"context"

	"packhouse/server/storage/filesystem"
)

// Open creates an empty store. It ignores Root and ReadOnly of the options.
func Open(ctx context.Context, o filesystem.Options) (*filesystem.Store, error) {
	o.Root, o.ReadOnly = "", false
	return filesystem.OpenDisk(ctx, NewDisk(DiskOptions{Now: o.Now}), o)
}
