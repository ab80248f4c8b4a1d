package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// replay reads what earlier runs left in the journal and, where a power cut may have taken names, gives them again, in order. It runs before
// stage is emptied and before anything is read. What it did is not durable yet, so it is done again until settle has said that it is. last is
// the number of the last record there is.
func (s *Store) replay() (last uint64, err error) {
	var segments []found
	var written time.Time // the earlier of the segments' own times
	failed := false
	for i := range 2 {
		f, err := s.disk.Open(segmentName(i))
		if absent(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		was, err := readSegment(f)
		if info, serr := f.Stat(); serr == nil && (written.IsZero() || info.ModTime.Before(written)) {
			written = info.ModTime
		}
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		last = max(last, was.settled, was.last())
		failed = failed || was.failed
		segments = append(segments, was)
	}
	// A segment is left for the other one, and comes back to only after its records were settled: all of one are before all of the other.
	if len(segments) == 2 && len(segments[0].records) > 0 && segments[0].last() > segments[1].last() {
		segments[0], segments[1] = segments[1], segments[0]
	}
	// As long as the machine runs and the file system stays mounted, what a killed process wrote is there: nothing is missing, and somebody else
	// may have changed it since.
	if t := s.disk.Traits(); !failed && t.Boot != "" && t.Mount != "" && t.Mount == s.state.Mount && t.Boot == s.state.Boot {
		return last, nil
	}
	var records []foundRecord
	for _, was := range segments {
		records = append(records, was.records...)
	}
	r := replayer{s: s, force: failed, written: written}
	if err := r.all(records); err != nil {
		return 0, fmt.Errorf("replay journal: %w", err)
	}
	if r.left > 0 {
		s.log.Warn("somebody else had the storage directory after the journal of the last run ended, or a backup was put there: what that run pushed last and "+
			"is not there stays away, because it may have been deleted", "changes", r.left, "journal", time.Unix(0, r.end).UTC())
	}
	if r.again > 0 {
		s.log.Warn("the last run ended without a sync of the file system; pushes it had acknowledged were completed from the journal", "files", r.again)
	}
	return last, nil
}

// replayer does changes again.
type replayer struct {
	s       *Store
	force   bool      // write also what looks right
	written time.Time // when the segments were, as the file system has it
	other   bool      // somebody else had the store: what is not there may have been deleted
	end     int64     // time of the last record
	again   int
	left    int
	names   []string // what is to be synced one by one: the store was moved to a file system that cannot sync everything
}

// otherAfter is how long after the journal's end a directory must have changed for it to have been somebody else. A name is given within moments of its
// record, and a file system with a journal of its own keeps changes in order: a directory that shows a change of later has the name, too.
const otherAfter = 10 * time.Minute

// all does the changes of the journal again.
func (r *replayer) all(records []foundRecord) error {
	if len(records) == 0 {
		return nil
	}
	for _, record := range records {
		r.end = max(r.end, record.at)
	}
	// A replay that was cut off has changed directories itself: what it took the journal for, it is taken for again.
	if id := fmt.Sprintf("%d-%d", r.end, records[len(records)-1].seq); !r.force && r.s.state.Replay != id {
		var err error
		if r.other, err = r.foreign(records); err != nil {
			return err
		}
		if !r.other {
			r.s.state.Replay = id
			if err := r.s.writeState(); err != nil {
				return err
			}
		}
	}
	for _, record := range records {
		if err := r.change(record); err != nil {
			return err
		}
	}
	return r.sync()
}

// foreign tells whether another server had the directory after the journal ended, or the journal is a copy that is older than what is beside it: a name
// is missing where something changed long after.
func (r *replayer) foreign(records []foundRecord) (bool, error) {
	late := time.Unix(0, r.end).Add(otherAfter)
	if r.written.After(late) {
		return false, nil // it was copied without its times: they tell nothing
	}
	for _, record := range records {
		for _, i := range record.items {
			name := i.file()
			if !strings.HasPrefix(name, theirs) { // what is ours nobody else changes
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
			// A time in the future is that of a clock that was wrong.
			if err == nil && info.ModTime.After(late) && !info.ModTime.After(r.s.now()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// missing tells whether a name that a change gives is not there.
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

// sync makes names durable where settle cannot.
func (r *replayer) sync() error {
	b := barrier{disk: r.s.disk}
	for _, name := range r.names {
		f, err := r.s.disk.Open(name)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		var dirs []string
		for dir := parentOf(name); dir != "."; dir = parentOf(dir) {
			dirs = append(dirs, dir)
		}
		err = b.wait([]disk.File{f}, dirs)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// change does one again, unless what it was made of is gone: then nobody was told that it was durable, or it was removed or set aside since.
func (r *replayer) change(record foundRecord) error {
	if r.other {
		if missing, err := r.missing(record.items); err != nil || missing {
			r.left++
			return err
		}
	}
	for _, i := range record.items {
		if i.kind != itemMoved {
			continue
		}
		there, err := r.moved(i)
		if err != nil {
			return err
		}
		if !there {
			r.s.log.Debug("a change in the journal is left out: what it was made of is not there", "name", i.name)
			return nil
		}
	}
	for _, i := range record.items {
		if err := r.item(i, record.at); err != nil {
			return err
		}
		if !r.s.disk.Traits().SyncAll {
			r.names = append(r.names, i.file())
		}
	}
	return nil
}

// moved tells whether a file is where it was staged or where it was to go.
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
	switch i.kind {
	case itemFile:
		return r.file(i, at)
	case itemMoved:
		info, err := r.s.disk.Stat(i.from)
		if err != nil || info.Size != i.size {
			return nil //nolint:nilerr // it is in its place: see moved
		}
		if err := r.s.ensure(parentOf(i.name)); err != nil {
			return err
		}
		r.again++
		return r.s.disk.Rename(i.from, i.name)
	case itemRepository:
		return r.repository(i.name)
	}
	return nil
}

// file writes one again whose bytes are not what they should be, unless it is a link that was moved after the record: another server had the
// directory meanwhile.
func (r *replayer) file(i item, at int64) error {
	now, err := r.s.read(i.name, max(mostLink, int64(len(i.body))))
	if err == nil && bytes.Equal(now, i.body) && !r.force {
		return nil
	}
	if err == nil && path.Base(i.name) == "link" && !bytes.Equal(now, i.body) {
		info, err := r.s.disk.Stat(i.name)
		if _, bad := reference.ParseDigest(string(now)); err == nil && bad == nil && info.ModTime.UnixNano() > at {
			r.s.log.Info("this link was moved after the journal ended and stays", "name", i.name)
			return nil
		}
	}
	if err := r.s.ensure(parentOf(i.name)); err != nil {
		return err
	}
	tmp := r.s.temporary()
	f, err := r.s.disk.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(i.body)
	// It is as old as the record: what a later one says of the same name is newer.
	if err = errors.Join(err, f.Close(), r.s.disk.SetTime(tmp, time.Unix(0, at))); err != nil {
		return err
	}
	r.again++
	return r.s.disk.Rename(tmp, i.name)
}

// repository adds a name to the catalogue's file. One that is there twice is read once.
func (r *replayer) repository(name string) error {
	f, err := r.s.disk.Reopen(namesFile)
	if absent(err) {
		f, err = r.s.disk.Create(namesFile)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	_, err = f.Write([]byte("\n" + name + "\n")) // the last line may be torn
	return err
}
