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

	"packhouse/finding"
)

// Stop is returned by the visit function to end ReadArchive early. The contents are then
// incomplete, and the error is nil.
var Stop = errors.New("stop") //nolint:errname,revive,staticcheck // like fs.SkipAll, it is no failure

// Contents is the content of an archive.
type Contents struct {
	*Pack
	Root string // the archive's folder that contains the pack, omitted in Files: "nginx-1.2.3", or empty
	Size int64  // total size of all files, uncompressed

	Weight int64 // approximate memory use in bytes
}

// ReadArchive reads a pack's archive, a gzipped tar, as a stream: it writes nothing to disk, and
// keeps only a pack's documents in memory. It calls visit, if not nil, for every file, with its
// path in the archive (Root is not known yet), no digest (its content is not read yet) and its
// content, which visit need not read.
//
// An error that is an *Invalid means that the archive is refused: it cannot be read, contains paths
// outside of its folder, links, devices or duplicate files, or exceeds the limits. Faults of the
// pack itself are not errors: Lint reports them.
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

// archiveReader is the state of ReadArchive.
type archiveReader struct {
	limits    Limits
	packed    *countingReader
	visit     func(File, io.Reader) error
	seen      map[string]bool // paths; true for folders
	names     int             // total bytes of their names
	entries   int
	folders   int // folders without an entry of their own
	files     []File
	documents map[string][]byte // by path in the archive
	kept      int64             // their total size in bytes
	admitted  bool
	images    *imageScan
	size      int64 // total size according to the headers
	read      int64 // bytes of files read
}

// countingReader counts the compressed bytes, and fails when its context is done.
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

// refusal returns an *Invalid.
func refusal(code, name, remedy, format string, args ...any) error {
	return &Invalid{About(finding.Refused, code, name, fmt.Sprintf(format, args...), remedy)}
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

// damaged converts a read error to a refusal, unless it came from the source.
func (a *archiveReader) damaged(err error) error {
	var problem *Invalid
	switch {
	case errors.As(err, &problem):
		return problem
	case a.packed.ctx.Err() != nil:
		return context.Cause(a.packed.ctx)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, io.EOF) && a.packed.n == 0:
		return refusal(CodeArchiveFormat, "", makeArchive, "the file is not a gzipped tar")
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

// bombReader counts the decompressed bytes and fails if they are too many, absolutely or relative
// to the compressed bytes.
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

// headerReader limits the size of an entry's headers: a tar reader keeps them in memory, and names
// and attributes can be megabytes long.
type headerReader struct {
	r      io.Reader
	header bool // reading a header
	left   int  // bytes left for it
}

// next returns the next entry. The previous one must have been read completely.
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

// entry validates and reads one entry.
func (a *archiveReader) entry(header *tar.Header, content io.Reader) error {
	if a.entries++; a.entries > a.limits.Files {
		return refusal(CodeArchiveBomb, "", "a pack holds charts and manifests", "it holds more than %d files and folders", a.limits.Files)
	}
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive writes it first
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
		return refusal(CodeArchiveTwice, name, "keep one of them", "is in the archive twice")
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

// parents records the folders above an entry, which need no entries of their own.
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

// weight returns the reader's approximate memory use in bytes.
func (a *archiveReader) weight() int64 {
	return a.kept + int64(a.names+len(a.seen)*perEntry+a.images.bytes)
}

// perEntry is the approximate memory use of a file, besides its path, in bytes.
const perEntry = 256

// admit calls Limits.Admit before the reader keeps a lot in memory.
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

// file processes one file.
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

// entryReader counts the bytes of files, as bombReader does for the gzip stream, because holes of a
// sparse file are not stored in the archive. It records its own failure, to distinguish it from one
// of its consumer.
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

// look keeps documents, scans for images and passes the file to visit.
func (a *archiveReader) look(f File, content io.Reader) error {
	document := documentName(path.Base(f.Path))
	limit := min(f.Size, documentLimit(document))
	if !isDocument(f.Path) || a.kept+limit > maxKept {
		// The scan sees what visit reads, then reads the rest.
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

// both passes a file to the image scan and to visit.
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
		_ = a.images.add(f, reader) // the other side reports a failure of the source
		_, _ = io.Copy(io.Discard, reader)
	}()
	passed := io.TeeReader(content, writer)
	err := a.visit(f, passed)
	if err == nil {
		_, err = io.Copy(io.Discard, passed)
	}
	_ = writer.CloseWithError(err) // nil results in io.EOF
	<-scanned
	return err
}

// isDocument reports whether a file may be one of the pack's documents, with the pack at the top of
// the archive or in a folder.
func isDocument(name string) bool {
	folder, base := path.Split(name)
	return strings.Count(folder, "/") <= 1 && documentName(base) != ""
}
