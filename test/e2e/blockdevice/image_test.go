package blockdevice

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// newTestImage returns an image of 16 blocks.
func newTestImage() *Image { return NewImage(16 * blockSize) }

func write(t *testing.T, i *Image, at int64, content []byte) {
	t.Helper()
	if _, err := i.WriteAt(content, at); err != nil {
		t.Fatalf("WriteAt: %v", err)
	}
}

func read(t *testing.T, i *Image, at int64, length int) []byte {
	t.Helper()
	p := make([]byte, length)
	if _, err := i.ReadAt(p, at); err != nil {
		t.Fatalf("ReadAt: %v", err)
	}
	return p
}

// TestImageReadsWhatWasWritten compares an image with a plain slice under random writes.
func TestImageReadsWhatWasWritten(t *testing.T) {
	image, random := newTestImage(), rand.New(rand.NewPCG(1, 2))
	model := make([]byte, image.Size())
	for range 500 {
		at := random.Int64N(image.Size())
		content := bytes.Repeat([]byte{byte(random.Int())}, random.IntN(3*blockSize))
		content = content[:min(int64(len(content)), image.Size()-at)]
		write(t, image, at, content)
		copy(model[at:], content)
	}
	if got := read(t, image, 0, len(model)); !bytes.Equal(got, model) {
		t.Error("the image differs from the model")
	}
	if _, err := image.WriteAt(make([]byte, 2), image.Size()-1); err == nil {
		t.Error("a write past the end succeeded")
	}
}

// TestCloneIsIndependent modifies an image and its clone.
func TestCloneIsIndependent(t *testing.T) {
	image := newTestImage()
	write(t, image, 0, []byte("before"))
	clone := image.Clone()
	write(t, image, 0, []byte("image."))
	write(t, clone, blockSize, []byte("clone"))
	if got := read(t, clone, 0, 6); string(got) != "before" {
		t.Errorf("the clone reads %q", got)
	}
	if got := read(t, image, blockSize, 5); string(got) != "\x00\x00\x00\x00\x00" {
		t.Errorf("the image reads %q", got)
	}
}

// TestCutKeepsWhatWasFlushed cuts the power after a flush and two later writes.
func TestCutKeepsWhatWasFlushed(t *testing.T) {
	block := func(b byte) []byte { return bytes.Repeat([]byte{b}, blockSize) }
	image := newTestImage()
	write(t, image, 0, block('b')) // durable: before the recording
	cutter := image.Record()
	write(t, image, 1*blockSize, block('f'))
	if err := image.Flush(); err != nil {
		t.Fatal(err)
	}
	write(t, image, 1*blockSize, block('n'))
	write(t, image, 2*blockSize, block('n'))
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		cut    Cut
		want   string
		atRisk int
	}{
		{Cut{At: 1, Keep: 0, Tear: 512}, "b\x00\x00", 1},
		{Cut{At: 1, Keep: 1, Tear: 512}, "bf\x00", 1},
		{Cut{At: 2, Keep: 0, Tear: 512}, "bf\x00", 0},
		{Cut{At: 4, Keep: 0, Tear: 512}, "bf\x00", 2},
		{Cut{At: 4, Keep: 1, Tear: 512}, "bnn", 2},
	} {
		state := cutter.State(c.cut, random)
		for n := range c.want {
			if got := read(t, state, int64(n)*blockSize, blockSize); !bytes.Equal(got, block(c.want[n])) {
				t.Errorf("%+v: block %d begins with %q, want %q", c.cut, n, got[0], c.want[n])
			}
		}
		if got := cutter.AtRisk(c.cut.At); got != c.atRisk {
			t.Errorf("%+v: %d writes at risk, want %d", c.cut, got, c.atRisk)
		}
	}
}

// TestCutTearsWrites demands that a cut can leave a part of one block, and never a part of what
// the device writes atomically.
func TestCutTearsWrites(t *testing.T) {
	for _, tear := range []int{512, blockSize} {
		image := newTestImage()
		cutter := image.Record()
		write(t, image, 2*blockSize, bytes.Repeat([]byte{1}, 4*blockSize))
		random, kept, torn := rand.New(rand.NewPCG(5, 6)), 0, false
		for range 20 {
			state := cutter.State(Cut{At: 1, Keep: 0.5, Tear: tear}, random)
			content := read(t, state, 2*blockSize, 4*blockSize)
			for at := 0; at < len(content); at += blockSize {
				n := bytes.Count(content[at:at+blockSize], []byte{1})
				kept += n
				torn = torn || n > 0 && n < blockSize
				if n%tear != 0 {
					t.Fatalf("tear %d: %d bytes of a block were kept", tear, n)
				}
			}
		}
		if kept == 0 || torn != (tear < blockSize) {
			t.Errorf("tear %d: %d bytes kept, a block torn: %t", tear, kept, torn)
		}
	}
}

// TestFaults injects each action.
func TestFaults(t *testing.T) {
	image := newTestImage()
	cutter := image.Record()

	failing := &Fault{Match: InRange(blockSize, 2*blockSize), Limit: 1}
	image.Inject(failing)
	write(t, image, 0, []byte("beside"))
	if _, err := image.WriteAt([]byte("x"), blockSize); !errors.Is(err, syscall.EIO) {
		t.Errorf("WriteAt: %v, want EIO", err)
	}
	write(t, image, blockSize, []byte("again"))
	if failing.Hits() != 1 {
		t.Errorf("the fault hit %d times, want once", failing.Hits())
	}

	dropping := &Fault{Action: Drop, Match: Writes}
	image.Inject(dropping)
	write(t, image, 0, []byte("dropped"))
	if err := image.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	dropping.Lift()
	if got := read(t, image, 0, 7); string(got) != "beside\x00" {
		t.Errorf("after a dropped write the image reads %q", got)
	}
	state := cutter.State(Cut{At: image.Position(), Tear: blockSize}, rand.New(rand.NewPCG(7, 8)))
	if got := read(t, state, 0, 6); string(got) != "beside" {
		t.Errorf("after the flush %q is durable", got)
	}

	delaying := &Fault{Action: Delay, Wait: time.Millisecond}
	image.Inject(delaying)
	write(t, image, 0, []byte("late"))
	image.LiftAll()
	if got := read(t, image, 0, 4); string(got) != "late" || delaying.Hits() != 1 {
		t.Errorf("after a delay the image reads %q, hits %d", got, delaying.Hits())
	}
}

// TestHangLastsUntilLifted hangs a flush.
func TestHangLastsUntilLifted(t *testing.T) {
	image := newTestImage()
	hanging := &Fault{Action: Hang}
	image.Inject(hanging)
	done := make(chan error)
	go func() { done <- image.Flush() }()
	for hanging.Hits() == 0 {
		select {
		case err := <-done:
			t.Fatalf("Flush returned %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	image.LiftAll()
	if err := <-done; err != nil {
		t.Errorf("Flush: %v", err)
	}
}

// TestWithBlockFindsAlignedContent matches the data of a file and not a log that holds it.
func TestWithBlockFindsAlignedContent(t *testing.T) {
	content := bytes.Repeat([]byte("content!"), blockSize/4)
	match := WithBlock(content)
	for _, c := range []struct {
		name string
		op   Operation
		want bool
	}{
		{"at its start", Operation{Offset: 3 * blockSize, Data: content}, true},
		{"behind another block", Operation{Offset: 0, Data: append(make([]byte, blockSize), content...)}, true},
		{"unaligned start", Operation{Offset: 512, Data: append(make([]byte, blockSize-512), content...)}, true},
		{"at another alignment", Operation{Offset: 0, Data: append(make([]byte, 100), content...)}, false},
		{"other content", Operation{Offset: 0, Data: make([]byte, blockSize)}, false},
		{"flush", Operation{Flush: true}, false},
	} {
		if got := match(c.op); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
