package filesystem

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"packhouse/server/storage/disk"
)

// segment is one of the two files of the journal.
type segment struct {
	name     string
	file     disk.File
	end      int64   // offset of the next batch
	good     int64   // end of the last durable batch
	last     uint64  // number of its last record
	settled  uint64  // as in its header
	written  uint64  // number of its last durable record
	names    nameSet // names in its records
	applying int     // changes in it that are still being renamed
	leaving  bool    // its checkpoint is running
	spoilt   bool    // a write to it failed and it could not be moved: use the other one
	suspect  bool    // a sync of the file system failed while it had records
	carried  []item  // items in its records that could not be written to their place yet
}

func segmentName(i int) string { return journalDir + "/" + strconv.Itoa(i) }

// begin opens or creates the file of a segment that has no records but carried. Records that an
// earlier run left in the file become invalid.
func (j *journal) begin(seg *segment, carried []item) error {
	if len(carried) > 0 {
		// The carried record replaces the older records atomically.
		j.seq++
		seg.last, seg.written, seg.carried = j.seq, j.seq, carried
		for _, i := range carried {
			seg.names.add(i.file())
		}
		record := pad(appendRecord(nil, stamp{j.run, j.seq, j.clock}, encode(carried)))
		seg.end += int64(len(record))
		seg.good = seg.end
		return j.replace(seg, seg.header(), record)
	}
	f, err := openSegment(j.disk, seg.name, j.size)
	if err != nil {
		return j.replace(seg, seg.header(), nil)
	}
	seg.file = f
	if err := writeHeader(f, header{settled: seg.settled}); err != nil {
		return j.replace(seg, seg.header(), nil)
	}
	return nil
}

// dropJournal removes the segments of a store that does not use a journal. Everything in them is
// durable in its place.
func dropJournal(d disk.Disk) error {
	gone := false
	for i := range 2 {
		err := d.Remove(segmentName(i))
		if err != nil && !absent(err) {
			return fmt.Errorf("remove journal: %w", err)
		}
		gone = gone || err == nil
	}
	if gone {
		return d.SyncDir(journalDir)
	}
	return nil
}

// openSegment opens or creates a segment. Its blocks are preallocated by writing zeros, so that
// later writes change neither its size nor its block map, and fdatasync suffices.
func openSegment(d disk.Disk, name string, size int64) (disk.File, error) {
	f, err := d.Reopen(name)
	if absent(err) {
		f, err = d.Create(name)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size < size {
		if err = extend(f, info.Size, size); err == nil {
			err = errors.Join(f.Sync(), d.SyncDir(journalDir))
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func extend(f disk.File, from, to int64) error {
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	for zeros := make([]byte, min(256<<10, max(0, to-from))); from < to; {
		n, err := f.Write(zeros[:min(int64(len(zeros)), to-from)])
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// move copies the header and the durable records of a segment to a new file, on other blocks of the
// device, which replaces it. It is called when a write to the segment failed: by the leader for the
// active segment, by the checkpoint for the one it settles.
func (j *journal) move(seg *segment) error {
	records, err := seg.bytes()
	if err != nil {
		return err
	}
	j.mu.Lock()
	h := seg.header()
	j.mu.Unlock()
	return j.replace(seg, h, records)
}

// header returns the header of a segment as it is in memory.
func (s *segment) header() header { return header{settled: s.settled, failed: s.suspect} }

// replace gives a segment a new file with a header, records and zeros after them.
func (j *journal) replace(seg *segment, h header, records []byte) error {
	tmp := j.s.temporary()
	f, err := j.disk.Create(tmp)
	if err != nil {
		return fmt.Errorf("make journal segment: %w", err)
	}
	head := pad(encodeHeader(h))
	_, err = f.Write(append(head, records...))
	if err == nil {
		err = extend(f, int64(len(head)+len(records)), j.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.s.rename(tmp, seg.name)
	}
	if err != nil {
		f.Close()
		j.s.pin(tmp)
		return fmt.Errorf("make journal segment: %w", err)
	}
	j.mu.Lock()
	if seg.file != nil {
		j.retired = append(j.retired, seg.file)
	}
	seg.file = f
	j.mu.Unlock()
	if err := j.disk.SyncDir(journalDir); err != nil {
		return fmt.Errorf("make journal segment: %w", err)
	}
	return nil
}

// bytes returns the durable records of a segment as they are in its file.
func (s *segment) bytes() ([]byte, error) {
	p := make([]byte, s.good)
	if s.good == block {
		return nil, nil
	}
	if _, err := io.ReadFull(io.NewSectionReader(s.file, 0, s.good), p); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	last := s.settled
	for _, r := range parseRecords(p, s.settled) {
		last = r.seq
	}
	if last < s.written {
		return nil, fmt.Errorf("read journal: cannot read what follows record %d of %d", last, s.written)
	}
	return p[block:], nil
}

// read returns the durable records of a segment. It uses the settled number in memory and not the
// header, which may already have the new one although writing it failed.
func (s *segment) read() ([]foundRecord, error) {
	p, err := s.bytes()
	if err != nil || p == nil {
		return nil, err
	}
	return parseRecords(append(make([]byte, block), p...), s.settled), nil
}

// blockFile is a file as writeAt needs it.
type blockFile interface {
	io.Writer
	io.Seeker
	SyncData() error
}

// writeAt writes whole blocks and makes them durable.
func writeAt(f blockFile, p []byte, at int64) error {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := f.Write(p); err != nil {
		return err
	}
	return f.SyncData()
}
