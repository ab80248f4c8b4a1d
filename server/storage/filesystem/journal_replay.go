package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"packhouse/server/storage/disk"
)

// replayed is what was found in the journal at startup.
type replayed struct {
	last  uint64 // number of the last record
	clock int64  // the latest time of a record
	older int    // index of the segment with the older records
	items []item // items of the records, until they are durable
	redo  bool   // a sync failed since they were applied, so only redo makes them durable
}

// replay reads what earlier runs left in the journal and, if a power cut may have lost names,
// applies the records again, in order. It runs before stage is emptied and before anything is read.
// The result is not durable yet, so every start repeats it until settle has recorded that it is.
func (s *Store) replay() error {
	var segments [2]found
	var written time.Time // the earlier modification time of the segments
	failed := false
	noted := s.notedSettled()
	s.replayed.last = noted
	for i := range segments {
		f, err := s.disk.Open(segmentName(i))
		if absent(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		was, err := readSegment(f, s.log)
		if info, serr := f.Stat(); serr == nil && (written.IsZero() || info.ModTime.Before(written)) {
			written = info.ModTime
		}
		f.Close()
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		was.settle(noted)
		s.replayed.last = max(s.replayed.last, was.settled, was.last())
		failed = failed || was.failed
		segments[i] = was
	}
	// The journal reuses a segment only after its records were settled, so all records of one
	// segment are older than all of the other.
	if len(segments[0].records) > 0 && segments[0].last() > segments[1].last() {
		segments[0], segments[1] = segments[1], segments[0]
		s.replayed.older = 1
	}
	records := append(segments[0].records, segments[1].records...)
	for _, r := range records {
		s.replayed.clock = max(s.replayed.clock, r.at)
	}
	// While the machine runs and the file system stays mounted, every name that a killed process
	// wrote exists: a missing one was never acknowledged, or removed by another server. The content
	// may still be lost, if the device failed to write it.
	r := replayer{s: s, force: failed, mounted: s.mounted(), written: written, end: s.replayed.clock}
	if err := r.all(records); err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	r.report()
	return nil
}

// mounted reports whether the file system has stayed mounted since the last run, so that nothing
// that a killed process wrote is lost.
func (s *Store) mounted() bool {
	t := s.disk.Traits()
	return t.Boot != "" && t.Mount != "" && t.Mount == s.state.Mount && t.Boot == s.state.Boot
}

// replayer applies records again.
type replayer struct {
	s       *Store
	force   bool      // a checkpoint failed
	mounted bool      // the file system was neither unmounted nor rebooted since the records were written
	written time.Time // modification time of the segments
	other   bool      // another server used the store: what is missing may have been deleted
	end     int64     // time of the last record
	again   int
	left    int
	links   map[string]*history
	foreign map[string]bool // links that another server has moved
	repos   []string        // names to add to the catalogue
}

func (r *replayer) report() {
	if r.left > 0 {
		r.s.log.Warn("another server used the storage directory after the journal of the last run ended, or a backup was restored; "+
			"pushes of that run that are missing stay missing, because they may have been deleted",
			"changes", r.left, "journal", time.Unix(0, r.end).UTC())
	}
	if r.again > 0 {
		r.s.log.Warn("the last run ended without a sync of the file system; completed acknowledged pushes from the journal", "files", r.again)
	}
}

// otherAfter is how long after the end of the journal a directory must have changed to conclude
// that another server did it. A name is written within moments of its record, and a journaling file
// system keeps changes in order: a directory that shows a later change also has the name. The time
// of a record is never before that of the directories it changes, nor before that of an earlier
// record, even if the clock is stepped.
const otherAfter = 10 * time.Minute

// all applies the records again.
func (r *replayer) all(records []foundRecord) error {
	if len(records) == 0 {
		return nil
	}
	// An interrupted replay has changed directories itself. The next one repeats its decision.
	id := fmt.Sprintf("%d-%d", r.end, records[len(records)-1].seq)
	if !r.force && !r.mounted && r.s.state.Replay != id {
		var err error
		if r.other, err = r.elsewhere(records); err != nil {
			return err
		}
		if !r.other {
			r.s.state.Replay = id
			if err := r.s.writeState(); err != nil {
				return err
			}
		}
	}
	records, err := r.wanted(records)
	if err != nil {
		return err
	}
	r.links = r.s.histories(records)
	if err := r.compareLinks(); err != nil {
		return err
	}
	for n, record := range records {
		for _, i := range record.items {
			if h := r.links[i.name]; h != nil && (n < h.last || r.foreign[i.name]) {
				continue
			}
			if err := r.item(i, record.at); err != nil {
				return err
			}
		}
	}
	return r.repositories()
}

// compareLinks finds the links that another server has moved, before anything is changed.
func (r *replayer) compareLinks() error {
	r.foreign = map[string]bool{}
	for name, h := range r.links {
		info, err := r.s.disk.Stat(name)
		if err != nil || !info.Regular {
			if err == nil || absent(err) {
				continue
			}
			return err
		}
		now, err := r.s.read(name, mostLink)
		if err != nil {
			continue //nolint:nilerr // unreadable: it is written again
		}
		if h.foreign(now, info) {
			r.s.log.Info("another server moved this link after the journal ended; keeping it", "name", name)
			r.foreign[name] = true
		}
	}
	return nil
}

// elsewhere reports whether another server used the directory after the journal ended, or whether
// the journal is a copy older than the rest: a name is missing in a directory that changed long
// afterwards.
func (r *replayer) elsewhere(records []foundRecord) (bool, error) {
	late := time.Unix(0, r.end).Add(otherAfter)
	if r.written.After(late) {
		return false, nil // copied without preserving times, which are no evidence then
	}
	for _, record := range records {
		for _, i := range record.items {
			name := i.file()
			if !strings.HasPrefix(name, theirs) { // other servers change nothing else
				continue
			}
			info, err := r.s.disk.Stat(name)
			if err == nil {
				continue
			}
			for dir := parentOf(name); absent(err) && dir != "."; dir = parentOf(dir) {
				info, err = r.s.disk.Stat(dir)
			}
			if err != nil && !absent(err) {
				return false, err
			}
			// A time in the future comes from a wrong clock.
			if err == nil && info.ModTime.After(late) && !info.ModTime.After(r.s.now()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// wanted returns the records to apply. It skips those whose large file is missing: they were never
// acknowledged, or the file was removed or quarantined since. It also skips those with a missing
// name, if that was never written or may have been deleted.
func (r *replayer) wanted(records []foundRecord) (kept []foundRecord, err error) {
	for _, record := range records {
		here := true
		for _, i := range record.items {
			if i.kind == itemMoved && here {
				if here, err = r.moved(i); err != nil {
					return nil, err
				}
				if !here {
					r.s.log.Debug("leaving out a change of the journal: the file it names is gone", "name", i.name)
				}
			}
		}
		if here && (r.other || r.mounted) {
			missing, err := r.missing(record.items)
			if err != nil {
				return nil, err
			}
			if here = !missing; missing && r.other {
				r.left++
			}
		}
		if here {
			kept = append(kept, record)
		}
	}
	return kept, nil
}

// missing reports whether a name that a change writes is missing.
func (r *replayer) missing(items []item) (bool, error) {
	for _, i := range items {
		_, err := r.s.disk.Stat(i.file())
		if absent(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// moved reports whether a file exists under its staged or final name.
func (r *replayer) moved(i item) (bool, error) {
	for _, name := range []string{i.from, i.name} {
		info, err := r.s.disk.Stat(name)
		if err == nil && info.Regular && info.Size == i.size {
			return true, nil
		}
		if err != nil && !absent(err) {
			return false, err
		}
	}
	return false, nil
}

func (r *replayer) item(i item, at int64) error {
	switch {
	case i.kind == itemRepository:
		r.keep(i)
		r.repos = append(r.repos, i.name)
		return nil
	case i.file() == namesFile: // the whole file, which may contain other names now
		r.keep(i)
		r.repos = append(r.repos, strings.Fields(string(i.body))...)
		return nil
	case i.kind == itemMoved:
		info, err := r.s.disk.Stat(i.from)
		if err != nil || info.Size != i.size {
			r.keep(i)
			return nil //nolint:nilerr // it is in its place: see moved
		}
		if err := r.s.ensure(parentOf(i.name)); err != nil {
			return err
		}
		r.again++
		r.keep(i)
		return r.s.rename(i.from, i.name)
	}
	return r.file(i, at)
}

// keep records an item that settle must make durable.
func (r *replayer) keep(i item) { r.s.replayed.items = append(r.s.replayed.items, i) }

// file writes the content of a record to a new file, even if the place has the same content: it may
// never have reached the device, and the error may have been reported to another process.
func (r *replayer) file(i item, at int64) error {
	r.keep(i)
	// Preserve the age of the record, or of the file it replaces: garbage collection uses the age
	// of links.
	old := notBefore(at, r.s.now())
	now, rerr := r.s.read(i.name, max(mostLink, int64(len(i.body))))
	if info, err := r.s.disk.Stat(i.name); err == nil && rerr == nil && bytes.Equal(now, i.body) {
		old = info.ModTime
	} else {
		r.again++
	}
	if err := r.s.ensure(parentOf(i.name)); err != nil {
		return err
	}
	tmp := r.s.temporary()
	f, err := r.s.create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(i.body)
	if err = errors.Join(err, f.Close(), r.s.disk.SetTime(tmp, old)); err != nil {
		return err
	}
	return r.s.rename(tmp, i.name)
}

// repositories adds missing names to the catalogue file.
func (r *replayer) repositories() error {
	if len(r.repos) == 0 {
		return nil
	}
	err := r.s.displace(namesFile, func(i disk.Info) bool { return !i.Regular || i.Size > namesLimit })
	if err != nil {
		return err
	}
	f, err := r.s.disk.Reopen(namesFile)
	if absent(err) {
		f, err = r.s.disk.Create(namesFile)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	body, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	have := map[string]struct{}{}
	for line := range strings.Lines(string(body)) {
		if name, whole := strings.CutSuffix(line, "\n"); whole {
			have[name] = struct{}{}
		}
	}
	var add strings.Builder
	for _, name := range r.repos {
		if _, ok := have[name]; !ok {
			have[name] = struct{}{}
			add.WriteString("\n" + name) // the last line may be torn
		}
	}
	if add.Len() == 0 {
		return nil
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	_, err = io.WriteString(f, add.String()+"\n")
	return err
}

// redo makes the result of a replay durable file by file, if a sync of the whole file system failed
// or is not supported. It returns what could not be made durable.
func (s *Store) redo(items []item) []item {
	w := rewriter{s: s, publish: func(tmp, name string) (bool, error) { return true, s.disk.Rename(tmp, name) }}
	w.all(latestItems([]foundRecord{{items: items}}))
	return w.stuck
}
