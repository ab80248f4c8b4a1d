package filesystem_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

func blobData(name string) bool { return strings.HasPrefix(name, "docker/registry/v2/blobs/") }

// TestLostPagesOfAVerifiedBlob loses the pages of a small blob that was acknowledged from the
// journal and verified, while its checkpoint is due. Readers get the right bytes or none.
func TestLostPagesOfAVerifiedBlob(t *testing.T) {
	for name, when := range map[string]struct{ evictFirst, checkpointed bool }{
		"evicted before the checkpoint":    {true, false},
		"evicted and then checkpointed":    {true, true},
		"checkpoint failed, evicted later": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched()
				s := w.open(t)
				defer closing(t, s)
				content := bytes.Repeat([]byte("a"), 9000)
				repo, d := storagetest.Repo(t, "team/a"), storagetest.PushBlob(t, s, "team/a", content)
				read := func(what string) {
					t.Helper()
					if got, err := storagetest.ReadBlob(s, repo, d); err == nil && !bytes.Equal(got, content) {
						t.Errorf("%s: %d wrong bytes were served whole", what, len(got))
					}
				}
				read("just pushed")
				if w.FailWriteBack(blobData) == 0 {
					t.Fatal("no page was lost")
				}
				read("lost, in the page cache")
				if when.evictFirst {
					w.EvictPages(blobData)
				}
				if when.checkpointed {
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				w.EvictPages(blobData)
				read("evicted")
				read("evicted, read again")
			})
		})
	}
}

// TestUnsettledBlobIsNotVerified kills a process before its last blob was written to its place.
// What the next process hashes before its first sync may be lost by that sync.
func TestUnsettledBlobIsNotVerified(t *testing.T) {
	w := newWatched()
	s := w.open(t)
	content := bytes.Repeat([]byte("a"), 9000)
	repo, d := storagetest.Repo(t, "team/a"), storagetest.PushBlob(t, s, "team/a", content)
	w.Kill()
	release := w.holdSyncs()
	s, err := filesystem.OpenDisk(context.Background(), w, filesystem.Options{Journal: smallJournal})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	b, err := s.OpenBlob(context.Background(), repo, d)
	if err != nil {
		t.Fatal(err)
	}
	w.FailWriteBack(blobData)
	w.EvictPages(blobData)
	if got, err := io.ReadAll(b.Content()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("a blob that was verified when it was opened: %d bytes, %v", len(got), err)
	}
	b.Close()
	release()
	if got, err := storagetest.ReadBlob(s, repo, d); err == nil && !bytes.Equal(got, content) {
		t.Errorf("%d wrong bytes were served whole", len(got))
	}
}

// TestVerifiedBlobIsAFile checks that a blob is sent by the kernel again once it is durable in its
// place.
func TestVerifiedBlobIsAFile(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	d := storagetest.PushBlob(t, s, "a", []byte("small"))
	closing(t, s)
	s = open(t, filesystem.Options{Root: root})
	defer closing(t, s)
	storagetest.PushBlob(t, s, "b", []byte("waits until the work of the start is done"))
	b, err := s.OpenBlob(context.Background(), storagetest.Repo(t, "a"), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, ok := b.Content().(*os.File); !ok {
		t.Errorf("it is a %T", b.Content())
	}
}

// TestStagedBytesAreReadBackRight loses the pages of a small blob while its body is still arriving.
// The journal must not get what is left of them.
func TestStagedBytesAreReadBackRight(t *testing.T) {
	d := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true})
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{Journal: smallJournal})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	content := bytes.Repeat([]byte("a"), 9000)
	staged := func(name string) bool {
		return strings.HasPrefix(name, "packhouse/v1/uploads/") || strings.HasPrefix(name, "packhouse/v1/stage/")
	}
	o := scriptOwner(t)
	u, err := s.StartUpload(context.Background(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	body := &losing{Reader: bytes.NewReader(content), lose: func() {
		d.FailWriteBack(staged)
		d.EvictPages(staged)
	}}
	err = s.FinishUpload(context.Background(), o, u.ID, 0, body, int64(len(content)), digest.FromBytes(content))
	if err == nil {
		got, err := storagetest.ReadBlob(s, o.Repository, digest.FromBytes(content))
		t.Errorf("acknowledged, and it reads as %d bytes of which %d are zeros, %v", len(got), bytes.Count(got, []byte{0}), err)
	}
}

// losing calls lose at its end.
type losing struct {
	io.Reader
	lose func()
}

func (r *losing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n == 0 {
		r.lose()
	}
	return n, err
}
