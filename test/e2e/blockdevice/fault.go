package blockdevice

import (
	"bytes"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Action is what a Fault does to the operations that it matches.
type Action int

// The actions of a fault.
const (
	Fail  Action = iota // answer EIO and change nothing
	Drop                // report success and change nothing
	Delay               // wait for Fault.Wait, then perform the operation
	Hang                // wait until the fault is lifted, then perform the operation
)

// Fault breaks chosen operations of an Image from Inject until Lift.
type Fault struct {
	Match  func(Operation) bool // nil matches every operation
	Action Action
	Wait   time.Duration // for Delay
	Limit  int           // matches before the fault lifts itself; 0 means no limit

	mu     sync.Mutex
	hits   int
	over   bool
	lifted chan struct{}
}

// Inject activates a fault.
func (i *Image) Inject(f *Fault) {
	f.mu.Lock()
	f.lifted, f.over, f.hits = make(chan struct{}), false, 0
	f.mu.Unlock()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = append(i.faults, f)
}

// LiftAll ends every injected fault.
func (i *Image) LiftAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.faults {
		f.Lift()
	}
	i.faults = nil
}

// Lift ends the fault and releases the operations that it holds.
func (f *Fault) Lift() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lifted == nil || f.over {
		return
	}
	f.over = true
	close(f.lifted)
}

// Hits returns how many operations the fault matched.
func (f *Fault) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// claim reports whether the fault applies to an operation, and counts it.
func (f *Fault) claim(op Operation) bool {
	if f.Match != nil && !f.Match(op) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || f.Limit > 0 && f.hits >= f.Limit {
		return false
	}
	f.hits++
	return true
}

// suffer applies the faults to an operation. It returns whether the operation must not change
// anything, and the error to answer with.
func (i *Image) suffer(op Operation) (drop bool, err error) {
	i.mu.Lock()
	faults := slices.Clone(i.faults)
	i.mu.Unlock()
	for _, f := range faults {
		if !f.claim(op) {
			continue
		}
		switch f.Action {
		case Fail:
			return true, syscall.EIO
		case Drop:
			return true, nil
		case Delay:
			pause := time.NewTimer(f.Wait)
			select {
			case <-pause.C:
			case <-f.lifted:
				pause.Stop()
			}
		case Hang:
			<-f.lifted
		}
	}
	return false, nil
}

// InRange matches writes that touch the bytes from up to, and without, to.
func InRange(from, to int64) func(Operation) bool {
	return func(op Operation) bool {
		return !op.Flush && op.Offset < to && op.Offset+int64(len(op.Data)) > from
	}
}

// Writes matches every write and no flush.
func Writes(op Operation) bool { return !op.Flush }

// WithBlock matches writes of which one block-aligned block begins with the first block of
// content. That finds the data of a file wherever the file system puts it, and does not match a
// log that holds the same bytes at another alignment.
func WithBlock(content []byte) func(Operation) bool {
	want := content[:min(len(content), blockSize)]
	return func(op Operation) bool {
		for at := -op.Offset & (blockSize - 1); !op.Flush && at < int64(len(op.Data)); at += blockSize {
			if bytes.HasPrefix(op.Data[at:], want) {
				return true
			}
		}
		return false
	}
}
