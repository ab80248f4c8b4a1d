package filesystem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"packhouse/server/storage/inmemory"
)

func TestNameSet(t *testing.T) {
	n := newNameSet()
	if !n.empty() {
		t.Error("not empty at first")
	}
	n.add("repositories/team/a/tags/v1/current/link")
	n.add(namesFile)
	for name, want := range map[string]bool{
		"repositories/team/a/tags/v1/current/link": true, "repositories/team/a/tags/v1": true, "repositories": true, "repositories/team/a": true, indexDir: true,
		"repositories/team/a/tags/v": false, "repositories/team/a/tags/v10": false, "repositories/team/a/tags/v1/": false, "team": false, "": false,
		"repositories/team/a/tags/v1/current/link/": false, "repositories/team/b": false,
	} {
		if n.has(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	n.clear()
	if !n.empty() || n.has("repositories") {
		t.Error("not empty after clear")
	}
}

// TestRecordsThatCannotBeReadAreNotSettled: when a sync of everything failed, what is to be written again is read from the segment; where that
// cannot be, nothing is called durable.
func TestRecordsThatCannotBeReadAreNotSettled(t *testing.T) {
	d := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true})
	s, err := OpenDisk(context.Background(), d, Options{Journal: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-s.settled
	j := s.journal.Load()
	j.mu.Lock()
	j.after = 0 // nothing is settled by itself
	j.mu.Unlock()
	const records = 5
	for i := range records {
		c := s.begin()
		if err := errors.Join(c.write(fmt.Sprint(indexDir, "/file", i), []byte("content")), c.contents(), c.names()); err != nil {
			t.Fatal(err)
		}
		c.end()
	}
	seg := j.active
	names, err := seg.read()
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if _, ok := names[fmt.Sprint(indexDir, "/file", i)]; !ok {
			t.Errorf("%d is not among %v", i, names)
		}
	}
	if err := writeHeader(seg.file, header{settled: seg.last}); err != nil { // written, and reported as failed
		t.Fatal(err)
	}
	if again, err := seg.read(); err != nil || len(again) != len(names) {
		t.Errorf("by the header: %v, %v", again, err)
	}
	if _, err := seg.file.Seek(seg.end-block+recordHead, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := seg.file.Write([]byte("rot")); err != nil {
		t.Fatal(err)
	}
	if _, err := seg.read(); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("the last record is damaged: %v", err)
	}
}
