package packs

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"packhouse/finding"
	"packhouse/trust"
)

// Archived describes a written archive.
type Archived struct {
	Folder string // top-level folder
	Digest string // sha256:<hex> of the archive
	Size   int64
	Files  int
	Bytes  int64 // total size of all files, uncompressed
}

// Archive writes the pack in dir as a gzipped tar, in a folder called <name>-<version> regardless
// of the name of dir.
//
// The same files yield the same bytes on any machine: paths are sorted, and the only metadata kept
// is the executable bit. Files of desktops and version control are left out; a link or a device is
// an error. progress, if not nil, receives the number of bytes archived so far.
func Archive(ctx context.Context, w io.Writer, dir string, progress func(done int64)) (Archived, error) {
	root, err := trust.OpenFolder(dir)
	if err != nil {
		return Archived{}, fmt.Errorf("open pack: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	return archiveFS(ctx, w, root.FS(), progress)
}

// archiveFS is Archive for the pack at the root of a file system.
func archiveFS(ctx context.Context, w io.Writer, fsys fs.FS, progress func(done int64)) (Archived, error) {
	text, err := ReadText(fsys, MetadataFile)
	if err != nil {
		return Archived{}, fmt.Errorf("read pack: %w", err)
	}
	metadata, problems := ParseMetadata(text)
	if metadata == nil || metadata.Name == "" || metadata.Version == "" {
		return Archived{}, &Refused{problems}
	}
	if progress == nil {
		progress = func(int64) {}
	}
	hash := sha256.New()
	counted := &countingWriter{w: io.MultiWriter(w, hash)}
	packed := gzip.NewWriter(counted)
	a := &archiver{ctx: ctx, fsys: fsys, archive: tar.NewWriter(packed), folders: map[string]bool{}, progress: progress}
	a.made.Folder = metadata.Folder()
	if err := a.write(); err != nil {
		return Archived{}, err
	}
	if err := errors.Join(a.archive.Close(), packed.Close()); err != nil {
		return Archived{}, fmt.Errorf("write archive: %w", err)
	}
	a.made.Digest, a.made.Size = "sha256:"+hex.EncodeToString(hash.Sum(nil)), counted.n
	return a.made, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// endingReader fails when its context is done.
type endingReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one file
	r   io.Reader
}

func (e *endingReader) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.r.Read(p)
}

// archiver writes one archive.
type archiver struct {
	ctx     context.Context //nolint:containedctx // lives as long as one archive
	fsys    fs.FS
	archive *tar.Writer
	folders map[string]bool // already written
	made    Archived

	progress func(done int64)
}

// write writes all entries. The walk is sorted by name within each folder.
func (a *archiver) write() error {
	if err := a.folder("."); err != nil {
		return err
	}
	var refused []finding.Finding
	err := walk(a.fsys, Limits{}.withDefaults(), func(p finding.Finding) {
		if p.Severity == finding.Refused {
			refused = append(refused, p)
		}
	}, a.file)
	if err == nil && len(refused) > 0 {
		err = &Refused{refused}
	}
	return err
}

// folder writes a folder and its parents, each once.
func (a *archiver) folder(name string) error {
	if a.folders[name] {
		return nil
	}
	if name != "." {
		if err := a.folder(path.Dir(name)); err != nil {
			return err
		}
	}
	a.folders[name] = true
	return a.header(&tar.Header{Typeflag: tar.TypeDir, Name: path.Join(a.made.Folder, name) + "/", Mode: 0o755})
}

func (a *archiver) header(header *tar.Header) error {
	header.ModTime = time.Unix(0, 0)
	if err := a.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

func (a *archiver) file(f File) error {
	if err := a.ctx.Err(); err != nil {
		return context.Cause(a.ctx)
	}
	if err := a.folder(path.Dir(f.Path)); err != nil {
		return err
	}
	source, err := a.fsys.Open(f.Path)
	if err != nil {
		return fmt.Errorf("read pack: %w", err)
	}
	defer source.Close() //nolint:errcheck // read only
	if err := a.header(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(a.made.Folder, f.Path), Size: f.Size, Mode: int64(f.Mode.Perm())}); err != nil {
		return err
	}
	before := a.made.Bytes
	n, err := io.Copy(a.archive, &meter{r: &endingReader{ctx: a.ctx, r: source}, tell: func(n int64) { a.progress(before + n) }})
	switch {
	case errors.Is(err, tar.ErrWriteTooLong), err == nil && n != f.Size:
		return fmt.Errorf("read %s: the file changed while it was read", f.Path)
	case err != nil:
		return fmt.Errorf("archive %s: %w", f.Path, err)
	}
	a.made.Files++
	a.made.Bytes += n
	return nil
}
