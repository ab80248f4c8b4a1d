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

// ErrCacheMiss is returned by a Cache that does not have what it was asked for.
var ErrCacheMiss = errors.New("not in the cache of ACME")

// Cache keeps what must survive the process. Keys are made of letters, digits and ".-_+:" and begin with a letter, digit or "_"; values
// may hold private keys. What Put has returned without an error must be there after a crash.
type Cache interface {
	Get(ctx context.Context, key string) ([]byte, error) // ErrCacheMiss where there is nothing
	Put(ctx context.Context, key string, data []byte) error
	Delete(ctx context.Context, key string) error // no error where there is nothing
}

// Directory is a Cache in a directory: one file for each key. The directory is made with mode 0700 when something is first put into it.
type Directory string

var errKey = errors.New("no name for an entry of the cache")

// path returns the file of a key. Keys come from names of hosts and from a CA: they are held to what a file may be called.
func (d Directory) path(key string) (string, error) {
	if !validKey(key) {
		return "", fmt.Errorf("%w: %q", errKey, key)
	}
	return filepath.Join(string(d), key), nil
}

// maxKey is the most characters of a key: below what file systems allow, with room for the name of a staged file.
const maxKey = 200

// maxEntry is the most bytes of an entry: a key with its chain, or an account.
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

// Put writes the file of a key, with mode 0600, and replaces it in one step.
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

// make makes the directory, and closes one that others may look into: it holds private keys.
func (d Directory) make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	dir, err := cachePolicy().OpenToOwn(string(d)) // root must not change the mode of what a link leads to
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

// cachePolicy accepts a cache of any owner. Links in directories that other users can write are not followed.
func cachePolicy() trust.Policy {
	policy := trust.Self()
	policy.AnyOwner = true
	return policy
}

// replace writes a file so that after a crash it has the old content or the new one.
func replace(path string, data []byte) error {
	staged, err := os.CreateTemp(filepath.Dir(path), ".staged-*") // mode 0600
	if err != nil {
		return err
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
	_ = dir.Sync() // not every system can
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
