package filesystem_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// meeting is a disk on which a kind of call waits until several are under way.
type meeting struct {
	disk.Disk
	most   int
	picked func(call, name string) bool

	mu   sync.Mutex
	in   int
	once sync.Once
	met  chan struct{}
}

func (m *meeting) wait(call, name string) {
	if !m.picked(call, name) {
		return
	}
	m.mu.Lock()
	if m.in++; m.in == m.most {
		m.once.Do(func() { close(m.met) })
	}
	m.mu.Unlock()
	select {
	case <-m.met:
	case <-time.After(time.Minute):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in--
}

func (m *meeting) Stat(name string) (disk.Info, error) {
	m.wait("stat", name)
	return m.Disk.Stat(name)
}

func (m *meeting) List(name string, visit func(disk.Entry) error) error {
	m.wait("list", name)
	return m.Disk.List(name, visit)
}

func (m *meeting) happened() bool {
	select {
	case <-m.met:
		return true
	default:
		return false
	}
}

// TestCatalogReadsSeveralAtOnce sees that a first catalog, and the walk for one without the file of
// names, keep a disk busy.
func TestCatalogReadsSeveralAtOnce(t *testing.T) {
	memory := inmemory.NewDisk(inmemory.DiskOptions{})
	opened := func(d disk.Disk) *filesystem.Store {
		s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := opened(memory)
	image := storagetest.NewImage(t, "one", nil)
	for i := range 40 {
		image.Push(t, s, fmt.Sprintf("r%02d/x", i), "v1")
	}
	closing(t, s)
	for what, picked := range map[string]func(call, name string) bool{
		"catalog": func(call, name string) bool {
			return call == "stat" && strings.HasSuffix(name, "/revisions/sha256")
		},
		"walk": func(call, name string) bool { return call == "list" && strings.HasSuffix(name, "/x") },
	} {
		if err := memory.Remove("packhouse/v1/index/repositories"); err != nil {
			t.Fatal(err)
		}
		m := &meeting{Disk: memory, most: 8, picked: picked, met: make(chan struct{})}
		s := opened(m)
		if page, more, err := s.Repositories(context.Background(), "", 50, nil); err != nil || more || len(page) != 40 {
			t.Errorf("%s: %d repositories, %t, %v", what, len(page), more, err)
		}
		if !m.happened() {
			t.Errorf("%s: no 8 calls were under way at once", what)
		}
		closing(t, s)
	}
}

// TestLargeNamesFileIsReplaced opens a store whose file of repository names has 1 TiB.
func TestLargeNamesFileIsReplaced(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	storagetest.NewImage(t, "one", nil).Push(t, s, "a/b", "v1")
	closing(t, s)
	names := filepath.Join(root, "packhouse/v1/index/repositories")
	for _, name := range []string{names, filepath.Join(filepath.Dir(names), "empty")} {
		if err := os.Truncate(name, 1<<40); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s = open(t, filesystem.Options{Root: root})
	page, _, err := s.Repositories(context.Background(), "", 50, nil)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 512<<20 {
		t.Errorf("%d bytes were allocated", allocated)
	}
	if err != nil || len(page) != 1 || page[0] != "a/b" {
		t.Errorf("%v, %v", page, err)
	}
	closing(t, s)
	if info, err := os.Stat(names); err != nil || info.Size() > 1<<20 {
		t.Errorf("the file of names was not replaced: %v", err)
	}
}
