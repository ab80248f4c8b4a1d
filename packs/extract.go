package packs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Extract writes an archive's pack into dir, which must exist, without the archive's top-level
// folder. It reads and validates the whole archive before it creates the first file. Files are
// never written outside of dir, and never overwritten.
func Extract(ctx context.Context, r io.ReadSeeker, dir string, limits Limits) (*Contents, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // every file is closed by itself
	return extract(ctx, r, root, limits)
}

func extract(ctx context.Context, r io.ReadSeeker, root *os.Root, limits Limits) (*Contents, error) {
	contents, err := ReadArchive(ctx, r, limits, nil)
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read archive again: %w", err)
	}
	_, err = ReadArchive(ctx, r, limits, func(f File, content io.Reader) error {
		name, ok := below(f.Path, contents.Root)
		if !ok {
			return nil
		}
		return extractFile(root, name, f.Mode, content)
	})
	if err != nil {
		return nil, err
	}
	return contents, nil
}

func extractFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if folder := path.Dir(name); folder != "." {
		if err := root.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
