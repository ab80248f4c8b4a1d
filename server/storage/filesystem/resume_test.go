package filesystem_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// uploading is an upload session in a store on a disk that loses pages.
type uploading struct {
	t      *testing.T
	memory *inmemory.Disk
	disk   disk.Disk // memory or a wrapper of it
	s      *filesystem.Store
	o      storage.Owner
	u      storage.Upload
	sent   []byte
}

func newUploading(t *testing.T, journaling bool) *uploading {
	t.Helper()
	memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: journaling, Boot: "first"})
	o := storage.Owner{Repository: storagetest.Repo(t, "team/a"), User: "ci"}
	c := &uploading{t: t, memory: memory, disk: memory, o: o}
	c.open()
	c.start()
	return c
}

func (c *uploading) open() {
	c.t.Helper()
	o := filesystem.Options{Journal: smallJournal}
	s, err := filesystem.OpenDisk(context.Background(), c.disk, o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.s = s
	storagetest.PushBlob(c.t, s, "team/started", []byte("the work of the start is done"))
}

func (c *uploading) start() {
	c.t.Helper()
	var err error
	if c.u, err = c.s.StartUpload(context.Background(), c.o, digest.SHA256); err != nil {
		c.t.Fatal(err)
	}
	c.sent = nil
}

func (c *uploading) send(chunk []byte) {
	c.t.Helper()
	at, body := int64(len(c.sent)), bytes.NewReader(chunk)
	u, err := c.s.AppendUpload(context.Background(), c.o, c.u.ID, at, body, int64(len(chunk)))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.sent = append(c.sent, chunk...); u.Offset != int64(len(c.sent)) {
		c.t.Fatalf("offset %d, want %d", u.Offset, len(c.sent))
	}
}

// finish completes the session without further bytes.
func (c *uploading) finish() error {
	return c.s.FinishUpload(context.Background(), c.o, c.u.ID, -1, nil, 0, digest.FromBytes(c.sent))
}

func (c *uploading) stat() (storage.Upload, error) {
	return c.s.StatUpload(context.Background(), c.o, c.u.ID)
}

// kill replaces the store by one of a new process. The killed process's last checkpoint reported
// the file system's error, so the new process does not hear of it.
func (c *uploading) kill() {
	c.t.Helper()
	_ = c.memory.SyncAll()
	c.memory.Kill()
	c.open()
}

// correct checks that the blob is either served right or not at all.
func (c *uploading) correct(what string) {
	c.t.Helper()
	d := digest.FromBytes(c.sent)
	got, err := storagetest.ReadBlob(c.s, c.o.Repository, d)
	if err == nil && digest.FromBytes(got) != d {
		c.t.Errorf("%s: %d wrong bytes were served whole", what, len(got))
	}
}

// gone checks that the session does not exist and that the client can start over.
func (c *uploading) gone(what string, err error) {
	c.t.Helper()
	if !errors.Is(err, storage.ErrUploadUnknown) {
		c.t.Errorf("%s: %v, want %v", what, err, storage.ErrUploadUnknown)
	}
	content := c.sent
	c.start()
	c.send(content)
	if err := c.finish(); err != nil {
		c.t.Errorf("%s: start over: %v", what, err)
	}
	got, err := storagetest.ReadBlob(c.s, c.o.Repository, digest.FromBytes(content))
	if err != nil || !bytes.Equal(got, content) {
		c.t.Errorf("%s: start over: %d of %d bytes, %v", what, len(got), len(content), err)
	}
}

// sessionData matches the data files of upload sessions.
func sessionData(name string) bool {
	return strings.HasPrefix(name, "packhouse/v1/uploads/") && !strings.HasSuffix(name, "/state")
}

// sizes are blobs that a journal holds and that it does not.
var sizes = map[string]int{"small": 9000, "large": 200 << 10}

// TestLostPagesOfAnOpenSession loses the pages of a session between its chunks and its completion,
// which must not succeed with other bytes than were sent.
func TestLostPagesOfAnOpenSession(t *testing.T) {
	for size, n := range sizes {
		for _, journaling := range []bool{false, true} {
			for _, evicted := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, journaling %v, evicted %v", size, journaling, evicted), func(t *testing.T) {
					c := newUploading(t, journaling)
					c.send(bytes.Repeat([]byte("a"), n/2))
					if c.memory.FailWriteBack(sessionData) != 1 {
						t.Fatal("no page was lost")
					}
					c.send(bytes.Repeat([]byte("b"), n/2))
					if evicted {
						c.memory.EvictPages(sessionData)
					}
					err := c.finish()
					if err == nil {
						if evicted || n > 64<<10 || !journaling {
							t.Error("the upload was acknowledged")
						}
						c.correct("acknowledged")
						return // the journal has the bytes
					}
					if !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("finish: %v, want %v", err, storage.ErrUnavailable)
					}
					c.correct("not acknowledged")
					_, err = c.stat()
					c.gone("afterwards", err)
				})
			}
		}
	}
}

// TestLostPagesReportedElsewhere loses the pages of a small session, and a checkpoint of other
// pushes reports the error. The upload is completed from the page cache, and evicted after its own
// checkpoint.
func TestLostPagesReportedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newUploading(t, true)
		defer closing(t, c.s)
		c.send(bytes.Repeat([]byte("a"), 9000))
		if c.memory.FailWriteBack(sessionData) != 1 || c.memory.SyncAll() == nil {
			t.Fatal("no error was reported")
		}
		acknowledged := c.finish() == nil
		time.Sleep(time.Minute)
		synctest.Wait()
		c.memory.EvictPages(func(string) bool { return true })
		got, err := storagetest.ReadBlob(c.s, c.o.Repository, digest.FromBytes(c.sent))
		if acknowledged && (err != nil || !bytes.Equal(got, c.sent)) {
			t.Errorf("acknowledged, and read as %d bytes with %d zeros, %v", len(got), bytes.Count(got, []byte{0}), err)
		}
	})
}

// TestLostPagesOfAClosedSession loses the pages of a session whose process was killed. The next
// process must not acknowledge its offset, whatever is left of the pages and of the error.
func TestLostPagesOfAClosedSession(t *testing.T) {
	requests := map[string]func(*uploading) error{
		"GET": func(c *uploading) error { _, err := c.stat(); return err },
		"PATCH": func(c *uploading) error {
			_, err := c.s.AppendUpload(context.Background(), c.o, c.u.ID, -1, strings.NewReader("x"), 1)
			return err
		},
		"PATCH at a wrong offset": func(c *uploading) error {
			_, err := c.s.AppendUpload(context.Background(), c.o, c.u.ID, 1, strings.NewReader("x"), 1)
			return err
		},
		"PUT": (*uploading).finish,
	}
	losses := map[string]func(*uploading){
		"error not reported, pages cached": func(c *uploading) { c.kill() },
		"error reported, pages cached": func(c *uploading) {
			var other disk.File
			_ = c.memory.List("packhouse/v1/uploads", func(e disk.Entry) (err error) {
				other, err = c.memory.Open("packhouse/v1/uploads/" + e.Name + "/" + c.u.ID)
				return err
			})
			if other.Sync() == nil {
				c.t.Error("the error was reported before")
			}
			c.kill()
		},
		"inode evicted": func(c *uploading) {
			c.memory.Kill()
			c.memory.EvictPages(sessionData)
			c.kill()
		},
	}
	for request, ask := range requests {
		for loss, happens := range losses {
			t.Run(request+", "+loss, func(t *testing.T) {
				c := newUploading(t, true)
				c.send(bytes.Repeat([]byte("a"), 9000))
				if c.memory.FailWriteBack(sessionData) != 1 {
					t.Fatal("no page was lost")
				}
				happens(c)
				err := ask(c)
				c.correct(request)
				c.gone(request, err)
			})
		}
	}
}

// TestResumeAfterKill resumes intact sessions in a new process, and checks that it syncs and
// verifies the bytes once.
func TestResumeAfterKill(t *testing.T) {
	for size, n := range sizes {
		t.Run(size, func(t *testing.T) {
			c := newUploading(t, true)
			c.send(bytes.Repeat([]byte("a"), n))
			c.kill()
			c.memory.Calls()
			for range 2 {
				if u, err := c.stat(); err != nil || u.Offset != int64(n) {
					t.Fatalf("stat: %+v, %v", u, err)
				}
			}
			if calls := c.memory.Calls(); calls.Files != 1 {
				t.Errorf("%d syncs before the offset was acknowledged, want 1", calls.Files)
			}
			c.send([]byte("more"))
			if err := c.finish(); err != nil {
				t.Fatal(err)
			}
			got, err := storagetest.ReadBlob(c.s, c.o.Repository, digest.FromBytes(c.sent))
			if err != nil || !bytes.Equal(got, c.sent) {
				t.Errorf("%d of %d bytes, %v", len(got), len(c.sent), err)
			}
		})
	}
}

// TestSmallUploadSyncsNothingMore checks that a small upload in three requests costs one write of
// the journal.
func TestSmallUploadSyncsNothingMore(t *testing.T) {
	c := newUploading(t, true)
	c.memory.Calls()
	c.start()
	c.send([]byte("small"))
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	if calls := c.memory.Calls(); calls.Files != 0 || calls.Dirs != 0 || calls.Data > 1 {
		t.Errorf("it synced %+v, want one write of the journal", calls)
	}
}

// TestOpenSessionsAreBounded opens more sessions than keep their descriptors. The oldest is synced
// when it is closed, and dropped if that fails.
func TestOpenSessionsAreBounded(t *testing.T) {
	for name, breaks := range map[string]bool{"intact": false, "failing": true} {
		t.Run(name, func(t *testing.T) {
			c := newUploading(t, true)
			c.send(bytes.Repeat([]byte("a"), 9000))
			if breaks {
				c.memory.BreakWrites(sessionData)
			}
			c.memory.Calls()
			for range 256 {
				if _, err := c.s.StartUpload(context.Background(), c.o, digest.SHA256); err != nil {
					t.Fatal(err)
				}
			}
			if calls := c.memory.Calls(); calls.Files != 1 {
				t.Errorf("%d descriptors were synced, want 1", calls.Files)
			}
			c.memory.BreakWrites(nil)
			if !breaks {
				c.send([]byte("more"))
				if err := c.finish(); err != nil {
					t.Error(err)
				}
				c.correct("resumed")
				return
			}
			_, err := c.stat()
			c.gone("closed", err)
		})
	}
}

// TestShutdownSyncsSessions closes the store on a device that refuses the session's pages.
func TestShutdownSyncsSessions(t *testing.T) {
	c := newUploading(t, true)
	c.send(bytes.Repeat([]byte("a"), 9000))
	c.memory.BreakWrites(sessionData)
	closing(t, c.s)
	c.memory.BreakWrites(nil)
	c.open()
	_, err := c.stat()
	c.gone("after the shutdown", err)
}

// mounted is a disk of another mount.
type mounted struct {
	disk.Disk
	mount string
}

func (m mounted) Traits() disk.Traits {
	t := m.Disk.Traits()
	t.Mount = m.mount
	return t
}

// TestSessionsEndWithTheMount drops sessions when the file system was mounted again, though the
// machine runs on.
func TestSessionsEndWithTheMount(t *testing.T) {
	c := newUploading(t, true)
	c.send([]byte("bytes"))
	c.disk = mounted{c.memory, "another"}
	c.kill()
	_, err := c.stat()
	c.gone("mounted again", err)
}

// TestSessionRecordOfOtherVersions checks that a record of a version which trusted saved hashes is
// dropped, and that such a version, which compares the boot ID, drops ours.
func TestSessionRecordOfOtherVersions(t *testing.T) {
	c := newUploading(t, true)
	c.send([]byte("bytes"))
	var name string
	_ = c.memory.List("packhouse/v1/uploads", func(e disk.Entry) error {
		name = "packhouse/v1/uploads/" + e.Name + "/state"
		return nil
	})
	f, err := c.memory.Reopen(name)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(bytes.SplitN(body, []byte("\n"), 2)[0], &fields); err != nil {
		t.Fatal(err)
	}
	if fields["boot"] == c.memory.Traits().Boot {
		t.Error("a version that trusts the saved hash would resume it")
	}
	fields["boot"] = c.memory.Traits().Boot
	line, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	old := fmt.Appendf(line, "\n%08x\n", crc32.ChecksumIEEE(line))
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(old); err != nil {
		t.Fatal(err)
	}
	c.kill()
	_, err = c.stat()
	c.gone("written by the version before", err)
}

// interrupting is a disk that cancels a context after some reads, and counts the bytes read from
// sessions.
type interrupting struct {
	*inmemory.Disk
	read   atomic.Int64
	cancel context.CancelFunc
}

func (d *interrupting) Reopen(name string) (disk.File, error) {
	f, err := d.Disk.Reopen(name)
	if err != nil || !sessionData(name) {
		return f, err
	}
	return &interruptingFile{f, d}, nil
}

type interruptingFile struct {
	disk.File
	d *interrupting
}

func (f *interruptingFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	f.d.read.Add(int64(n))
	f.d.cancel()
	return n, err
}

// TestCanceledResumeKeepsItsProgress cancels each request after one read. Together they read the
// bytes once.
func TestCanceledResumeKeepsItsProgress(t *testing.T) {
	const size = 1 << 20
	c := newUploading(t, true)
	c.send(bytes.Repeat([]byte("a"), size))
	d := &interrupting{Disk: c.memory}
	c.disk = d
	c.kill()
	canceled := 0
	for {
		ctx, cancel := context.WithCancel(context.Background())
		d.cancel = cancel
		u, err := c.s.StatUpload(ctx, c.o, c.u.ID)
		if err == nil {
			if u.Offset != size || d.read.Load() != size || canceled == 0 {
				t.Errorf("offset %d, %d bytes read, %d requests canceled", u.Offset, d.read.Load(), canceled)
			}
			break
		}
		if canceled++; !errors.Is(err, context.Canceled) || canceled > 100 {
			t.Fatal(err)
		}
	}
	if err := c.finish(); err != nil {
		t.Error(err)
	}
}
