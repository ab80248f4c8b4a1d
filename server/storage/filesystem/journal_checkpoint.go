package filesystem

import (
	"fmt"
	"io"
	"time"

	"packhouse/server/storage/disk"
)

// turn makes the other segment the active one and starts the checkpoint of this one; false while the other's is still under way. Called with
// the lock held.
func (j *journal) turn() bool {
	old, next := j.active, j.segments[0]
	if next == old {
		next = j.segments[1]
	}
	if next.leaving || j.failed != nil {
		return false
	}
	j.active, old.leaving = next, true
	if j.timer != nil {
		j.timer.Stop()
		j.timer = nil
	}
	go j.checkpoint(old)
	return true
}

// checkpoint makes everything durable that a segment names, and then says so in it.
func (j *journal) checkpoint(seg *segment) {
	j.mu.Lock()
	for seg.applying > 0 {
		j.turned.Wait()
	}
	j.mu.Unlock()
	err := j.disk.SyncAll()
	if err != nil {
		// Best effort: without the mark, a replay takes for durable what it finds as it should be.
		_ = writeHeader(seg.file, header{settled: seg.settled, failed: true})
		j.log.Warn("a sync of the file system failed; what was pushed lately is written again", "error", err)
		err = j.again(seg)
	}
	j.left(seg, err)
}

// left notes how the checkpoint of a segment went.
func (j *journal) left(seg *segment, err error) {
	if err == nil {
		err = writeHeader(seg.file, header{settled: seg.last})
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.turned.Broadcast()
	if err != nil {
		j.failed = fmt.Errorf("what was pushed before could not be written to its place: %w", err)
		j.log.Error("storage takes no changes; what was acknowledged is in the journal", "error", err)
		return
	}
	seg.settled, seg.end, seg.leaving, seg.spoilt = seg.last, block, false, false
	seg.names.clear()
	j.failed = nil
}

// again writes every file a segment names once more, in place, and makes it and the directories above it durable. Whoever gives a name to
// something else meanwhile does so by a rename, and is not in the way.
func (j *journal) again(seg *segment) error {
	names, err := seg.read()
	if err != nil {
		return err
	}
	b := barrier{j.disk}
	above := map[string]struct{}{}
	for name := range names {
		for dir := parentOf(name); dir != "."; dir = parentOf(dir) {
			above[dir] = struct{}{}
		}
		f, err := j.disk.Reopen(name)
		if absent(err) {
			continue // removed since
		}
		if err != nil {
			return err
		}
		if err = rewrite(f, name); err == nil {
			err = b.wait([]disk.File{f}, nil)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	for dir := range above {
		if err := b.wait(nil, []string{dir}); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

// read returns what the records of a segment name that was left: nobody adds to it. It goes by what is known to be settled and not by the header,
// which may say so already where writing it failed.
func (s *segment) read() (map[string]struct{}, error) {
	p := make([]byte, s.end)
	if _, err := io.ReadFull(io.NewSectionReader(s.file, 0, s.end), p); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	names, last := map[string]struct{}{}, s.settled
	for _, r := range parseRecords(p, s.settled) {
		last = r.seq
		for _, i := range r.items {
			names[i.file()] = struct{}{}
		}
	}
	if last < s.written {
		return nil, fmt.Errorf("read journal: what follows record %d of %d cannot be read", last, s.written)
	}
	return names, nil
}

// rewrite writes a file's bytes over themselves. One that was too large for the journal was synced before it was named.
func rewrite(f disk.File, name string) error {
	info, err := f.Stat()
	if err != nil || info.Size > inlineMost && name != namesFile {
		return err
	}
	body := make([]byte, min(info.Size, inlineMost))
	for at := int64(0); at < info.Size; {
		n, err := f.ReadAt(body[:min(int64(len(body)), info.Size-at)], at)
		if n == 0 {
			return err
		}
		if _, err := f.Write(body[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// works returns nil unless a checkpoint failed and fails again. Called with the lock held, which it gives up meanwhile.
func (j *journal) works() error {
	for j.failed != nil {
		if j.retrying {
			j.turned.Wait()
			continue
		}
		j.retrying = true
		seg := j.other()
		j.mu.Unlock()
		j.left(seg, j.again(seg))
		j.mu.Lock()
		j.retrying = false
		j.turned.Broadcast()
		return j.failed
	}
	return nil
}

// ready tells whether changes are taken, trying again where they were not.
func (j *journal) ready() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.works()
}

// idle turns a segment that has had records for a while.
func (j *journal) idle() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.timer = nil
	if j.closed || j.failed != nil || j.active.names.empty() {
		return
	}
	if !j.turn() { // the device is slow: later
		j.timer = time.AfterFunc(j.after, j.idle)
	}
}

// settle returns when no record names anything in dir that is not durable by itself. It is called before something in there is removed, with
// the locks held that keep changes away, and none that giving names needs.
func (j *journal) settle(dir string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch other := j.other(); {
		case j.failed != nil:
			if err := j.works(); err != nil {
				return err
			}
		case other.leaving && other.names.has(dir):
			j.turned.Wait()
		case !j.active.names.has(dir):
			return nil
		case !j.turn():
			j.turned.Wait()
		}
	}
}

// pending reports whether a record names something in dir that is not known to be durable by itself.
func (j *journal) pending(dir string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.active.names.has(dir) || j.other().names.has(dir)
}

func (j *journal) other() *segment {
	if j.active == j.segments[0] {
		return j.segments[1]
	}
	return j.segments[0]
}

// close settles everything, so that another server finds the directory whole.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	err := j.works()
	for err == nil && (j.leading || j.other().leaving || !j.active.names.empty()) {
		if j.leading || j.active.names.empty() || !j.turn() {
			j.turned.Wait()
		}
		err = j.works()
	}
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
	j.release()
	return err
}

func (j *journal) release() {
	for _, s := range j.segments {
		if s != nil {
			s.file.Close()
		}
	}
}
