package filesystem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// walkless is a disk that counts reads of repositories, and on which listing them waits for walk.
type walkless struct {
	disk.Disk
	walk         chan struct{}
	stats, lists atomic.Int32
	held         string        // opening this file waits for opens
	opening      chan struct{} // receives a value when the file is opened before opens is closed
	opens        chan struct{}
}

func (w *walkless) Open(name string) (disk.File, error) {
	if w.held != "" && strings.HasSuffix(name, w.held) {
		select {
		case w.opening <- struct{}{}:
			<-w.opens
		case <-w.opens:
		}
	}
	return w.Disk.Open(name)
}

const repositories = "docker/registry/v2/repositories"

func (w *walkless) Stat(name string) (disk.Info, error) {
	if strings.HasPrefix(name, repositories+"/") {
		w.stats.Add(1)
	}
	return w.Disk.Stat(name)
}

func (w *walkless) List(name string, visit func(disk.Entry) error) error {
	if name == repositories {
		<-w.walk
	} else if strings.HasPrefix(name, repositories+"/") {
		w.lists.Add(1)
	}
	return w.Disk.List(name, visit)
}

func openedOn(t *testing.T, d disk.Disk) *filesystem.Store {
	t.Helper()
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// catalogOf opens a store on a disk and returns its first catalog with what that read. The caller
// closes the store after it has let the walk go.
func catalogOf(t *testing.T, d disk.Disk) (*filesystem.Store, *walkless, []string) {
	t.Helper()
	w := &walkless{Disk: d, walk: make(chan struct{})}
	s := openedOn(t, w)
	w.stats.Store(0)
	return s, w, storagetest.Repositories(t, s, 1000)
}

// TestCatalogAfterARestart sees that the first catalog reads no repository if the last run ended
// cleanly, and that it follows the deletions of that run.
func TestCatalogAfterARestart(t *testing.T) {
	ctx := context.Background()
	memory := inmemory.NewDisk(inmemory.DiskOptions{})
	s := openedOn(t, memory)
	image := storagetest.NewImage(t, "one", nil)
	var want []string
	for i := range 20 {
		name := fmt.Sprintf("r%02d/x", i)
		image.Push(t, s, name, "v1")
		want = append(want, name)
	}
	emptied := storagetest.Repo(t, want[7])
	if err := s.DeleteManifest(ctx, emptied, image.Digest, false); err != nil {
		t.Fatal(err)
	}
	for _, blob := range [][]byte{image.Config, image.Layer} {
		if err := s.DeleteBlob(ctx, emptied, digest.FromBytes(blob), false); err != nil {
			t.Fatal(err)
		}
	}
	want = slices.Delete(want, 7, 8)
	closing(t, s)

	s, w, got := catalogOf(t, memory)
	if !slices.Equal(got, want) {
		t.Errorf("after a restart: %v", got)
	}
	// The repository without content may have some by now.
	if stats, lists := w.stats.Load(), w.lists.Load(); stats > 4 || lists > 2 {
		t.Errorf("after a restart: %d stats and %d lists of repositories", stats, lists)
	}
	close(w.walk)
	closing(t, s)

	// Other software deletes a repository between two runs: it is listed until the check.
	if err := memory.Rename(repositories+"/"+want[3], "gone"); err != nil {
		t.Fatal(err)
	}
	s, w, _ = catalogOf(t, memory)
	close(w.walk)
	want = slices.Delete(want, 3, 4)
	eventually(t, "the catalog follows", func() bool { return slices.Equal(storagetest.Repositories(t, s, 1000), want) })
	closing(t, s)
}

// TestCatalogBesideADeletion empties a repository while a start reads what the last run recorded.
func TestCatalogBesideADeletion(t *testing.T) {
	ctx := context.Background()
	for _, held := range []string{"/index/repositories", "/index/empty"} {
		memory := inmemory.NewDisk(inmemory.DiskOptions{})
		s := openedOn(t, memory)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		image.Push(t, s, "team/b", "v1")
		closing(t, s)

		w := &walkless{
			Disk: memory, walk: make(chan struct{}), held: held, opening: make(chan struct{}), opens: make(chan struct{}),
		}
		s = openedOn(t, w)
		<-w.opening
		repo := storagetest.Repo(t, "team/a")
		err := s.DeleteManifest(ctx, repo, image.Digest, false)
		for _, blob := range [][]byte{image.Config, image.Layer} {
			err = errors.Join(err, s.DeleteBlob(ctx, repo, digest.FromBytes(blob), false))
		}
		if err != nil {
			t.Fatal(err)
		}
		close(w.opens)
		if got := storagetest.Repositories(t, s, 1000); !slices.Equal(got, []string{"team/b"}) {
			t.Errorf("with %s held: %v", held, got)
		}
		close(w.walk)
		closing(t, s)
	}
}

// TestCatalogAfterAKill sees that the first catalog after a killed process reads only the
// repositories that the process created or removed links of.
func TestCatalogAfterAKill(t *testing.T) {
	ctx := context.Background()
	memory := inmemory.NewDisk(inmemory.DiskOptions{Boot: "one"})
	s := openedOn(t, memory)
	image := storagetest.NewImage(t, "one", nil)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("r%02d/x", i))
		image.Push(t, s, want[i], "v1")
	}
	closing(t, s)

	killed := openedOn(t, memory)
	defer closing(t, killed) // the next process opens the store before its end
	image.Push(t, killed, "s/x", "v1")
	emptied := storagetest.Repo(t, want[7])
	err := killed.DeleteManifest(ctx, emptied, image.Digest, false)
	for _, blob := range [][]byte{image.Config, image.Layer} {
		err = errors.Join(err, killed.DeleteBlob(ctx, emptied, digest.FromBytes(blob), false))
	}
	if err != nil {
		t.Fatal(err)
	}
	want = append(slices.Delete(want, 7, 8), "s/x")

	next, w, got := catalogOf(t, memory)
	if !slices.Equal(got, want) {
		t.Errorf("after a kill: %v", got)
	}
	if stats, lists := w.stats.Load(), w.lists.Load(); stats > 5 || lists > 2 {
		t.Errorf("after a kill: %d stats and %d lists of repositories", stats, lists)
	}
	close(w.walk)
	closing(t, next)
}

// TestCatalogAfterAPowerCut sees that the first catalog after writes may have been lost reads each
// repository, with one call.
func TestCatalogAfterAPowerCut(t *testing.T) {
	memory := inmemory.NewDisk(inmemory.DiskOptions{}) // whose boot ID is not known
	s := openedOn(t, memory)
	image := storagetest.NewImage(t, "one", nil)
	for i := range 20 {
		image.Push(t, s, fmt.Sprintf("r%02d/x", i), "v1")
	}
	defer closing(t, s) // the killed one: the other opens the store before its end
	next, w, got := catalogOf(t, memory)
	if len(got) != 20 {
		t.Errorf("%d repositories: %v", len(got), got)
	}
	if stats, lists := w.stats.Load(), w.lists.Load(); stats != 20 || lists > 0 {
		t.Errorf("%d stats and %d lists of repositories", stats, lists)
	}
	close(w.walk)
	closing(t, next)
}
