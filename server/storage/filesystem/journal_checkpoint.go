package filesystem

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"packhouse/server/storage"
)

// turn makes the other segment active and starts the checkpoint of this one. It returns false while
// the other's checkpoint is running. The caller holds j.mu.
func (j *journal) turn() bool {
	old, next := j.active, j.other()
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

// checkpoint makes everything durable that a segment names, and then records that in its header.
func (j *journal) checkpoint(seg *segment) {
	j.mu.Lock()
	for seg.applying > 0 {
		j.turned.Wait()
	}
	j.mu.Unlock()
	if err := j.disk.SyncAll(); err != nil {
		j.distrust(seg, err)
	}
	j.left(seg, j.repair(seg))
}

// distrust records that the device failed to write. The kernel reports that once, without naming
// the file. It may be one that the records of either segment name, and its cached content is lost.
func (j *journal) distrust(seg *segment, err error) {
	j.mu.Lock()
	for _, s := range j.segments {
		s.suspect = true
	}
	j.mu.Unlock()
	// Best effort: without it, an older version that replays this journal assumes that what it
	// finds is durable.
	_ = writeHeader(seg.file, header{settled: seg.settled, failed: true})
	j.log.Warn("sync of the file system failed; writing recent pushes again from the journal", "error", err)
}

// left finishes the checkpoint of a segment.
func (j *journal) left(seg *segment, err error) {
	if err == nil {
		err = j.settleHeader(seg)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.turned.Broadcast()
	if err != nil {
		j.failed = unavailable(fmt.Errorf("earlier pushes could not be written to their place: %w", err))
		j.s.trouble.set(j.failed)
		j.log.Error("storage accepts no changes; acknowledged pushes are safe in the journal", "error", err)
		return
	}
	j.failed = nil
	j.s.trouble.stuck(j.active.carried)
}

// settleHeader records in the header that a segment is settled, and empties it. If writing to the
// segment fails or failed before, it moves to a new file.
func (j *journal) settleHeader(seg *segment) error {
	j.mu.Lock()
	newer := j.active != seg && j.active.suspect
	last, spoilt := seg.last, seg.spoilt
	j.mu.Unlock()
	// Keep the flag while the records of the newer segment are suspect.
	var err error
	if !spoilt {
		err = writeHeader(seg.file, header{settled: last, failed: newer})
	}
	if spoilt || err != nil {
		old := seg.file
		rerr := j.replace(seg, header{settled: last, failed: newer}, nil)
		switch {
		case rerr == nil:
			spoilt = false
		case seg.file != old:
			// The new file, whose header says so, is in place, but its directory is not synced. After
			// a power cut the old file may be back, whose records are durable in their place.
			spoilt = true
		case err != nil:
			return errors.Join(err, rerr)
		default: // its first block is still writable
			if err := writeHeader(seg.file, header{settled: last, failed: newer}); err != nil {
				return errors.Join(err, rerr)
			}
		}
	}
	j.s.noteSettled(last)
	j.mu.Lock()
	defer j.mu.Unlock()
	seg.settled, seg.end, seg.good = last, block, block
	seg.leaving, seg.spoilt, seg.suspect, seg.carried = false, spoilt, false, nil
	seg.names.clear()
	return nil
}

// retry starts another attempt to settle the segment whose checkpoint failed. Called with j.mu held.
func (j *journal) retry() {
	if j.retrying {
		return
	}
	j.retrying = true
	seg := j.other()
	go func() {
		j.left(seg, j.repair(seg))
		j.mu.Lock()
		defer j.mu.Unlock()
		j.retrying = false
		j.turned.Broadcast()
	}()
}

// works returns nil unless a checkpoint failed and fails again. The caller holds j.mu, which works
// releases in between. The leader must not call it, because a repair needs the leader.
func (j *journal) works() error {
	if j.failed == nil {
		return nil
	}
	j.retry()
	for j.retrying {
		j.turned.Wait()
	}
	return j.failed
}

// ready returns nil if changes are accepted. It retries a failed checkpoint first.
func (j *journal) ready() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.works()
}

// idle starts a checkpoint of a segment that has had records for a while.
func (j *journal) idle() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.timer = nil
	if j.closed || j.failed != nil || j.active.names.empty() {
		return
	}
	if !j.turn() { // the other checkpoint is still running: retry later
		j.timer = time.AfterFunc(j.after, j.idle)
	}
}

// settle returns when no record names anything in dir that is not durable by itself. Call it before
// removing something in dir, with the locks held that exclude changes in it, but none that renaming
// needs.
func (j *journal) settle(dir string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch other := j.other(); {
		case j.failed != nil:
			if err := j.works(); err != nil {
				return err
			}
		case j.carries(dir):
			return fmt.Errorf("%w: an earlier push to %s could not be written to its place", storage.ErrUnavailable, dir)
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

// carries reports whether anything in dir could not be written to its place. Called with j.mu held.
func (j *journal) carries(dir string) bool {
	for _, i := range j.active.carried {
		if strings.HasPrefix(i.file()+"/", dir+"/") {
			return true
		}
	}
	return false
}

// close settles everything, so that another server finds the directory complete. What cannot be
// settled stays in the journal for the next start.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	err := j.works()
	for tries := 0; err == nil && (j.leading || j.other().leaving || !j.active.names.empty()); {
		switch {
		case !j.leading && !j.other().leaving && len(j.active.carried) > 0 && tries > 1:
			err = fmt.Errorf("%s could not be written to its place; the next start tries again", j.active.carried[0].file())
			continue
		case j.leading || j.active.names.empty() || !j.turn():
			j.turned.Wait()
		default:
			tries++
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
