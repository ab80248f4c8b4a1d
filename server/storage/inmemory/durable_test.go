package inmemory

import (
	"bytes"
	"errors"
	"testing"

	"packhouse/server/storage/disk"
)

// TestPowerCutDuringRename syncs only one of the two directories of a rename: after a power cut, the
// renamed directory has one name, and files that were not changed since are complete.
func TestPowerCutDuringRename(t *testing.T) {
	d := NewDisk(DiskOptions{Durability: true})
	err := errors.Join(d.Mkdir("a"), d.Mkdir("a/dir"), d.Mkdir("b"))
	f := must(d.Create("a/dir/file"))(t)
	_, werr := f.Write([]byte("content"))
	if err := errors.Join(err, werr, d.SyncAll(), d.Rename("a/dir", "b/dir"), d.SyncDir("b")); err != nil {
		t.Fatal(err)
	}
	cut := d.PowerCut(nil, "second")
	var names []string
	for _, parent := range []string{"a", "b"} {
		if err := cut.List(parent, func(e disk.Entry) error {
			names = append(names, parent+"/"+e.Name)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 1 {
		t.Fatalf("the directory has the names %v, want one", names)
	}
	if got := content(t, cut, names[0]+"/file"); string(got) != "content" {
		t.Errorf("%q", got)
	}
	f = must(cut.Reopen(names[0] + "/file"))(t)
	if _, err := f.Write([]byte("C")); err != nil {
		t.Fatal(err)
	}
	before := cut.PowerCut(nil, "third")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	after := cut.PowerCut(nil, "third")
	if got := content(t, before, names[0]+"/file"); string(got) != "content" {
		t.Errorf("before the sync: %q", got)
	}
	if got := content(t, after, names[0]+"/file"); !bytes.Equal(got, []byte("Content")) {
		t.Errorf("after the sync: %q", got)
	}
}
