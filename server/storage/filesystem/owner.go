package filesystem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// runState is what one run saves for the next.
type runState struct {
	Running bool      `json:"running"`          // still set at the next start if the run crashed
	Crashed time.Time `json:"crashed,omitzero"` // when the last unclean shutdown was noticed
	Stepped time.Time `json:"stepped,omitzero"` // when the last clock step was noticed
	Boot    string    `json:"boot,omitempty"`
	Mount   string    `json:"mount,omitempty"`
	Replay  string    `json:"replay,omitempty"` // ID of the journal whose replay began
}

// own acquires the root. An offline command yields it to the next server that waits for it.
func (s *Store) own(ctx context.Context) error {
	waiting := func(owner *storage.OwnedError) {
		s.log.WarnContext(ctx, "waiting for the storage: an offline command is asked to stop",
			"command", owner.Work, "pid", owner.PID, "at_most", s.opt.Wait.String())
	}
	err := s.disk.Own(ctx, lockFile, disk.Claim{
		ReadOnly: s.opt.ReadOnly, Work: s.opt.Work, Wait: s.opt.Wait, Waiting: waiting,
	})
	if err == nil && s.opt.Work != "" && s.opt.Yield != nil {
		s.start(func(ctx context.Context) {
			if s.disk.Awaited(ctx) == nil {
				s.opt.Yield()
			}
		})
	}
	return err
}

// prepare acquires the root and makes it writable.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.recognise(); err != nil {
		return err
	}
	if s.opt.ReadOnly {
		return s.own(ctx)
	}
	for _, dir := range append([]string{leaseDir}, ourDirs...) {
		if err := s.ensure(dir); err != nil {
			return err
		}
	}
	if err := s.own(ctx); err != nil {
		return err
	}
	for _, dir := range []string{blobsDir, reposDir} {
		if err := s.ensure(dir); err != nil {
			return err
		}
	}
	if err := s.onOneDevice(); err != nil {
		return err
	}
	s.recallState()
	if err := s.replay(); err != nil {
		return err
	}
	if err := s.setStageAside(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.started(); err != nil {
		return err
	}
	return s.room.measure(s.disk, s.opt.HeadRoom)
}

// settleAgain is the delay between attempts to make the content found at startup durable.
const settleAgain = 2 * time.Second

// settle makes durable what a killed process wrote without a sync and what was replayed from the
// journal, and begins a new journal. No change is acknowledged before that, but reads need not
// wait. It retries until it succeeds.
func (s *Store) settle(ctx context.Context) {
	err := s.settleOnce()
	s.unsettled.Store(&err)
	close(s.settled)
	for err != nil {
		s.log.Error("storage accepts no changes", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(settleAgain):
		}
		if err = s.settleOnce(); err == nil {
			s.log.Info("storage accepts changes")
		}
		e := err
		s.unsettled.Store(&e)
	}
	s.replayed.items = nil
}

func (s *Store) settleOnce() error {
	fail := func(err error) error {
		return unavailable(fmt.Errorf("make durable what was there at the start: %w", err))
	}
	err := s.disk.SyncAll()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if err != nil {
		s.replayed.redo = true // the next sync does not report the failure again
		s.distrust()
		if !s.journals() {
			return fail(err)
		}
		s.log.Warn("sync of the file system failed; writing recent pushes again from the journal", "error", err)
	}
	var stuck []item
	if s.replayed.redo || !s.disk.Traits().SyncAll {
		stuck = s.redo(s.replayed.items)
	}
	if s.journals() {
		j, err := openJournal(s, stuck)
		if err == nil {
			s.journal.Store(j)
			s.trouble.stuck(stuck)
			return nil
		}
		s.log.Warn("there is no journal; pushes are made durable file by file, which is slower", "error", mapped(err))
	}
	if len(stuck) > 0 {
		return fail(fmt.Errorf("%d files could not be written to their place", len(stuck)))
	}
	if err := dropJournal(s.disk); err != nil {
		return fail(err)
	}
	return nil
}

// distrust records in the journal that a sync failed: the kernel reports that only once, so the
// next start, whose sync may succeed, must apply the journal again. Best effort: the device is
// failing.
func (s *Store) distrust() {
	for i := range 2 {
		f, err := s.disk.Reopen(segmentName(i))
		if err != nil {
			continue
		}
		if was, err := readSegment(f, s.log); err == nil {
			_ = writeHeader(f, header{settled: was.settled, failed: true})
		}
		f.Close()
	}
}

// journals reports whether changes are made durable through the journal. That requires a journaling
// file system: renames are atomic, a synced file keeps its name, and syncfs syncs everything and
// reports failures.
func (s *Store) journals() bool {
	t := s.disk.Traits()
	return s.opt.Barrier != BarrierFiles && t.Journaling && t.SyncAll
}

// recognise refuses a directory that is neither empty nor a store of packhouse or CNCF
// distribution.
func (s *Store) recognise() error {
	if info, err := s.disk.Stat(parentOf(ours)); err == nil && info.Dir {
		return nil
	}
	if s.descends(theirs) {
		return nil
	}
	found := ""
	stop := errors.New("found")
	err := s.disk.List(".", func(e disk.Entry) error {
		if config.OfFileSystem(e.Name) {
			return nil
		}
		found = e.Name
		return stop
	})
	switch {
	case found != "":
		return &storage.ForeignError{Path: s.opt.Root, Found: found}
	case err != nil && !absent(err):
		return fmt.Errorf("list storage directory: %w", err)
	}
	return nil
}

// descends reports whether name exists, or whether its path ends early in an empty directory, as an
// interrupted first start leaves it.
func (s *Store) descends(name string) bool {
	for dir := ""; name != ""; {
		var part string
		part, name, _ = strings.Cut(name, "/")
		dir = path.Join(dir, part)
		info, err := s.disk.Stat(dir)
		if err == nil && !info.Dir || err != nil && !absent(err) {
			return false
		}
		if err != nil {
			return parentOf(dir) != "." && !s.anything(parentOf(dir))
		}
	}
	return true
}

// onOneDevice makes sure that staged files can be renamed to their places.
func (s *Store) onOneDevice() error {
	stage, err := s.disk.Stat(stageDir)
	if err != nil {
		return err
	}
	for _, dir := range []string{blobsDir, reposDir, uploadsDir, trashDir, quarantineDir} {
		info, err := s.disk.Stat(dir)
		if err != nil {
			return err
		}
		if info.Device != stage.Device || !info.Dir {
			return fmt.Errorf("%s and %s are not on one file system; mount the whole directory, not parts of it", dir, stageDir)
		}
	}
	return nil
}

// setStageAside moves what an earlier run left in stage to trash, in one rename; sweepLeftovers
// removes it.
func (s *Store) setStageAside() error {
	if !s.anything(stageDir) {
		return nil
	}
	if err := s.disk.Rename(stageDir, trashDir+"/"+s.run+"stage"); err != nil {
		return err
	}
	return s.disk.Mkdir(stageDir)
}

// anything reports whether a directory has an entry.
func (s *Store) anything(dir string) bool {
	some := errors.New("some")
	return errors.Is(s.disk.List(dir, func(disk.Entry) error { return some }), some)
}

// recallState reads the state of the previous run.
func (s *Store) recallState() {
	body, err := s.read(stateFile, 4096)
	if err == nil && json.Unmarshal(body, &s.state) != nil || err != nil && !absent(err) {
		s.state = runState{Running: true} // the file existed but is unreadable: not a clean shutdown
	}
	s.steps.resume(s.state.Stepped)
}

// started records that a run has begun, and whether the previous one crashed.
func (s *Store) started() error {
	if err := s.tagIndex.begin(s.state.Running && !s.mounted()); err != nil {
		return err
	}
	if s.state.Running {
		s.state.Crashed = s.now().UTC()
		s.log.Warn("the last run did not end cleanly, nothing is collected for one window", "window", s.opt.Window)
	}
	t := s.disk.Traits()
	s.state.Running, s.state.Boot, s.state.Mount = true, t.Boot, t.Mount
	return s.writeState()
}

// stopped records that the run ended, and whether cleanly.
func (s *Store) stopped(well bool) error {
	s.state.Running = !well
	s.state.Stepped = s.steps.noticed(s.now(), s.opt.Uptime(), s.opt.Window/4)
	if !well {
		s.state.Mount = "" // forces a replay, even without a reboot
	}
	s.catalogue.finish(well)
	return s.writeState()
}

func (s *Store) writeState() error {
	body, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	return s.writeDurably(stateFile, append(body, '\n'))
}

// read returns the content of a small file. It is an error if that exceeds limit bytes.
func (s *Store) read(name string, limit int64) ([]byte, error) {
	f, err := s.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", name, limit)
	}
	return body, nil
}

// sweepLeftovers removes what earlier runs put into trash, and upload sessions invalidated by a
// reboot.
func (s *Store) sweepLeftovers(ctx context.Context) {
	var names []string
	_ = s.disk.List(trashDir, func(e disk.Entry) error {
		names = append(names, e.Name)
		return ctx.Err()
	})
	for _, n := range names {
		if ctx.Err() != nil {
			return
		}
		s.removeTree(trashDir + "/" + n)
	}
	s.sessions.load(s)
}

// unjournal makes sure that no replay restores what is in dir. It is called before removing that,
// under the locks that exclude changes in dir.
func (s *Store) unjournal(dir string) error {
	if j := s.journal.Load(); j != nil {
		return mapped(j.settle(dir))
	}
	return nil
}

// discard renames a file or directory into trash. The caller must have called unjournal, syncs the
// parent, and then calls remove.
func (s *Store) discard(name string) (remove func(), err error) {
	to := trashDir + "/" + s.run + s.temporary()[len(stageDir)+1:]
	s.catalogue.lost(name) // if the process is killed after this, the next one knows
	if err := s.disk.Rename(name, to); err != nil {
		return nil, err
	}
	s.catalogue.lost(name) // a listing may have read it in between
	return func() { s.removeTree(to) }, nil
}

// removeTree removes name recursively, as far as possible. It is used only for what is no longer
// needed.
func (s *Store) removeTree(name string) {
	err := s.disk.Remove(name)
	if err == nil || absent(err) {
		return
	}
	var entries []string
	_ = s.disk.List(name, func(e disk.Entry) error {
		entries = append(entries, e.Name)
		return nil
	})
	for _, e := range entries {
		s.removeTree(name + "/" + e)
	}
	if len(entries) > 0 {
		if err := s.disk.Remove(name); err != nil {
			s.log.Debug("remove what is not wanted any more", "name", name, "error", err)
		}
	}
}
