package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// replay reads what earlier runs left in the journal and, where a power cut may have taken names, gives them again, in order. It runs before
// stage is emptied and before anything is read. What it did is not durable yet, so it is done again until settle has said that it is. last is
// the number of the last record there is.
func (s *Store) replay() (last uint64, err error) {
	var segments []found
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
	if t := s.disk.Traits(); !failed && t.Mount != "" && t.Mount == s.state.Mount && t.Boot == s.state.Boot {
		return last, nil
	}
	r := replayer{s: s, force: failed}
	for _, was := range segments {
		for _, record := range was.records {
			if err := r.change(record); err != nil {
				return 0, fmt.Errorf("replay journal: %w", err)
			}
		}
	}
	if err := r.sync(); err != nil {
		return 0, fmt.Errorf("replay journal: %w", err)
	}
	if r.again > 0 {
		s.log.Warn("the last run ended without a sync of the file system; pushes it had acknowledged were completed from the journal", "files", r.again)
	}
	return last, nil
}

// replayer does changes again.
type replayer struct {
	s     *Store
	force bool // write also what looks right
	again int
	names []string // what is to be synced one by one: the store was moved to a file system that cannot sync everything
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
