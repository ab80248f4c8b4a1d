package filesystem

import (
	"io"
	"slices"
	"strings"
	"testing"

	"packhouse/server/storage/disk"
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
	d, err := disk.OpenOS(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := d.Create("segment")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := extend(f, 0, 64<<10); err != nil {
		t.Fatal(err)
	}
	seg := &segment{file: f, end: block, good: block, settled: 7}
	for _, name := range []string{"a/one", "a/two", "b/three"} {
		p := pad(appendRecord(nil, stamp{1, seg.settled + uint64(seg.end/block), 9}, encode([]item{{kind: itemFile, name: name, body: []byte("content")}})))
		if err := writeAt(f, p, seg.end); err != nil {
			t.Fatal(err)
		}
		seg.end += int64(len(p))
	}
	seg.last, seg.written, seg.good = 10, 10, seg.end
	want := []string{"a/one", "a/two", "b/three"}
	read := func() (names []string, err error) {
		records, err := seg.read()
		for _, r := range records {
			names = append(names, r.items[0].name)
		}
		return names, err
	}
	if names, err := read(); err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v", names, err)
	}
	if err := writeHeader(f, header{settled: seg.last}); err != nil { // written, and reported as failed
		t.Fatal(err)
	}
	if names, err := read(); err != nil || !slices.Equal(names, want) {
		t.Errorf("by the header: %v, %v", names, err)
	}
	if _, err := f.Seek(seg.end-block+recordHead, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("rot")); err != nil {
		t.Fatal(err)
	}
	if names, err := read(); err == nil || !strings.Contains(err.Error(), "cannot read") {
		t.Errorf("the last record is damaged: %v, %v", names, err)
	}
	seg.written = 9 // writing it failed, and nobody was told that it is durable
	if names, err := read(); err != nil || len(names) != 2 {
		t.Errorf("without the last record: %v, %v", names, err)
	}
}
