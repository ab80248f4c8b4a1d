// Package drivers opens the store that a configuration names. It is the only package that knows all
// storage drivers.
package drivers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/s3"
)

// Options configures how a store is opened. Only Log is required.
type Options struct {
	Log *slog.Logger
	Now func() time.Time // nil: time.Now

	// Wait is the maximum time to wait for an offline command that owns a file-system store.
	Wait time.Duration
	// Work names the offline command that opens the store, such as "store gc"; "" for a server. If a
	// server starts on the same file-system store meanwhile, it waits for the command to close it;
	// Yield is then called once.
	Work  string
	Yield func()
}

// Open opens the configured store.
func Open(ctx context.Context, c *config.Config, o Options) (storage.Store, error) {
	readOnly, window := c.Storage.Maintenance.ReadOnly.Enabled, c.Storage.Maintenance.GC.Window
	open := filesystem.Open
	switch c.Storage.Driver {
	case config.Filesystem:
	case config.InMemory:
		open = inmemory.Open
	case config.S3:
		store, err := s3.Open(ctx, s3.Options{
			Config: c.Storage.S3, ReadOnly: readOnly, Log: o.Log, Now: o.Now, Window: window,
			UploadsPerUser: c.HTTP.Limits.UploadsPerUser,
		})
		if err != nil {
			return nil, err // a nil *s3.Store would be a non-nil storage.Store
		}
		return store, nil
	default:
		return nil, fmt.Errorf("storage driver %q is not one of %s, %s, %s",
			c.Storage.Driver, config.Filesystem, config.InMemory, config.S3)
	}
	store, err := open(ctx, filesystem.Options{
		Root: c.Storage.Filesystem.RootDirectory, ReadOnly: readOnly, Log: o.Log, Now: o.Now, Window: window,
		ProbeEvery: c.Health.StorageDriver.Interval, UploadsPerUser: c.HTTP.Limits.UploadsPerUser,
		Wait: o.Wait, Work: o.Work, Yield: o.Yield,
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}

var errNotShared = errors.New("the storage keeps no records")

// OpenRecords opens a folder of records of the configured store for reading (see storage.Shared). It
// neither probes the storage nor writes to it. The drivers filesystem and inmemory have no records.
func OpenRecords(ctx context.Context, c *config.Config, folder string) (storage.Records, error) {
	if c.Storage.Driver != config.S3 {
		return nil, errNotShared
	}
	return s3.OpenRecords(ctx, c.Storage.S3, folder)
}
