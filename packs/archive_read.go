package packs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Stop ends ReadArchive from its visit function: what was wanted is found. The contents are then incomplete, and the error is nil.
var Stop = errors.New("stop") //nolint:errname,revive,staticcheck // like fs.SkipAll, it is no failure

// Contents is what an archive holds.
type Contents struct {
	*Pack
	Root string // the archive's folder that holds the pack, which Files leave out: "nginx-1.2.3", or empty
	Size int64  // of all files, unpacked

	Weight int64 // about what the contents take in memory, in bytes
}

// ReadArchive reads a pack's archive, a gzipped tar, as a stream: nothing touches the disk, and only the documents of a pack are kept in
// memory. It calls visit, which may be nil, for every file, with the path that the file has in the archive (Root is not known yet), no
// digest (its content is not read yet) and its content; visit need not read it.
//
// An error that is a Problem means that the archive is refused: it cannot be read, leads out of its folder, holds links, devices or one
// file twice, or is larger than the limits allow. A pack that is not as it should be is no error: Lint tells.
func ReadArchive(ctx context.Context, r io.Reader, limits Limits, visit func(File, io.Reader) error) (*Contents, error) {
	a := &archiveReader{
		limits: limits.withDefaults(), packed: &countingReader{r: r, ctx: ctx}, visit: visit,
		seen: map[string]bool{}, documents: map[string][]byte{}, images: newImageScan(),
	}
	err := a.all()
	if errors.Is(err, Stop) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return a.contents(), nil
}

// archiveReader is the state of one reading.
type archiveReader struct {
	limits    Limits
	packed    *countingReader
	visit     func(File, io.Reader) error
	seen      map[string]bool // paths; true for folders
	names     int             // bytes of their names
	entries   int
	folders   int // that have no entry of their own
	files     []File
	documents map[string][]byte // by path in the archive
	kept      int64             // bytes of them
	admitted  bool
	images    *imageScan
	size      int64 // of all files, as their headers say
	read      int64 // of them
}

// countingReader counts what an archive takes packed, and ends with its context.
type countingReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one reading
	r   io.Reader
	n   int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// refusal is a Problem that ends the reading.
func refusal(code, name, remedy, format string, args ...any) error {
	return Problem{Code: code, Severity: Error, Path: name, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

const makeArchive = "make it with: packhouse pack push, or tar -czf NAME-VERSION.tar.gz NAME-VERSION"

func (a *archiveReader) all() error {
	unpacked, err := newGzipMembers(a.packed)
	if err != nil {
		return a.damaged(err)
	}
	bounded := &bombReader{a: a, r: unpacked}
	headers := &headerReader{r: bounded}
	archive := tar.NewReader(headers)
	for {
		header, err := headers.next(archive)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.damaged(err)
		}
		if err := a.entry(header, archive); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, archive); err != nil { //nolint:gosec // bombReader bounds it; only headers may come before the next
			return a.damaged(err)
		}
	}
	return a.padding(bounded)
}

// damaged turns an error of reading into a refusal, unless it is the source's own.
func (a *archiveReader) damaged(err error) error {
	var problem Problem
	switch {
	case errors.As(err, &problem):
		return problem
	case a.packed.ctx.Err() != nil:
		return context.Cause(a.packed.ctx)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, io.EOF) && a.packed.n == 0:
		return refusal(CodeArchiveFormat, "", makeArchive, "the file is no gzipped tar")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refusal(CodeArchiveFormat, "", "push it again", "the archive ends too early, after %d bytes", a.packed.n)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, tar.ErrHeader):
		return refusal(CodeArchiveFormat, "", makeArchive, "the archive is damaged: %v", err)
	}
	var corrupt interface{ CorruptInput() }
	if errors.As(err, &corrupt) || strings.Contains(err.Error(), "flate:") || strings.Contains(err.Error(), "archive/tar:") {
		return refusal(CodeArchiveFormat, "", makeArchive, "the archive is damaged: %v", err)
	}
	return fmt.Errorf("read archive: %w", err)
}

// bombReader counts what comes out of an archive and ends it where that is too much, for itself or for what went in.
type bombReader struct {
	a *archiveReader
	r io.Reader
	n int64
}

func (b *bombReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	limits := b.a.limits
	overhead := int64(limits.Files+1)*2048 + 1<<20 // headers and padding
	switch {
	case b.n > limits.Bytes+overhead:
		return n, refusal(CodeArchiveBomb, "", "a pack holds charts and manifests, and no images", "it unpacks to more than %d MiB", limits.Bytes>>20)
	case b.n > ratioFrom && b.n/limits.Ratio > b.a.packed.n:
		return n, refusal(CodeArchiveBomb, "", "", "it unpacks to more than %d times its size", limits.Ratio)
	}
	return n, err
}

// headerReader bounds what the headers of one entry may take: a tar reader keeps them in memory, and names and attributes may have megabytes.
type headerReader struct {
	r      io.Reader
	header bool // a header is read
	left   int  // bytes that it may still have
}

// next returns the next entry. The one before must have been read to its end.
func (h *headerReader) next(archive *tar.Reader) (*tar.Header, error) {
	h.header, h.left = true, maxHeader
	defer func() { h.header = false }()
	return archive.Next()
}

// Read implements io.Reader.
func (h *headerReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if !h.header {
		return n, err
	}
	if h.left -= n; h.left < 0 {
		return n, refusal(CodeArchiveBomb, "", makeArchive, "the names and attributes of one file take more than %d KiB", maxHeader>>10)
	}
	return n, err
}

// entry validates one entry and reads it.
func (a *archiveReader) entry(header *tar.Header, content io.Reader) error {
	if a.entries++; a.entries > a.limits.Files {
		return refusal(CodeArchiveBomb, "", "a pack holds charts and manifests", "it holds more than %d files and folders", a.limits.Files)
	}
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // what git archive puts first
	}
	name, err := a.name(header)
	if err != nil || name == "." || isLeftover(name) {
		return err
	}
	if a.names += len(name); a.names > maxNames {
		return refusal(CodeArchiveBomb, "", "a pack holds charts and manifests", "the paths of its files take more than %d KiB", maxNames>>10)
	}
	folder := header.Typeflag == tar.TypeDir
	if wasFolder, twice := a.seen[name]; twice && !(folder && wasFolder) {
		return refusal(CodeArchiveTwice, name, "keep one of them", "stands in the archive twice")
	}
	if err := a.parents(name); err != nil {
		return err
	}
	a.seen[name] = folder
	switch header.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg, tar.TypeGNUSparse:
		return a.file(name, header, content)
	case tar.TypeSymlink, tar.TypeLink:
		return refusal(CodeArchiveLink, name, "put a copy of the file in its place", "is a link, and packs hold files only")
	}
	return refusal(CodeArchiveSpecial, name, "leave it out", "is a device or another special file, and packs hold files only")
}

// parents notes the folders above an entry, which need no entries of their own.
func (a *archiveReader) parents(name string) error {
	for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
		folder, known := a.seen[parent]
		if known && !folder {
			return refusal(CodeArchiveTwice, parent, "keep one of them", "is a file and a folder in one archive")
		}
		if known {
			return nil
		}
		if a.folders++; a.folders > a.limits.Files {
			return refusal(CodeArchiveBomb, "", "a pack holds charts and manifests", "it holds more than %d folders", a.limits.Files)
		}
		a.seen[parent] = true
	}
	return nil
}

// weight is about what the reader has in memory, in bytes.
func (a *archiveReader) weight() int64 {
	return a.kept + int64(a.names+len(a.seen)*perEntry+a.images.bytes)
}

// perEntry is about what a file takes in memory beside its path, in bytes.
const perEntry = 256

// admit asks the limits' owner before the reader keeps much.
func (a *archiveReader) admit(further int64) error {
	if a.admitted || a.limits.Admit == nil || a.weight()+further <= HeavyFrom {
		return nil
	}
	a.admitted = true
	return a.limits.Admit(a.packed.ctx)
}

// name cleans an entry's path, or refuses it.
func (a *archiveReader) name(header *tar.Header) (string, error) {
	raw := header.Name
	shown := strings.ToValidUTF8(raw, "?")
	if strings.HasPrefix(raw, "/") || slices.Contains(strings.Split(raw, "/"), "..") || len(raw) > 1 && raw[1] == ':' {
		return "", refusal(CodeArchiveSlip, quote(shown), makeArchive, "leads out of the folder that the archive is unpacked to")
	}
	name := path.Clean(raw)
	if why := checkName(name, a.limits); why != "" {
		return "", refusal(CodeFileName, quote(shown), "rename it", "%s", why)
	}
	return name, nil
}

// file takes in one file.
func (a *archiveReader) file(name string, header *tar.Header, content io.Reader) error {
	if a.size += header.Size; header.Size < 0 || a.size > a.limits.Bytes {
		return refusal(CodeArchiveBomb, name, "a pack holds charts and manifests, and no images", "the files are larger than %d MiB", a.limits.Bytes>>20)
	}
	if err := a.admit(0); err != nil {
		return err
	}
	hash := sha256.New()
	source := &entryReader{a: a, r: content}
	hashed := io.TeeReader(source, hash)
	f := File{Path: name, Size: header.Size, Mode: fileMode(header.FileInfo().Mode())}
	err := a.look(f, hashed)
	if err == nil {
		_, err = io.Copy(io.Discard, hashed)
	}
	switch {
	case source.err != nil:
		return a.damaged(source.err)
	case err != nil:
		return err
	}
	f.SHA256 = hex.EncodeToString(hash.Sum(nil))
	a.files = append(a.files, f)
	return nil
}

// entryReader counts what comes out of files, as bombReader does with what comes out of the gzip: the holes of a sparse file stand in no
// archive. It remembers that it failed, to tell that from a failure of who reads it.
type entryReader struct {
	a   *archiveReader
	r   io.Reader
	err error
}

func (e *entryReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.a.read += int64(n)
	if limits := e.a.limits; e.a.read > ratioFrom && e.a.read/limits.Ratio > e.a.packed.n {
		err = refusal(CodeArchiveBomb, "", "", "it unpacks to more than %d times its size", limits.Ratio)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}

// look keeps documents, scans for images and lets visit see the file.
func (a *archiveReader) look(f File, content io.Reader) error {
	document := documentName(path.Base(f.Path))
	limit := min(f.Size, documentLimit(document))
	if !isDocument(f.Path) || a.kept+limit > maxKept {
		// What visit reads passes by the scan; what it leaves, the scan reads alone.
		return a.both(f, content)
	}
	if err := a.admit(limit); err != nil {
		return err
	}
	text, err := readDocument(document, f.Size, content)
	if err != nil {
		return err
	}
	a.documents[f.Path] = text
	a.kept += int64(len(text))
	if a.visit == nil {
		return nil
	}
	return a.visit(f, io.MultiReader(bytes.NewReader(text), content))
}

// both gives a file to the scan for images and to visit.
func (a *archiveReader) both(f File, content io.Reader) error {
	if a.visit == nil {
		return a.images.add(f, content)
	}
	if !mayNameImages(f.Path) {
		return a.visit(f, content)
	}
	reader, writer := io.Pipe()
	scanned := make(chan struct{})
	go func() {
		defer close(scanned)
		_ = a.images.add(f, reader) // a failure of the source is told by the other side
		_, _ = io.Copy(io.Discard, reader)
	}()
	passed := io.TeeReader(content, writer)
	err := a.visit(f, passed)
	if err == nil {
		_, err = io.Copy(io.Discard, passed)
	}
	_ = writer.CloseWithError(err) // nil ends it with io.EOF
	<-scanned
	return err
}

// isDocument tells whether a file may be one of a pack's documents, be the pack at the top of the archive or in a folder of it.
func isDocument(name string) bool {
	folder, base := path.Split(name)
	return strings.Count(folder, "/") <= 1 && documentName(base) != ""
}
