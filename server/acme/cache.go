package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"packhouse/trust"
)

// ErrCacheMiss is returned by a Cache if it has no entry for a key.
var ErrCacheMiss = errors.New("not in the cache of ACME")

// Cache stores what must survive the process. Keys consist of letters, digits and ".-_+:" and begin
// with a letter, digit or "_"; values may contain private keys. Entries must be durable when Put
// returns without an error.
type Cache interface {
	Get(ctx context.Context, key string) ([]byte, error) // ErrCacheMiss if there is no entry
	Put(ctx context.Context, key string, data []byte) error
	Delete(ctx context.Context, key string) error // no error if there is no entry
}

// Directory is a Cache in a directory, with one file per key. The first Put creates the directory
// with mode 0700.
type Directory string

var errKey = errors.New("no name for an entry of the cache")

// path returns the file of a key. It validates the key, which comes from host names and from a CA.
func (d Directory) path(key string) (string, error) {
	if !validKey(key) {
		return "", fmt.Errorf("%w: %q", errKey, key)
	}
	return filepath.Join(string(d), key), nil
}

// maxKey is the maximum length of a key: below file system limits, leaving room for the name of a
// staged file.
const maxKey = 200

// maxEntry is the maximum size of an entry in bytes: a key with its chain, or an account.
const maxEntry = 1 << 20

func validKey(key string) bool {
	if key == "" || len(key) > maxKey || strings.IndexByte(".-+:", key[0]) >= 0 {
		return false
	}
	return strings.IndexFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_+:", r))
	}) < 0
}

// Get reads the file of a key.
func (d Directory) Get(_ context.Context, key string) ([]byte, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	data, err := cachePolicy().ReadShared(path, maxEntry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrCacheMiss
	}
	if err != nil {
		return nil, fmt.Errorf("read cache: %w", err)
	}
	return data, nil
}

// Put atomically writes the file of a key with mode 0600.
func (d Directory) Put(_ context.Context, key string, data []byte) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := d.make(); err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	if err := replace(path, data); err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	return nil
}

// make creates the directory, or removes other users' access to an existing one, because it
// contains private keys.
func (d Directory) make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	dir, err := cachePolicy().OpenToOwn(string(d)) // root must not change the mode of a link's target
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return dir.Chmod(0o700)
	}
	return nil
}

// cachePolicy accepts a cache of any owner. It does not follow links in directories that other
// users can write to.
func cachePolicy() trust.Policy {
	policy := trust.Self()
	policy.AnyOwner = true
	return policy
}

// replace atomically replaces the content of a file.
func replace(path string, data []byte) error {
	staged, err := os.CreateTemp(filepath.Dir(path), ".staged-*") // mode 0600
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(path)); err == nil {
		trust.Inherit(staged, info)
	}
	_, err = staged.Write(data)
	err = errors.Join(err, staged.Sync(), staged.Close())
	if err == nil {
		err = os.Rename(staged.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = dir.Sync() // not supported everywhere
	return dir.Close()
}

// Delete removes the file of a key.
func (d Directory) Delete(_ context.Context, key string) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write cache: %w", err)
	}
	return nil
}
