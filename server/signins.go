package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/trust"
)

// The sign-in record is one file beside the store's own data, or one object of the bucket that all
// servers share.
const (
	signInsFolder = "signins"
	signInsFile   = "packhouse/v1/" + signInsFolder + "/record"
	signInsRecord = "record"
	mostSignIns   = 1 << 20 // bytes
)

// openSignIns returns the Keeper for the sign-in record, or nil if the storage is not persistent.
func openSignIns(c *config.Config, store storage.Store) auth.Keeper {
	var k auth.Keeper
	switch shared, able := store.(storage.Shared); {
	case c.Auth.Method == config.AuthNone:
		return nil
	case able:
		k = signInsInBucket{shared.Records(signInsFolder)}
	case c.Storage.Driver == config.Filesystem:
		k = signInsOnDisk(c.Storage.Filesystem.RootDirectory)
	default:
		return nil
	}
	if c.Storage.Maintenance.ReadOnly.Enabled {
		return readOnlySignIns{k}
	}
	return k
}

// signInsOnDisk stores the record below the root of a file-system store, readable only by the
// server.
type signInsOnDisk string

// Load implements auth.Keeper. It opens nothing outside the root and does not follow a link in
// place of the record.
func (dir signInsOnDisk) Load(context.Context) ([]byte, error) {
	root, err := trust.OpenRoot(string(dir))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	defer root.Close()
	below, err := root.Sub(path.Dir(signInsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer below.Close()
	f, err := below.OpenRegular(path.Base(signInsFile), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trust.ReadAtMost(f, mostSignIns)
}

// Save implements auth.Keeper. It replaces the record atomically.
func (dir signInsOnDisk) Save(_ context.Context, record []byte) error {
	root, err := os.OpenRoot(string(dir))
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(signInsFile), 0o700); err != nil {
		return err
	}
	staged := signInsFile + ".new"
	if err := root.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if info, err := root.Stat(filepath.Dir(staged)); err == nil {
		trust.Inherit(f, info)
	}
	_, err = f.Write(record)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Rename(staged, signInsFile)
}

// signInsInBucket stores the record in the bucket. Servers that share it merge each other's records
// before saving. If two save at once, sign-ins of one may be lost until its next save.
type signInsInBucket struct{ records storage.Records }

// Load implements auth.Keeper.
func (b signInsInBucket) Load(ctx context.Context) ([]byte, error) {
	record, err := b.records.Get(ctx, signInsRecord)
	if errors.Is(err, storage.ErrNoRecord) {
		return nil, nil
	}
	return record, err
}

// Save implements auth.Keeper.
func (b signInsInBucket) Save(ctx context.Context, record []byte) error {
	return b.records.Put(ctx, signInsRecord, record)
}

// readOnlySignIns discards writes.
type readOnlySignIns struct{ auth.Keeper }

// Save implements auth.Keeper.
func (readOnlySignIns) Save(context.Context, []byte) error { return nil }
