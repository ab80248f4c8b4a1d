package filesystem

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"packhouse/server/storage/disk"
)

// journal is a write-ahead log: a change is durable in it before its files are renamed to their
// places. One write to the device serves all changes that wait for one. After a power cut, replay
// restores the names that the kernel had not written yet. Without the journal, each push waits for
// a dozen files and directories.
//
//	packhouse/v1/journal/{0,1}   two segments of some megabytes: a header in the first block, then records
//
// Records go into the active segment until it is full, or for settleAfter. Then the other segment
// becomes active, while a checkpoint makes everything durable that the first one names: by one
// syncfs, or, if that fails, file by file from the records (journal_repair.go). A name that is in
// the journal must not be removed, or a replay would restore it: call settle first.
type journal struct {
	s     *Store
	disk  disk.Disk
	log   *slog.Logger
	now   func() time.Time
	place string        // see origin
	size  int64         // of a segment
	run   uint64        // distinguishes records of this run from older ones after them
	after time.Duration // settleAfter

	mu        sync.Mutex
	turned    sync.Cond // signaled when anything below changed
	segments  [2]*segment
	active    *segment
	queue     []*entry
	leading   bool
	buf       []byte // owned by the leader
	seq       uint64 // of the last record
	clock     int64  // time of the last record in nanoseconds; never decreases
	failed    error  // why the last checkpoint failed
	retrying  bool
	repairing map[string]bool // files being rewritten; true: a later record names the file
	retired   []disk.File     // segment files that were replaced; a reader may still use them
	closed    bool
	timer     *time.Timer // while the active segment has records
}

const (
	segmentSize = 4 << 20 // default of Options.Journal
	segmentMost = 1 << 30 // a larger file is not a segment
	block       = 4096    // durable and new records never share a block
	// inlineMost is the size in bytes of the largest file that is stored in its record. A larger
	// file is synced by itself, and the record contains its staged name.
	inlineMost = 64 << 10
	// batchMost is the largest write, in bytes.
	batchMost = 2 << 20
	// settleAfter is how long a name may be durable only in the journal: another server that gets
	// the directory after a power cut misses at most that much.
	settleAfter = 2 * time.Second
)

// entry is a change waiting to be written.
type entry struct {
	items   []item
	payload []byte
	latest  int64  // modification time of the youngest directory it changes, in nanoseconds
	epoch   uint64 // before its files were staged
	carried bool   // from the other segment: see carry
	retried bool
	done    chan struct{}
	seg     *segment
	err     error
}

// openJournal opens or creates the segments. Everything that earlier runs left in them is already
// durable in its place, except carried, which becomes the first record.
func openJournal(s *Store, carried []item) (*journal, error) {
	j := &journal{
		s: s, disk: s.disk, log: s.log, now: s.now, place: s.journalPlace(),
		size: s.opt.Journal, after: settleAfter,
		run: rand.Uint64(), seq: s.replayed.last, clock: s.replayed.clock, //nolint:gosec // only to be different
	}
	j.turned.L = &j.mu
	first := s.replayed.older
	for _, i := range []int{first, 1 - first} {
		seg := &segment{name: segmentName(i), end: block, good: block, settled: j.seq, names: newNameSet()}
		err := j.begin(seg, carried)
		carried = nil
		s.replayed.last = j.seq // if this attempt fails, the next one invalidates the record of carried
		if err != nil {
			j.release()
			return nil, fmt.Errorf("open journal: %w", err)
		}
		j.segments[i] = seg
	}
	if j.active = j.segments[first]; len(j.active.carried) > 0 {
		j.timer = time.AfterFunc(j.after, j.idle)
	}
	return j, nil
}

// write makes a change durable whose files were staged since epoch. The caller then renames the
// files and calls applied, even if renaming failed. After an error the change is in doubt: a replay
// may apply it.
func (j *journal) write(items []item, latest int64, epoch uint64) (applied func(), err error) {
	e := &entry{items: items, payload: encode(items), latest: latest, epoch: epoch, done: make(chan struct{})}
	if int64(len(e.payload)) > min(batchMost, j.size/2) {
		return nil, fmt.Errorf("write journal: a change of %d bytes", len(e.payload))
	}
	if err := j.enqueue(e); err != nil {
		return nil, fmt.Errorf("write journal: %w", err)
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if e.seg.applying--; e.seg.applying == 0 {
			j.turned.Broadcast()
		}
	}, nil
}

// enqueue waits until an entry is durable. A carried entry goes first.
func (j *journal) enqueue(e *entry) error {
	j.mu.Lock()
	if e.carried {
		j.queue = append([]*entry{e}, j.queue...)
		j.turned.Broadcast() // the leader may be waiting for the segment that this entry comes from
	} else {
		j.queue = append(j.queue, e)
	}
	if !j.leading {
		j.leading = true
		go j.lead()
	}
	j.mu.Unlock()
	<-e.done
	return e.err
}

// lead writes batches until the queue is empty. Entries that arrive during a write form the next batch.
func (j *journal) lead() {
	for {
		j.mu.Lock()
		if len(j.queue) == 0 {
			j.leading = false
			j.turned.Broadcast()
			j.mu.Unlock()
			return
		}
		seg, err := j.room()
		if err != nil {
			batch := j.queue
			if batch[0].carried {
				batch = batch[:1:1]
			}
			j.queue = j.queue[len(batch):]
			j.mu.Unlock()
			finish(batch, err)
			continue
		}
		at := seg.end
		batch := j.batch(seg)
		j.mu.Unlock()
		j.wrote(seg, batch, j.put(seg, at))
	}
}

// put writes the batch in j.buf. If that fails, it moves the segment to a new file, which has other
// blocks.
func (j *journal) put(seg *segment, at int64) error {
	err := writeAt(seg.file, j.buf, at)
	if err == nil {
		return nil
	}
	j.log.Warn("write to the journal failed; moving the segment to a new file", "segment", seg.name, "error", err)
	if merr := j.move(seg); merr != nil {
		j.log.Error("move journal segment", "segment", seg.name, "error", merr)
		return err
	}
	return writeAt(seg.file, j.buf, at)
}

// wrote completes a batch or, after an error, queues it again for the other segment.
func (j *journal) wrote(seg *segment, batch []*entry, err error) {
	j.mu.Lock()
	if err == nil {
		seg.written, seg.good = seg.last, seg.end
		for _, e := range batch {
			if e.carried {
				seg.carried = append(seg.carried, e.items...)
			}
			for _, i := range e.items {
				if _, ok := j.repairing[i.file()]; ok {
					j.repairing[i.file()] = true
				}
			}
		}
		j.mu.Unlock()
		j.s.trouble.journal(nil)
		finish(batch, nil)
		return
	}
	seg.spoilt = true
	var again, lost []*entry
	for _, e := range batch {
		if !e.carried {
			seg.applying--
		}
		if e.carried || e.retried {
			lost = append(lost, e)
		} else {
			e.retried = true
			again = append(again, e)
		}
	}
	if len(again) > 0 && len(j.queue) > 0 && j.queue[0].carried { // keep the carried entry in front
		again = append([]*entry{j.queue[0]}, again...)
		j.queue = j.queue[1:]
	}
	j.queue = append(again, j.queue...)
	j.turned.Broadcast()
	j.mu.Unlock()
	if len(lost) > 0 {
		j.s.trouble.journal(err)
		finish(lost, unavailable(err))
	}
}

func finish(batch []*entry, err error) {
	for _, e := range batch {
		e.err = err
		close(e.done)
	}
}

// batch encodes the entries that fit into j.buf and removes them from the queue. Called with j.mu held.
func (j *journal) batch(seg *segment) []*entry {
	buf := j.buf[:0]
	limit := int(j.size - seg.end)
	if !j.queue[0].carried {
		limit = min(batchMost+block, limit-int(j.reserve()))
	}
	n := 0
	j.clock = max(j.clock, j.now().UnixNano())
	for _, e := range j.queue {
		if padded(len(buf)+recordHead+len(e.payload)) > limit || n > 0 && (e.carried || j.queue[0].carried) {
			break
		}
		n++
		j.seq++
		j.clock = max(j.clock, e.latest)
		buf = appendRecord(buf, stamp{j.run, j.seq, j.clock}, e.payload)
		e.seg = seg
		if !e.carried && e.epoch != j.s.verified.epoch() {
			// A sync failed since the files were staged. It may have been theirs, and will not be
			// reported again.
			seg.suspect = true
		}
		for _, i := range e.items {
			seg.names.add(i.file())
		}
	}
	batch := j.queue[:n:n]
	j.queue = j.queue[n:]
	j.buf = pad(buf)
	seg.end += int64(len(j.buf))
	seg.last = j.seq
	if !batch[0].carried {
		seg.applying += n
	}
	if j.timer == nil && j.after > 0 {
		j.timer = time.AfterFunc(j.after, j.idle)
	}
	return batch
}

// reserve returns how many bytes of a segment are reserved for carried entries.
func (j *journal) reserve() int64 { return max(j.size/8/block*block, block) }

// room returns the segment for the first entry of the queue. It switches to the other segment if
// the active one is full. The caller holds j.mu, which room releases while it waits.
func (j *journal) room() (*segment, error) {
	asked := false
	for {
		head := j.queue[0]
		end := j.active.end + int64(padded(recordHead+len(head.payload)))
		switch {
		case head.carried && (j.active.spoilt || end > j.size):
			return nil, fmt.Errorf("no room in the journal")
		case head.carried:
			return j.active, nil
		case j.failed != nil && asked && !j.retrying:
			return nil, j.failed
		case j.failed != nil:
			asked = true
			j.retry()
			j.turned.Wait()
		case !j.active.spoilt && end+j.reserve() <= j.size:
			return j.active, nil
		case j.active.spoilt && j.other().spoilt && !j.other().leaving:
			if err := j.moveSpoilt(j.other()); err != nil {
				return nil, unavailable(err)
			}
		case !j.turn():
			j.turned.Wait()
		}
	}
}

// moveSpoilt moves a spoilt segment without records to a new file. It is called by the leader with j.mu
// held, which it releases in between.
func (j *journal) moveSpoilt(seg *segment) error {
	j.mu.Unlock()
	err := j.move(seg)
	j.mu.Lock()
	if err == nil {
		seg.spoilt = false
	}
	return err
}

func (j *journal) other() *segment {
	if j.active == j.segments[0] {
		return j.segments[1]
	}
	return j.segments[0]
}

func (j *journal) release() {
	for _, s := range j.segments {
		if s != nil && s.file != nil {
			s.file.Close()
		}
	}
	for _, f := range j.retired {
		f.Close()
	}
}
