package filesystem_test

import (
	"bytes"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

func staged(name string) bool { return strings.HasPrefix(name, "packhouse/v1/stage/") }

// TestFailureBeforeTheRecord loses the pages of a push that waits for room in the journal. The sync that
// reports the failure belongs to the segment that its record goes to afterwards, and that the same checkpoint
// declares sound.
func TestFailureBeforeTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		defer closing(t, s)
		settled()
		storagetest.PushBlob(t, s, "team/a", []byte("in the first segment"))
		release := w.holdSyncs()
		settled()
		var content []byte
		var pushed atomic.Bool
		errs := make(chan error, 1)
		for n := byte('a'); ; n++ {
			content = bytes.Repeat([]byte{n}, 3000)
			pushed.Store(false)
			go func() {
				err := storagetest.TryBlob(s, storagetest.Repo(t, "team/a"), content)
				pushed.Store(true)
				errs <- err
			}()
			synctest.Wait()
			if !pushed.Load() {
				break // the second segment is full
			}
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if w.FailWriteBack(staged) == 0 {
			t.Fatal("no page was lost")
		}
		release()
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.EvictPages(func(string) bool { return true })
		repo, d := storagetest.Repo(t, "team/a"), digest.FromBytes(content)
		for what, at := range map[string]*filesystem.Store{"running": s, "after a power cut": reopen(t, w.PowerCut(nil, "second"))} {
			if got, err := storagetest.ReadBlob(at, repo, d); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes with %d zeros, %v", what, len(got), bytes.Count(got, []byte{0}), err)
			}
			if at != s {
				closing(t, at)
			}
		}
		link := "docker/registry/v2/repositories/team/a/_layers/sha256/" + d.Encoded() + "/link"
		f, err := w.Open(link)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(f); err != nil || string(got) != string(d) {
			t.Errorf("link: %q, %v", got, err)
		}
	})
}
