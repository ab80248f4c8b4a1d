package filesystem

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"packhouse/server/storage/disk"
)

// repair makes everything durable, file by file, that a sync of the file system did not: everything
// a suspect segment names, or else what it carries. Bytes come from the records, never from the
// files, which may read as zeros now, and go to new files on other blocks. What cannot be written
// is carried forward into the active segment, so that it stays durable in the journal while other
// changes proceed.
func (j *journal) repair(seg *segment) error {
	j.mu.Lock()
	suspect, items := seg.suspect, seg.carried
	j.mu.Unlock()
	if suspect {
		records, err := seg.read()
		if err != nil {
			return err
		}
		items = latestItems(records)
	}
	if len(items) == 0 {
		return nil
	}
	stuck, err := j.rewrite(items)
	if err != nil || len(stuck) == 0 {
		return err
	}
	if err := j.carry(stuck); err != nil {
		return fmt.Errorf("carry %d changes forward: %w", len(stuck), err)
	}
	return nil
}

// latestItems returns the last item for each file, in the order of the records.
func latestItems(records []foundRecord) []item {
	last := map[string]int{}
	n := 0
	for _, r := range records {
		for _, i := range r.items {
			last[i.key()] = n
			n++
		}
	}
	items := make([]item, 0, len(last))
	n = 0
	for _, r := range records {
		for _, i := range r.items {
			if last[i.key()] == n {
				items = append(items, i)
			}
			n++
		}
	}
	return items
}

// carry writes items into the active segment.
func (j *journal) carry(items []item) error {
	return j.enqueue(&entry{items: items, payload: encode(items), carried: true, done: make(chan struct{})})
}

// rewrite writes items to their places and returns those for which that failed. It skips files that
// a later record names. It returns an error if the journal failed, or if too many items failed to
// be carried.
func (j *journal) rewrite(items []item) (stuck []item, err error) {
	if err := j.beginRewrite(items); err != nil {
		return nil, err
	}
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.repairing = nil
	}()
	w := rewriter{s: j.s, publish: j.publish}
	w.all(items)
	if size := padded(recordHead + len(encode(w.stuck))); len(w.stuck) > 0 && int64(size) > j.reserve() {
		return nil, fmt.Errorf("%d files failed: %w", len(w.stuck), w.err)
	}
	return w.stuck, nil
}

// beginRewrite records which files are rewritten, and which of them a record of the active segment
// names.
func (j *journal) beginRewrite(items []item) error {
	names := map[string]bool{}
	for _, i := range items {
		names[i.file()] = false
	}
	j.mu.Lock()
	j.repairing = names // from now on, the leader marks the files that it writes
	newer := *j.active
	j.mu.Unlock()
	records, err := newer.read()
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range records {
		for _, i := range r.items {
			if _, ok := names[i.file()]; ok {
				names[i.file()] = true
			}
		}
	}
	return nil
}

// publish renames a durable file to its place, unless a later record names that place: the change
// of that record renames its own file, which must not be overwritten.
func (j *journal) publish(tmp, name string) (done bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.repairing[name] {
		return false, nil
	}
	return true, j.disk.Rename(tmp, name)
}

// rewriter makes items durable one by one, without a sync of the whole file system.
type rewriter struct {
	s       *Store
	publish func(tmp, name string) (done bool, err error)
	stuck   []item
	err     error // the first one
	failed  int   // files that could not be written
}

// attempts is how many new files a rewriter tries for an item. Each gets other blocks, because the
// failed ones keep theirs. If the whole device fails, it stops after failedMost failures.
const (
	attempts   = 8
	failedMost = 32
)

// all writes the items and then syncs every directory above them.
func (w *rewriter) all(items []item) {
	placed := make([]item, 0, len(items))
	listed := false
	for _, i := range items {
		var err error
		switch {
		case i.kind == itemRepository && listed:
		case i.kind == itemRepository || i.file() == namesFile:
			err = w.s.catalogue.persist()
			listed = err == nil
		case i.kind == itemMoved:
			err = w.moved(i)
		default:
			err = w.file(i)
		}
		if err != nil {
			w.fail(i, err)
			continue
		}
		placed = append(placed, i)
	}
	failed := w.syncAbove(placed)
	for _, i := range placed {
		for dir := parentOf(i.file()); len(failed) > 0 && dir != "."; dir = parentOf(dir) {
			if err := failed[dir]; err != nil {
				w.fail(i, err)
				break
			}
		}
	}
}

func (w *rewriter) fail(i item, err error) {
	w.s.log.Error("acknowledged content cannot be written to its place", "name", i.file(), "error", err)
	if w.stuck = append(w.stuck, i); w.err == nil {
		w.err = err
	}
}

// syncAbove syncs every directory above the items and returns those for which that failed.
func (w *rewriter) syncAbove(items []item) map[string]error {
	seen, failed := map[string]struct{}{}, map[string]error{}
	for _, i := range items {
		for dir := parentOf(i.file()); dir != "."; dir = parentOf(dir) {
			if _, ok := seen[dir]; ok {
				break
			}
			seen[dir] = struct{}{}
			if err := w.s.disk.SyncDir(dir); err != nil && !absent(err) {
				failed[dir] = fmt.Errorf("sync names in %s: %w", dir, err)
			}
		}
	}
	return failed
}

// file writes the content of an item to a new file, syncs it, and renames it to its place.
func (w *rewriter) file(i item) error {
	var errs []error
	for range attempts {
		tmp := w.s.temporary()
		err := w.staged(tmp, i)
		if err == nil {
			if err = w.s.ensure(parentOf(i.name)); err == nil {
				err = w.s.clearWay(i.name)
			}
			var done bool
			if err == nil {
				done, err = w.publish(tmp, i.name)
			}
			if !done {
				_ = w.s.disk.Remove(tmp)
			}
			return err
		}
		w.s.pin(tmp)
		errs = append(errs, err)
		if w.failed++; w.failed >= failedMost || absent(err) {
			break
		}
	}
	return errors.Join(errs...)
}

// staged writes a durable file with the content of an item, and with the time of the file it
// replaces.
func (w *rewriter) staged(tmp string, i item) error {
	f, err := w.s.create(tmp)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(i.body); err != nil {
		return err
	}
	if info, err := w.s.disk.Stat(i.name); err == nil && info.Regular && strings.HasPrefix(i.name, theirs) {
		if err := w.s.disk.SetTime(tmp, info.ModTime); err != nil {
			return err
		}
	}
	return f.Sync()
}

// writeDurably writes a file and its name durably, on other blocks if the first ones fail, and
// without the journal.
func (s *Store) writeDurably(name string, body []byte) error {
	w := rewriter{s: s, publish: func(tmp, name string) (bool, error) { return true, s.disk.Rename(tmp, name) }}
	if err := w.file(item{kind: itemFile, name: name, body: body}); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return s.barrier.wait(nil, []string{parentOf(name)})
}

// moved makes the name of a large file durable. Its content already is: it was synced on the
// descriptor that wrote it before the record was written. It is verified again before it is served
// (see distrust).
func (w *rewriter) moved(i item) error {
	for _, name := range []string{i.name, i.from} {
		info, err := w.s.disk.Stat(name)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.Regular || info.Size != i.size {
			continue
		}
		if err := w.sync(name); err != nil || name == i.name {
			return err
		}
		if err := w.s.ensure(parentOf(i.name)); err != nil {
			return err
		}
		_, err = w.publish(i.from, i.name)
		return err
	}
	return nil // quarantined, or never named and therefore never acknowledged
}

func (w *rewriter) sync(name string) error {
	f, err := w.s.disk.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return (&barrier{w.s.disk}).wait([]disk.File{f}, nil)
}

// pinsMost is how many files that could not be synced are kept.
const pinsMost = 64

// pin keeps a file that could not be written until the next start, so that its blocks are not
// allocated again. Beyond pinsMost, files are removed.
func (s *Store) pin(name string) {
	if s.pins.Add(1) > pinsMost {
		_ = s.disk.Remove(name)
	}
}

// mtimeOf returns the time of the nearest existing directory at or above dir, in nanoseconds, or 0
// if unknown.
func (s *Store) mtimeOf(dir string) int64 {
	for ; ; dir = parentOf(dir) {
		info, err := s.disk.Stat(dir)
		if err == nil {
			return info.ModTime.UnixNano()
		}
		if !absent(err) || dir == "." {
			return 0
		}
	}
}

// notBefore returns t, or now if t is in the future.
func notBefore(t int64, now time.Time) time.Time {
	at := time.Unix(0, t)
	if at.After(now) {
		return now
	}
	return at
}
