// Package inmemory keeps a store in memory, for trials and tests: the engine of package filesystem over a disk that is memory. Nothing of
// it outlives the process.
//
// The disk can also remember what was synced and play a power cut, which is how the engine's promises are tested.
package inmemory

import (
	"context"

	"packhouse/server/storage/filesystem"
)

// Open makes an empty store. Root and ReadOnly of the options mean nothing here.
func Open(ctx context.Context, o filesystem.Options) (*filesystem.Store, error) {
	o.Root, o.ReadOnly = "", false
	return filesystem.OpenDisk(ctx, NewDisk(DiskOptions{Now: o.Now}), o)
}
