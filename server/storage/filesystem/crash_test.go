package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/racetest"
	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// facts are what a client may rely on: for each thing, what it may be. An answer settles it; an error leaves what was and what was wanted.
type facts map[string][]string

const (
	here = "here"
	gone = ""
)

func (f facts) settle(err error, changes map[string]string) {
	for thing, is := range changes {
		was, known := f[thing]
		switch {
		case err == nil:
			f[thing] = []string{is}
		case !known:
			f[thing] = []string{gone, is}
		default:
			f[thing] = append(slices.Clone(was), is)
		}
	}
}

// script does one of everything and notes what was promised.
type script struct {
	t     *testing.T
	s     *filesystem.Store
	facts facts
	errs  []error
	all   map[string]*storagetest.Image // by the fact that its manifest is there
}

func (c *script) note(err error, changes map[string]string) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
	c.facts.settle(err, changes)
}

func blobFact(repo string, content []byte) string {
	return "blob " + repo + " " + string(digest.FromBytes(content))
}

func manifestFact(repo string, i *storagetest.Image) string {
	return "manifest " + repo + " " + string(i.Digest)
}
func tagFact(repo, tag string) string { return "tag " + repo + " " + tag }

func (c *script) push(i *storagetest.Image, repo string, tags ...string) {
	for _, b := range [][]byte{i.Config, i.Layer} {
		if b != nil {
			c.note(storagetest.TryBlob(c.s, storagetest.Repo(c.t, repo), b), map[string]string{blobFact(repo, b): here})
		}
	}
	changes := map[string]string{manifestFact(repo, i): here}
	for _, tag := range tags {
		changes[tagFact(repo, tag)] = string(i.Digest)
	}
	if c.all == nil {
		c.all = map[string]*storagetest.Image{}
	}
	c.all[manifestFact(repo, i)] = i
	err := i.TryManifest(c.t, c.s, repo, tags...)
	if missing := (*storage.MissingError)(nil); errors.As(err, &missing) {
		changes = nil // refused, nothing changed
	}
	c.note(err, changes)
}

var (
	scriptText  = strings.Repeat("a body in two chunks. ", 3200) // more than goes into the journal
	scriptOwner = func(t *testing.T) storage.Owner {
		return storage.Owner{Repository: storagetest.Repo(t, "team/up"), User: "ann"}
	}
)

func (c *script) run(now *clock) {
	ctx, t := context.Background(), c.t
	_, _, _ = c.s.Repositories(ctx, "", 1, nil)
	one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
	signature := storagetest.NewImage(t, "signature", one)
	c.push(one, "team/a", "v1", "latest")
	c.push(two, "team/a", "latest") // moves a tag
	c.push(signature, "team/a")
	c.push(storagetest.NewIndex(t, one, two), "team/a", "all")
	c.push(one, "team/b", "v1") // what another repository has

	o := scriptOwner(t)
	u, err := c.s.StartUpload(ctx, o, digest.SHA256)
	c.note(err, nil)
	if err == nil {
		half := len(scriptText) / 2
		_, err = c.s.AppendUpload(ctx, o, u.ID, 0, strings.NewReader(scriptText[:half]), int64(half))
		c.note(err, nil)
		at, serr := c.s.StatUpload(ctx, o, u.ID)
		if serr == nil {
			rest := scriptText[at.Offset:]
			err = c.s.FinishUpload(ctx, o, u.ID, at.Offset, strings.NewReader(rest), int64(len(rest)), digest.FromString(scriptText))
			c.note(err, map[string]string{blobFact("team/up", []byte(scriptText)): here})
		}
	}
	err = c.s.MountBlob(ctx, storagetest.Repo(t, "team/m"), []reference.Repository{storagetest.Repo(t, "team/a")}, digest.FromBytes(two.Layer))
	c.note(err, map[string]string{blobFact("team/m", two.Layer): here})

	bulk := []byte(strings.Repeat("more than goes into the journal ", 2100))
	c.note(storagetest.TryBlob(c.s, storagetest.Repo(t, "team/bulk"), bulk), map[string]string{blobFact("team/bulk", bulk): here})
	garbage := []byte("garbage")
	c.note(storagetest.TryBlob(c.s, storagetest.Repo(t, "team/g"), garbage), map[string]string{blobFact("team/g", garbage): here})
	c.note(c.s.DeleteTag(ctx, storagetest.Repo(t, "team/a"), storagetest.Tag(t, "v1")), map[string]string{tagFact("team/a", "v1"): gone})
	c.note(c.s.DeleteManifest(ctx, storagetest.Repo(t, "team/b"), one.Digest, false), map[string]string{manifestFact("team/b", one): gone, tagFact("team/b", "v1"): gone})
	c.note(c.s.DeleteBlob(ctx, storagetest.Repo(t, "team/b"), digest.FromBytes(one.Layer), false), map[string]string{blobFact("team/b", one.Layer): gone})
	now.pass(3 * time.Hour)
	_, err = c.s.Collect(ctx, storage.CollectOptions{}, nil)
	c.note(err, nil)
	c.release()
	c.push(one, "team/b", "back")
}

// release lets go of blobs that no manifest certainly refers to: collection may have them.
func (c *script) release() {
	needed := map[digest.Digest]bool{}
	for f, i := range c.all {
		if slices.Equal(c.facts[f], []string{here}) {
			needed[digest.FromBytes(i.Config)], needed[digest.FromBytes(i.Layer)] = true, true
		}
	}
	for f, may := range c.facts {
		if d := digest.Digest(f[strings.LastIndex(f, " ")+1:]); strings.HasPrefix(f, "blob ") && !needed[d] {
			c.facts[f] = append(slices.Clone(may), gone)
		}
	}
}

// takes tells whether the store takes changes: one that could not be made durable at its start does not.
func (c *script) takes() bool {
	err := storagetest.TryBlob(c.s, storagetest.Repo(c.t, "team/takes"), []byte("x"))
	return err == nil || !strings.Contains(err.Error(), "at the start")
}

// check reads everything a client may rely on, and that nothing is called existing that cannot be read.
func (f facts) check(t *testing.T, s *filesystem.Store) error {
	ctx := context.Background()
	for thing, may := range f {
		var kind, repo, name string
		if _, err := fmt.Sscanf(thing, "%s %s %s", &kind, &repo, &name); err != nil {
			return err
		}
		r, is := storagetest.Repo(t, repo), gone
		var err error
		switch kind {
		case "blob":
			if _, serr := s.StatBlob(ctx, r, digest.Digest(name), true); serr == nil {
				var body []byte
				if body, err = storagetest.ReadBlob(s, r, digest.Digest(name)); err == nil && digest.FromBytes(body) != digest.Digest(name) {
					err = errors.New("other bytes came back")
				}
				is = here
			}
		case "manifest":
			var stored storage.Stored
			if stored, err = s.GetManifest(ctx, r, digest.Digest(name), false); err == nil {
				is = here
				if digest.FromBytes(stored.Content) != digest.Digest(name) {
					err = errors.New("other bytes came back")
				}
			} else if !errors.Is(err, storage.ErrBlobDamaged) && errors.Is(err, storage.ErrManifestUnknown) {
				err = nil
			}
		case "tag":
			var d digest.Digest
			if d, err = s.ResolveTag(ctx, r, storagetest.Tag(t, name)); err == nil {
				is = string(d)
				// The names of a new tag become durable in any order, so one that nobody was promised may lack its manifest.
				if _, err = s.GetManifest(ctx, r, d, false); errors.Is(err, storage.ErrManifestUnknown) && len(may) > 1 {
					is, err = gone, nil
				}
			} else if errors.Is(err, storage.ErrTagUnknown) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", thing, err)
		}
		if !slices.Contains(may, is) {
			return fmt.Errorf("%s is %q and may be %q", thing, is, may)
		}
	}
	return nil
}

// healed pushes everything again, which must work, and be there.
func healed(t *testing.T, s *filesystem.Store) error {
	c := &script{t: t, s: s, facts: facts{}}
	one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
	c.push(one, "team/a", "v1", "latest")
	c.push(two, "team/a", "latest", "all")
	c.push(storagetest.NewImage(t, "signature", one), "team/a")
	if len(c.errs) > 0 {
		return fmt.Errorf("push again: %w", errors.Join(c.errs...))
	}
	list, err := s.Referrers(context.Background(), storagetest.Repo(t, "team/a"), one.Digest)
	if err != nil || len(list) != 1 {
		return fmt.Errorf("referrers: %v, %w", list, err)
	}
	page, _, err := s.Tags(context.Background(), storagetest.Repo(t, "team/a"), "", 10)
	if err != nil || !slices.Equal(page, []string{"all", "latest", "v1"}) {
		return fmt.Errorf("tags: %v, %w", page, err)
	}
	return c.facts.check(t, s)
}

func reopened(t *testing.T, d disk.Disk, now *clock) (*filesystem.Store, error) {
	t.Helper()
	return filesystem.OpenDisk(context.Background(), d, filesystem.Options{Now: now.now, Journal: smallJournal})
}

// smallJournal is a size of segments that a test fills more than once.
const smallJournal = 32 << 10

// TestEveryCallMayFail lets the n-th call of the disk fail, for every n, and after each checks the promises: in the store that met the
// failure, after a restart, and after power cuts that keep all, none or some of what was not synced.
func TestEveryCallMayFail(t *testing.T) {
	for name, kind := range map[string]struct {
		err        error
		stays      bool
		journaling bool
	}{
		"device error":             {errDevice, false, false},
		"disk full":                {syscall.ENOSPC, false, false},
		"machine gone":             {errDevice, true, false},
		"journaling, device error": {errDevice, false, true},
		"journaling, disk full":    {syscall.ENOSPC, false, true},
		"journaling, machine gone": {errDevice, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := racetest.Sample(17, 170) // SOAK takes all
			if testing.Short() {
				step = 37
			}
			if os.Getenv("SOAK") != "" {
				step = 1
			}
			for n := 1; ; n += step {
				if done := oneFailure(t, &faulty{err: kind.err, stays: kind.stays, at: n}, kind.journaling, uint64(n)); done || t.Failed() {
					if n < 500 {
						t.Errorf("the script ended after %d calls", n)
					}
					return
				}
			}
		})
	}
}

func oneFailure(t *testing.T, f *faulty, journaling bool, n uint64) (done bool) {
	t.Helper()
	now := newClock()
	memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: journaling, Now: now.now, Boot: "first"})
	f.Disk = memory
	c := &script{t: t, facts: facts{}}
	s, err := reopened(t, f, now)
	if err == nil {
		c.s = s
		c.run(now)
	}
	if f.count() < f.at {
		if s != nil {
			_ = s.Close()
		}
		return true
	}
	chance := rand.New(rand.NewPCG(n, 7)) //nolint:gosec // the same every time
	disks := map[string]disk.Disk{
		"everything unsynced lost": memory.PowerCut(nil, "second"),
		"some of it lost":          memory.PowerCut(chance, "second"),
		"other parts of it lost":   memory.PowerCut(chance, "second"),
	}
	if s != nil {
		if !f.stays && c.takes() {
			if err := c.facts.check(t, s); err != nil && f.count() != f.at {
				t.Errorf("call %d: in the running store: %v", n, err)
			}
			if err := healed(t, s); err != nil {
				t.Errorf("call %d: in the running store: %v", n, err)
			}
		}
		_ = s.Close()
	}
	if f.stays { // killed, not cut: what the kernel has is there
		disks["killed"] = memory
	}
	for what, d := range disks {
		s, err := reopened(t, d, now)
		if err != nil {
			t.Errorf("call %d, %s: reopen: %v", n, what, err)
			continue
		}
		if err := c.facts.check(t, s); err != nil {
			t.Errorf("call %d, %s: %v", n, what, err)
		}
		if err := healed(t, s); err != nil {
			t.Errorf("call %d, %s: %v", n, what, err)
		}
		_ = s.Close()
	}
	return false
}

// TestNoSyncNoAnswer makes every sync of a push fail in turn: none of them ends in an answer that a power cut
// proves wrong. With a journal, a sync that fails once is done again elsewhere.
func TestNoSyncNoAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		barrier string
		stays   bool
	}{
		"files":              {filesystem.BarrierFiles, false},
		"journal, once":      {filesystem.BarrierAuto, false},
		"journal, from then": {filesystem.BarrierAuto, true},
	} {
		t.Run(name, inABubble(func(t *testing.T) {
			for n := 1; ; n++ {
				memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})
				f := &faulty{Disk: memory, err: errDevice, only: "sync", stays: tc.stays}
				s, err := filesystem.OpenDisk(context.Background(), f, filesystem.Options{Barrier: tc.barrier, Journal: smallJournal})
				if err != nil {
					t.Fatal(err)
				}
				if err := storagetest.TryBlob(s, storagetest.Repo(t, "z"), []byte("the work of the start is done")); err != nil {
					t.Fatal(err)
				}
				f.mu.Lock()
				f.at = f.calls + n
				f.mu.Unlock()
				blob, image := []byte("content"), storagetest.NewImage(t, "one", nil)
				first := storagetest.TryBlob(s, storagetest.Repo(t, "a"), blob)
				second := image.TryPush(t, s, "a", "v1")
				failed := f.count() >= f.at
				if failed && first == nil && second == nil && (tc.stays || tc.barrier == filesystem.BarrierFiles) {
					t.Errorf("sync %d failed and everything was acknowledged", n)
				}
				if !failed && (first != nil || second != nil) {
					t.Errorf("%v, %v", first, second)
				}
				again, err := reopened(t, memory.PowerCut(nil, "second"), newClock())
				if err != nil {
					t.Fatal(err)
				}
				if got, err := storagetest.ReadBlob(again, storagetest.Repo(t, "a"), digest.FromBytes(blob)); first == nil && (err != nil || !bytes.Equal(got, blob)) {
					t.Errorf("sync %d: after a power cut: %q, %v", n, got, err)
				}
				if second == nil {
					image.Check(t, again, "a", "v1")
				}
				_ = again.Close()
				_ = s.Close()
				if !failed {
					if n < 4 {
						t.Errorf("only %d syncs", n-1)
					}
					return
				}
			}
		}))
	}
}

// TestUploadSurvivesTheProcess resumes a session after a restart of the process, and refuses it after one of the machine.
func TestUploadSurvivesTheProcess(t *testing.T) {
	ctx, now := context.Background(), newClock()
	memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Now: now.now, Boot: "first"})
	s, err := reopened(t, memory, now)
	if err != nil {
		t.Fatal(err)
	}
	o := scriptOwner(t)
	u, err := s.StartUpload(ctx, o, digest.SHA512)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendUpload(ctx, o, u.ID, 0, strings.NewReader("one"), 3); err != nil {
		t.Fatal(err)
	}
	// Killed while a chunk was written: bytes are behind the recorded end.
	var slot string
	_ = memory.List("packhouse/v1/uploads", func(e disk.Entry) error { slot = e.Name; return nil })
	stray, err := memory.Reopen("packhouse/v1/uploads/" + slot + "/" + u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stray.Write([]byte("oneGARBAGE")); err != nil {
		t.Fatal(err)
	}
	cut := memory.PowerCut(rand.New(rand.NewPCG(1, 1)), "second") //nolint:gosec // the same every time
	for range 2 {
		if s, err = reopened(t, memory, now); err != nil {
			t.Fatal(err)
		}
		if got, err := s.StatUpload(ctx, o, u.ID); err != nil || got.Offset != 3 || !got.StartedAt.Equal(u.StartedAt) {
			t.Fatalf("after a restart: %+v, %v", got, err)
		}
	}
	d := digest.SHA512.FromString("onetwo")
	if err := s.FinishUpload(ctx, o, u.ID, 3, strings.NewReader("two"), 3, d); err != nil {
		t.Fatal(err)
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, d); err != nil || !bytes.Equal(got, []byte("onetwo")) {
		t.Errorf("resumed: %q, %v", got, err)
	}
	if s, err = reopened(t, cut, now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.StatUpload(ctx, o, u.ID); !errors.Is(err, storage.ErrUploadUnknown) {
		t.Errorf("after a restart of the machine: %v", err)
	}
}
