package filesystem_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// unpacked unpacks a store that was saved as an archive.
func unpacked(t *testing.T, name string, to disk.Disk) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []*tar.Header
	for a := tar.NewReader(z); ; {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			for _, h := range dirs { // their times, which change with their entries
				if err := to.SetTime(strings.TrimSuffix(h.Name, "/"), h.ModTime); err != nil {
					t.Fatal(err)
				}
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		entry := strings.TrimSuffix(h.Name, "/")
		if h.Typeflag == tar.TypeDir {
			if err := to.Mkdir(entry); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, h)
			continue
		}
		out, err := to.Create(entry)
		if err == nil {
			_, err = io.Copy(out, a)
		}
		if err == nil {
			err = to.SetTime(entry, h.ModTime)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestJournalOfTheVersionBefore replays what version 1 of the journal, without origins, left at a power cut: the
// tag latest had moved from old to young, and nothing of the second push had got its name.
func TestJournalOfTheVersionBefore(t *testing.T) {
	d := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "second"})
	unpacked(t, "testdata/journal-1.tar.gz", d)
	old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
	s := reopen(t, d)
	young.Check(t, s, "team/a", "latest", "new")
	old.Check(t, s, "team/a", "stays")
	closing(t, s)
	s = reopen(t, d.PowerCut(nil, "third"))
	young.Check(t, s, "team/a", "latest", "new")
	old.Check(t, s, "team/a", "stays")
	closing(t, s)
}
