package blockdevice

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const testSize = 320 << 20

// createOrSkip creates a volume that the end of the test closes.
func createOrSkip(t *testing.T, f FileSystem) *Volume {
	t.Helper()
	v, err := Create(f, testSize)
	if CanSkip(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	closeAfter(t, v)
	return v
}

func closeAfter(t *testing.T, v *Volume) {
	t.Helper()
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestVolumeKeepsWhatIsSynced cuts the power after an fsync and mounts the result.
func TestVolumeKeepsWhatIsSynced(t *testing.T) {
	for _, f := range FileSystems {
		t.Run(f.Name, func(t *testing.T) {
			v := createOrSkip(t, f)
			cutter := v.Image.Record()
			want := bytes.Repeat([]byte("durable "), 4000)
			written, err := os.Create(filepath.Join(v.Directory(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = written.Write(want)
			if err := errors.Join(err, written.Sync(), written.Close()); err != nil {
				t.Fatal(err)
			}
			at := v.Image.Position()
			if err := os.WriteFile(filepath.Join(v.Directory(), "later"), want, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := v.Sync(); err != nil {
				t.Fatal(err)
			}
			state := cutter.State(Cut{At: at, Tear: f.Tear}, rand.New(rand.NewPCG(1, 1)))
			if err := v.Unmount(); err != nil {
				t.Fatal(err)
			}
			after, err := Open(f, state)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			closeAfter(t, after)
			got, err := os.ReadFile(filepath.Join(after.Directory(), "file"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("read after the cut: %d bytes, %v", len(got), err)
			}
			if _, err := os.Stat(filepath.Join(after.Directory(), "later")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file that was written after the cut: %v, want none", err)
			}
		})
	}
}

// TestVolumeLosesAFailedWriteBack shows what a failed write-back does to a file: after its pages are
// evicted the bytes are gone, and the descriptor that wrote them learns of it once.
func TestVolumeLosesAFailedWriteBack(t *testing.T) {
	for _, f := range FileSystems[:2] { // btrfs reads the blocks of before, or none
		t.Run(f.Name, func(t *testing.T) {
			v := createOrSkip(t, f)
			want := make([]byte, 4<<20)
			rand.NewChaCha8([32]byte{}).Read(want)
			fault := &Fault{Match: WithBlock(want[3<<20:]), Limit: 1}
			v.Image.Inject(fault)
			path := filepath.Join(v.Directory(), "file")
			written, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer written.Close()
			if _, err := written.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := v.Sync(); !errors.Is(err, syscall.EIO) {
				t.Errorf("Sync: %v, want EIO", err)
			}
			if err := v.Evict("."); err != nil {
				t.Fatal(err)
			}
			if fault.Hits() != 1 {
				t.Fatalf("%d writes failed, want 1", fault.Hits())
			}
			if got, err := os.ReadFile(path); err != nil || bytes.Equal(got, want) {
				t.Errorf("read after the failed write-back: %v, and the bytes are there", err)
			}
			if err := written.Sync(); !errors.Is(err, syscall.EIO) {
				t.Errorf("sync of the descriptor that wrote: %v, want EIO", err)
			}
			if err := written.Sync(); err != nil {
				t.Errorf("second sync of the descriptor that wrote: %v, want success", err)
			}
		})
	}
}
