package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits of one chart with its subcharts, as helm has them. No real chart exceeds them.
const (
	maxBytes = 100 << 20 // all files, uncompressed
	maxFile  = 16 << 20  // one file, and a packaged chart
	maxFiles = 10_000
	maxDepth = 8 // charts in charts
)

// File is a file of a chart, named relative to the chart's folder, with slashes.
type File struct {
	Name string
	Data []byte
}

// budget is what may still be read of a chart with its subcharts.
type budget struct {
	bytes int64
	files int
}

func newBudget() *budget { return &budget{bytes: maxBytes, files: maxFiles} }

// read reads a file within the budget.
func (b *budget) read(name string, r io.Reader) (File, error) {
	limit := min(b.bytes, maxFile)
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", name, err)
	}
	b.files--
	b.bytes -= int64(len(data))
	if int64(len(data)) > limit || b.files < 0 {
		return File{}, fmt.Errorf("the chart is larger than %d MiB or %d files", maxBytes>>20, maxFiles)
	}
	return File{Name: name, Data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))}, nil
}

// archived returns the files of a packaged chart. Like helm, it drops the first element of each path
// without looking at it.
func archived(r io.Reader, b *budget) ([]File, error) {
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, errors.New("it is not a gzip archive")
	}
	var (
		archive = tar.NewReader(io.LimitReader(unpacked, maxBytes+1))
		files   []File
	)
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && len(files) > 0:
			return files, nil
		case errors.Is(err, io.EOF):
			return nil, errors.New("the archive holds no files")
		case err != nil:
			return nil, fmt.Errorf("read archive: %w", err)
		case header.Typeflag != tar.TypeReg:
			continue
		}
		name := strings.ReplaceAll(header.Name, `\`, "/")
		if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") {
			return nil, fmt.Errorf("the archive holds the path %q, which leads out of the chart", name)
		}
		_, name, found := strings.Cut(name, "/")
		if !found {
			return nil, fmt.Errorf("the archive holds the file %q outside of a folder", header.Name)
		}
		file, err := b.read(path.Clean(name), archive)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
}

// inFolder returns the files of an unpacked chart.
func inFolder(fsys fs.FS, b *budget) ([]File, error) {
	var files []File
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read chart: %w", err)
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := fsys.Open(name)
		if err != nil {
			return fmt.Errorf("read chart: %w", err)
		}
		defer content.Close() //nolint:errcheck // read only
		file, err := b.read(name, content)
		if err == nil {
			files = append(files, file)
		}
		return err
	})
	return files, err
}
