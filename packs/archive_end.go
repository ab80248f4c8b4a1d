package packs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// gzipMembers decompresses a file of one or more gzip members, as pigz and bgzip write them. Unlike
// gzip.Reader, it reports trailing data that is not a member.
type gzipMembers struct {
	counted *countingReader
	packed  *bufio.Reader
	member  *gzip.Reader
	end     error // result after the last member
}

// newGzipMembers reads the header of the first member.
func newGzipMembers(r *countingReader) (*gzipMembers, error) {
	packed := bufio.NewReader(r)
	member, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &gzipMembers{counted: r, packed: packed, member: member}, nil
}

// Read implements io.Reader. It returns an *Invalid if data follows that is not a gzip member.
func (g *gzipMembers) Read(p []byte) (int, error) {
	for g.end == nil {
		n, err := g.member.Read(p)
		if err == io.EOF { //nolint:errorlint // io.Reader returns it bare
			err = g.next()
			g.end = err
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, g.end
}

// next reads the header of the next member. It returns io.EOF after the last one.
func (g *gzipMembers) next() error {
	if _, err := g.packed.Peek(1); err != nil {
		return err
	}
	at := g.counted.n - int64(g.packed.Buffered())
	err := g.member.Reset(g.packed)
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return trailing("data follows the end of the gzip file, at byte %d", at)
	}
	g.member.Multistream(false)
	return err
}

// padding reads the data after the end of the tar. Only zero bytes are allowed: tar pads its output
// to a record size, usually 10,240 bytes.
func (a *archiveReader) padding(unpacked *bombReader) error {
	block, zeros := make([]byte, 4096), make([]byte, 4096)
	for {
		n, err := unpacked.Read(block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			data := unpacked.n - int64(len(bytes.TrimLeft(block[:n], "\x00")))
			return trailing("data follows the end of the tar, at byte %d of the unpacked archive", data)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return a.damaged(err)
		}
	}
}

// trailing refuses an archive with trailing data, which some programs ignore and others read as
// further files.
func trailing(format string, args ...any) error {
	return refusal(CodeArchiveTrail, "", "programs disagree about such data; "+makeArchive, format, args...)
}
