package inmemory

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"packhouse/server/storage/disk"
)

func every(string) bool { return true }

// content reads a file whole through a new descriptor.
func content(t *testing.T, d *Disk, name string) []byte {
	t.Helper()
	f := must(d.Open(name))(t)
	defer f.Close()
	body, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func must(f disk.File, err error) func(*testing.T) disk.File {
	return func(t *testing.T) disk.File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// TestFailedWriteBack checks the double against Linux: the error is reported once per descriptor
// and once by SyncAll, a later descriptor reports it only if no other has, and evicted pages read
// as what the device holds.
func TestFailedWriteBack(t *testing.T) {
	d := NewDisk(DiskOptions{Durability: true})
	first, second := must(d.Create("file"))(t), must(d.Reopen("file"))(t)
	old, young := bytes.Repeat([]byte("o"), 2*pageSize), bytes.Repeat([]byte("y"), pageSize)
	write := func(body []byte) {
		t.Helper()
		if _, err := first.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	write(old)
	if err := errors.Join(first.Sync(), second.Sync(), d.SyncAll()); err != nil {
		t.Fatal(err)
	}
	write(young)
	if n := d.FailWriteBack(every); n != 1 {
		t.Fatalf("%d files lost pages, want 1", n)
	}
	if got := content(t, d, "file"); !bytes.Equal(got, append(bytes.Clone(old), young...)) {
		t.Error("the page cache lost bytes before they were evicted")
	}
	unseen := must(d.Reopen("file"))(t)
	for name, f := range map[string]disk.File{"first": first, "second": second, "opened before any report": unseen} {
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: sync reports %v, want EIO", name, err)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("%s: sync reports %v twice", name, err)
		}
	}
	if err := must(d.Reopen("file"))(t).Sync(); err != nil {
		t.Errorf("a descriptor opened after the report: %v", err)
	}
	if err := d.SyncAll(); !errors.Is(err, syscall.EIO) {
		t.Errorf("SyncAll reports %v, want EIO", err)
	}
	if err := d.SyncAll(); err != nil {
		t.Errorf("SyncAll reports %v twice", err)
	}
	d.EvictPages(every)
	lost := append(bytes.Clone(old), make([]byte, pageSize)...)
	if got := content(t, d, "file"); !bytes.Equal(got, lost) {
		t.Error("evicted pages do not read as what the device holds")
	}
	if got := content(t, d.PowerCut(nil, "second"), "file"); len(got) != len(lost) || !bytes.Equal(got[:len(old)], old) {
		t.Errorf("a power cut left %d bytes", len(got))
	}
	if _, err := first.Seek(int64(len(old)), io.SeekStart); err != nil {
		t.Fatal(err)
	}
	write(young) // rewritten, the page is dirty again
	if err := first.Sync(); err != nil {
		t.Fatal(err)
	}
	d.EvictPages(every)
	if got := content(t, d, "file"); !bytes.Equal(got, append(bytes.Clone(old), young...)) {
		t.Error("rewritten pages did not reach the device")
	}
}

// TestBrokenDevice checks that syncs fail once per descriptor while the device refuses a file, and
// that a closed file's error goes with its evicted inode.
func TestBrokenDevice(t *testing.T) {
	d := NewDisk(DiskOptions{Durability: true})
	d.BreakWrites(func(name string) bool { return name == "bad" })
	bad, good := must(d.Create("bad"))(t), must(d.Create("good"))(t)
	for _, f := range []disk.File{bad, good} {
		if _, err := f.Write([]byte("bytes")); err != nil {
			t.Fatal(err)
		}
	}
	if err := good.Sync(); err != nil {
		t.Errorf("another file: %v", err)
	}
	if err := bad.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v, want EIO", err)
	}
	if err := bad.Sync(); err != nil {
		t.Errorf("a second sync reports %v: the pages are clean", err)
	}
	d.BreakWrites(nil)
	if _, err := bad.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	d.FailWriteBack(every)
	if err := errors.Join(bad.Close(), good.Close()); err != nil {
		t.Fatal(err)
	}
	d.EvictPages(every)
	if err := must(d.Open("bad"))(t).Sync(); err != nil {
		t.Errorf("an evicted inode kept its error: %v", err)
	}
	if got := content(t, d, "bad"); !bytes.Equal(got, make([]byte, 9)) {
		t.Errorf("read %q, want zeros", got)
	}
}
