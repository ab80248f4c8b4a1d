package blockdevice

import (
	"errors"
	"io"
	"maps"
	"sync"
)

// blockSize is the unit in which an Image stores bytes. File systems write whole blocks of it.
const blockSize = 4096

// Operation is one request that the device received: a flush, or a write of Data at Offset.
type Operation struct {
	Flush  bool
	Offset int64
	Data   []byte
}

// Image is a block device in memory. It is safe for concurrent use.
type Image struct {
	size int64

	mu     sync.Mutex
	blocks map[int64][]byte // by number; the bytes of a block are never modified in place
	log    []Operation      // writes and flushes that succeeded, if recording
	record bool
	faults []*Fault
}

// NewImage returns an image of size bytes, all zero.
func NewImage(size int64) *Image {
	return &Image{size: size, blocks: map[int64][]byte{}}
}

// Size returns the size of the device in bytes.
func (i *Image) Size() int64 { return i.size }

// ReadAt implements io.ReaderAt.
func (i *Image) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= i.size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), i.size-offset))
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := 0; n < want; {
		number, within := (offset+int64(n))/blockSize, (offset+int64(n))%blockSize
		length := min(want-n, int(blockSize-within))
		if stored := i.blocks[number]; stored != nil {
			copy(p[n:n+length], stored[within:])
		} else {
			clear(p[n : n+length])
		}
		n += length
	}
	if want < len(p) {
		return want, io.EOF
	}
	return want, nil
}

// errBeyond is the error of a write past the end of the device.
var errBeyond = errors.New("write image: beyond the end of the device")

// WriteAt implements io.WriterAt. It applies the injected faults.
func (i *Image) WriteAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset+int64(len(p)) > i.size {
		return 0, errBeyond
	}
	op := Operation{Offset: offset, Data: append([]byte(nil), p...)}
	drop, err := i.suffer(op)
	if err != nil {
		return 0, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !drop {
		apply(i.blocks, op)
	}
	if i.record && !drop {
		i.log = append(i.log, op)
	}
	return len(p), nil
}

// Flush makes everything written before durable. It applies the injected faults.
func (i *Image) Flush() error {
	op := Operation{Flush: true}
	drop, err := i.suffer(op)
	if err != nil || drop {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.record {
		i.log = append(i.log, op)
	}
	return nil
}

// Record starts the log with the current content as its base, which counts as durable, and
// returns a Cutter over it.
func (i *Image) Record() *Cutter {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.record, i.log = true, nil
	return &Cutter{image: i, base: maps.Clone(i.blocks)}
}

// Position returns how many operations the log holds.
func (i *Image) Position() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.log)
}

// Clone returns an image with the same content, without log and faults.
func (i *Image) Clone() *Image {
	i.mu.Lock()
	defer i.mu.Unlock()
	return &Image{size: i.size, blocks: maps.Clone(i.blocks)}
}

// zeros is the content of every block that holds only zeros.
var zeros = make([]byte, blockSize)

// apply writes op into blocks. It replaces blocks and never modifies one, so that clones can
// share them.
func apply(blocks map[int64][]byte, op Operation) {
	for n := 0; n < len(op.Data); {
		number, within := (op.Offset+int64(n))/blockSize, int((op.Offset+int64(n))%blockSize)
		length := min(len(op.Data)-n, blockSize-within)
		part := op.Data[n : n+length : n+length]
		n += length
		if length == blockSize {
			if allZero(part) {
				part = zeros
			}
			blocks[number] = part
			continue
		}
		fresh := make([]byte, blockSize)
		copy(fresh, blocks[number])
		copy(fresh[within:], part)
		blocks[number] = fresh
	}
}

func allZero(p []byte) bool {
	return [blockSize]byte(p) == [blockSize]byte{}
}
