package filesystem

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"packhouse/server/storage/disk"
)

// journal makes changes durable before they are made: what a change is goes into a log of its own, which costs one write to the device for
// all changes that wait for one, and only then are the names given. What a power cut takes of the names is given again at the next start
// (replay). Without it each push waits for a dozen files and directories.
//
//	packhouse/v1/journal/{0,1}   two segments of some megabytes: a header in the first block, then records
//
// Records go into one segment until it is full, or has been for settleAfter; then into the other, while everything the first one names is
// made durable by one syncfs and its header says so (a checkpoint). What is deleted must not be in the journal, or a replay would bring it
// back: whoever removes a name asks for settle first.
//
// A syncfs that fails leaves it unknown what is durable, and asking again would not tell: the kernel reports a failed write once. So everything
// the segment names is then written once more, byte by byte, and synced by itself. While that fails, too, nothing is changed.
type journal struct {
	disk  disk.Disk
	log   *slog.Logger
	now   func() time.Time
	size  int64         // of a segment
	run   uint64        // tells records of this run from what is left of earlier ones behind them
	after time.Duration // settleAfter

	mu       sync.Mutex
	turned   sync.Cond // anything below changed
	segments [2]*segment
	active   *segment
	queue    []*entry
	leading  bool
	buf      []byte // the leader's
	seq      uint64 // of the last record
	failed   error  // why the segment that was left is not settled
	retrying bool
	closed   bool
	timer    *time.Timer // while the active segment has records
}

const (
	segmentSize = 4 << 20 // unless Options.Journal says otherwise
	segmentMost = 1 << 30 // more is none of ours
	block       = 4096    // what is durable is never in one block with what is not
	// inlineMost is the largest file whose bytes are in the record. A larger one is synced by itself and the record says where it was staged.
	inlineMost = 64 << 10
	// batchMost is how much is written at once.
	batchMost = 2 << 20
	// settleAfter is how long a name may be durable in the journal only: whoever serves the directory after a power cut, but for us, misses
	// at most that much.
	settleAfter = 2 * time.Second
)

// segment is one of the two files.
type segment struct {
	file     disk.File
	end      int64   // where the next batch goes
	last     uint64  // number of its last record
	settled  uint64  // what its header says
	written  uint64  // number of the last record that is durable in it
	names    nameSet // what its records name
	applying int     // changes of it whose names are being given
	leaving  bool    // its checkpoint is under way
	spoilt   bool    // a write to it failed: take the other one
}

// entry is one change that waits to be written.
type entry struct {
	items   []item
	payload []byte
	done    chan struct{}
	seg     *segment
	err     error
}

// openJournal makes or opens the segments. Everything that earlier runs left in them is durable in its place.
func openJournal(s *Store) (*journal, error) {
	d, last, size := s.disk, s.replayed, s.opt.Journal
	j := &journal{disk: d, log: s.log, now: s.now, size: size, run: rand.Uint64(), seq: last, after: settleAfter} //nolint:gosec // only to be different
	j.turned.L = &j.mu
	for i := range j.segments {
		f, err := openSegment(d, segmentName(i), size)
		if err == nil {
			j.segments[i] = &segment{file: f, end: block, settled: last, names: newNameSet()}
			err = writeHeader(f, header{settled: last})
		}
		if err != nil {
			j.release()
			return nil, fmt.Errorf("open journal: %w", err)
		}
	}
	j.active = j.segments[0]
	return j, nil
}

// dropJournal removes the segments of a store that does without. Everything in them is durable in its place.
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

func segmentName(i int) string { return journalDir + "/" + strconv.Itoa(i) }

// openSegment opens a segment, or makes it. Its blocks are written once, so that later writes change no size and no map of blocks, and a sync of
// the data is all they need.
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
	for zeros := make([]byte, 256<<10); from < to; {
		n, err := f.Write(zeros[:min(int64(len(zeros)), to-from)])
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// write makes a change durable. The caller gives the names and then calls applied, also where that failed. After an error the change is in
// doubt: a power cut may bring it about all the same.
func (j *journal) write(items []item) (applied func(), err error) {
	e := &entry{items: items, payload: encode(items), done: make(chan struct{})}
	if int64(len(e.payload)) > min(batchMost, j.size/2) {
		return nil, fmt.Errorf("write journal: a change of %d bytes", len(e.payload))
	}
	j.mu.Lock()
	j.queue = append(j.queue, e)
	if !j.leading {
		j.leading = true
		go j.lead()
	}
	j.mu.Unlock()
	<-e.done
	if e.err != nil {
		return nil, fmt.Errorf("write journal: %w", e.err)
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if e.seg.applying--; e.seg.applying == 0 {
			j.turned.Broadcast()
		}
	}, nil
}

// lead writes batches until nobody waits. What comes while one is written is the next.
func (j *journal) lead() {
	for {
		j.mu.Lock()
		if len(j.queue) == 0 {
			j.leading = false
			j.turned.Broadcast()
			j.mu.Unlock()
			return
		}
		seg, err := j.room(int64(len(j.queue[0].payload)))
		if err != nil {
			batch := j.queue
			j.queue = nil
			j.mu.Unlock()
			finish(batch, err)
			continue
		}
		at := seg.end
		batch := j.batch(seg)
		last := seg.last
		j.mu.Unlock()
		if err := writeAt(seg.file, j.buf, at); err != nil {
			j.mu.Lock()
			seg.spoilt = true
			seg.applying -= len(batch)
			j.turned.Broadcast()
			j.mu.Unlock()
			finish(batch, err)
			continue
		}
		j.mu.Lock()
		seg.written = last
		j.mu.Unlock()
		finish(batch, nil)
	}
}

func finish(batch []*entry, err error) {
	for _, e := range batch {
		e.err = err
		close(e.done)
	}
}

// blockFile is what writing blocks needs of a file.
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

// batch takes what fits from the queue and encodes it into j.buf. Called with the lock held.
func (j *journal) batch(seg *segment) []*entry {
	buf := j.buf[:0]
	most := min(batchMost+block, int(j.size-seg.end))
	n, at := 0, j.now().UnixNano()
	for _, e := range j.queue {
		if padded(len(buf)+recordHead+len(e.payload)) > most {
			break
		}
		n++
		j.seq++
		buf = appendRecord(buf, stamp{j.run, j.seq, at}, e.payload)
		e.seg = seg
		for _, i := range e.items {
			seg.names.add(i.file())
		}
	}
	batch := j.queue[:n:n]
	j.queue = j.queue[n:]
	j.buf = pad(buf)
	seg.end += int64(len(j.buf))
	seg.last = j.seq
	seg.applying += n
	if j.timer == nil && j.after > 0 {
		j.timer = time.AfterFunc(j.after, j.idle)
	}
	return batch
}

// room returns the segment that takes a record of n bytes, turning to the other one where the active one is full. Called with the lock held.
func (j *journal) room(n int64) (*segment, error) {
	for {
		switch {
		case j.failed != nil:
			if err := j.works(); err != nil {
				return nil, err
			}
		case !j.active.spoilt && j.active.end+n+recordHead+block <= j.size:
			return j.active, nil
		case !j.turn():
			j.turned.Wait()
		}
	}
}
