package filesystem

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"

	"packhouse/server/storage/disk"
)

// Kinds of items of a record.
const (
	itemEnd        = 0 // padding follows
	itemFile       = 1 // name contains body
	itemMoved      = 2 // name is the file staged and synced as from
	itemRepository = 3 // name is a repository in the catalogue
)

// item is one name that a change writes.
type item struct {
	kind byte
	name string
	from string
	size int64
	body []byte

	origin *origin // of a tag's link; nil if unknown
}

// key identifies the subject of the item among the items of a segment.
func (i item) key() string {
	if i.kind == itemRepository {
		return namesFile + " " + i.name
	}
	return i.name
}

// file returns the file that the item changes.
func (i item) file() string {
	if i.kind == itemRepository {
		return namesFile
	}
	return i.name
}

// encode concatenates the items; strings and bodies are preceded by their length.
func encode(items []item) []byte {
	n := 0
	for _, i := range items {
		n += 1 + len(i.name) + len(i.from) + len(i.body) + 3*binary.MaxVarintLen32
	}
	p := make([]byte, 0, n)
	text := func(s string) {
		p = binary.AppendUvarint(p, uint64(len(s)))
		p = append(p, s...)
	}
	for _, i := range items {
		p = append(p, i.kind)
		text(i.name)
		switch i.kind {
		case itemFile:
			p = binary.AppendUvarint(p, uint64(len(i.body)))
			p = append(p, i.body...)
		case itemMoved:
			text(i.from)
			p = binary.AppendUvarint(p, uint64(i.size)) //nolint:gosec // sizes are positive
		}
	}
	return appendOrigins(p, items)
}

// decoder decodes what encode wrote. After an error, ok is false and everything reads as zero.
type decoder struct {
	p  []byte
	ok bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.p)
	if n <= 0 {
		d.ok, d.p = false, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.p)
	if n <= 0 {
		d.ok, d.p = false, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if !d.ok || n > uint64(len(d.p)) {
		d.ok = false
		return nil
	}
	b := d.p[:n:n]
	d.p = d.p[n:]
	return b
}

// decode is the reverse of encode. It returns false for invalid input.
func decode(p []byte) ([]item, bool) {
	var items []item
	d := decoder{p: p, ok: true}
	for d.ok && len(d.p) > 0 && d.p[0] != itemEnd {
		i := item{kind: d.p[0]}
		d.p = d.p[1:]
		i.name = string(d.bytes())
		switch i.kind {
		case itemFile:
			i.body = d.bytes()
		case itemMoved:
			i.from = string(d.bytes())
			i.size = int64(d.number()) //nolint:gosec // see encode; checked below
			d.ok = d.ok && i.size >= 0
		case itemRepository:
		default:
			d.ok = false
		}
		items = append(items, i)
	}
	if d.ok {
		parseOrigins(d.p, items)
	}
	return items, d.ok
}

// A record is a head and a payload. The head is: magic, checksum of the rest, run, number, time in
// nanoseconds, length of the payload, all little endian.
const (
	recordMagic = 0x4a48_4b50 // "PKHJ"
	recordHead  = 4 + 4 + 8 + 8 + 8 + 4
)

// stamp identifies a record.
type stamp struct {
	run, seq uint64
	at       int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(buf []byte, of stamp, payload []byte) []byte {
	at := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, recordMagic)
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint64(buf, of.run)
	buf = binary.LittleEndian.AppendUint64(buf, of.seq)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(of.at))        //nolint:gosec // the same bits
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload))) //nolint:gosec // up to batchMost
	buf = append(buf, payload...)
	binary.LittleEndian.PutUint32(buf[at+4:], crc32.Checksum(buf[at+8:], castagnoli))
	return buf
}

// parseRecord reads the record at the start of p, or returns false if there is none.
func parseRecord(p []byte) (of stamp, payload, rest []byte, ok bool) {
	if len(p) < recordHead || binary.LittleEndian.Uint32(p) != recordMagic {
		return of, nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(p[32:]))
	if n > uint64(len(p)-recordHead) { //nolint:gosec // it is not negative: see above
		return of, nil, nil, false
	}
	end := recordHead + int(n) //nolint:gosec // up to len(p)
	if crc32.Checksum(p[8:end], castagnoli) != binary.LittleEndian.Uint32(p[4:]) {
		return of, nil, nil, false
	}
	of = stamp{binary.LittleEndian.Uint64(p[8:]), binary.LittleEndian.Uint64(p[16:]), int64(binary.LittleEndian.Uint64(p[24:]))} //nolint:gosec // the same bits
	return of, p[recordHead:end], p[end:], true
}

func padded(n int) int { return (n + block - 1) / block * block }

// pad fills the last block with zeros.
func pad(buf []byte) []byte { return append(buf, make([]byte, padded(len(buf))-len(buf))...) }

// header is the first block of a segment.
type header struct {
	settled uint64 // records up to this one are durable in their places
	failed  bool   // a checkpoint failed: what looks right may not be durable
}

const headerMagic = 0x4848_4b50 // "PKHH"

// encodeHeader returns less than a sector, which a device writes atomically.
func encodeHeader(h header) []byte {
	b := make([]byte, 0, block)
	b = binary.LittleEndian.AppendUint32(b, headerMagic)
	b = binary.LittleEndian.AppendUint64(b, h.settled)
	flag := byte(0)
	if h.failed {
		flag = 1
	}
	b = append(b, flag)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func writeHeader(f blockFile, h header) error { return writeAt(f, pad(encodeHeader(h)), 0) }

// parseHeader reads a header. Without a valid one, nothing is settled.
func parseHeader(p []byte) header {
	const n = 4 + 8 + 1
	if len(p) < n+4 || binary.LittleEndian.Uint32(p) != headerMagic || crc32.Checksum(p[:n], castagnoli) != binary.LittleEndian.Uint32(p[n:]) {
		return header{}
	}
	return header{settled: binary.LittleEndian.Uint64(p[4:]), failed: p[12] != 0}
}

// found is the content of a segment.
type found struct {
	header
	records []foundRecord // of one run, numbered without a gap, all after header.settled
}

type foundRecord struct {
	seq   uint64
	at    int64 // when it was written, in nanoseconds
	items []item
}

// last returns the number of the last unsettled record, or 0.
func (f found) last() uint64 {
	if len(f.records) == 0 {
		return 0
	}
	return f.records[len(f.records)-1].seq
}

// settle drops the records up to seq, which are durable in their places.
func (f *found) settle(seq uint64) {
	for len(f.records) > 0 && f.records[0].seq <= seq {
		f.records = f.records[1:]
	}
}

// parseSegment reads the content of a segment, up to the first invalid record.
func parseSegment(p []byte) found {
	h := parseHeader(p)
	return found{h, parseRecords(p, h.settled)}
}

// parseRecords reads the records of a segment after the settled ones.
func parseRecords(p []byte, settled uint64) (records []foundRecord) {
	if len(p) < block {
		return nil
	}
	var before stamp
	for rest := p[block:]; ; {
		// Batches are padded to whole blocks.
		of, payload, behind, ok := parseRecord(rest)
		if !ok {
			skip := (block - (len(p)-len(rest))%block) % block
			if skip == 0 || skip > len(rest) {
				return records
			}
			rest = rest[skip:]
			if of, payload, behind, ok = parseRecord(rest); !ok {
				return records
			}
		}
		if of.seq <= settled || before.seq > 0 && (of.run != before.run || of.seq != before.seq+1) {
			return records
		}
		items, ok := decode(payload)
		if !ok {
			return records
		}
		before = of
		records = append(records, foundRecord{of.seq, of.at, items})
		rest = behind
	}
}

// readSegment reads a segment. A settled one, the usual case at startup, needs only two blocks.
// Unreadable data is reported and skipped: a write to a bad block failed, so it was not
// acknowledged.
func readSegment(f disk.File, log *slog.Logger) (found, error) {
	p := make([]byte, 2*block)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, 2*block), p); err != nil {
		if short(err) {
			return found{}, nil
		}
		log.Error("read the head of a journal segment; what it holds is not replayed", "error", err)
		return found{}, nil
	}
	h := parseHeader(p)
	if head := p[block:]; binary.LittleEndian.Uint32(head) != recordMagic || binary.LittleEndian.Uint64(head[16:]) <= h.settled {
		return found{header: h}, nil
	}
	info, err := f.Stat()
	if err != nil {
		return found{}, err
	}
	p = make([]byte, min(info.Size, segmentMost))
	n := 0
	for n < len(p) && err == nil { // block by block, so that an unreadable one does not hide those before it
		var k int
		k, err = f.ReadAt(p[n:min(n+block, len(p))], int64(n))
		n += k
	}
	if err != nil && !short(err) {
		log.Error("read a journal segment; what follows is not replayed", "offset", n, "error", err)
	}
	return parseSegment(p[:n]), nil
}

// short reports whether err means that a file is too short, as after a power cut before its first
// sync.
func short(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
