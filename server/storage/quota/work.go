package quota

import "runtime"

// Work limits how many bodies are hashed and written at the same moment. Each has work for a
// fraction of a millisecond whenever bytes arrive; hundreds of them would take their turns before a
// small read gets the processor again. It must not be held while waiting for a client.
type Work struct{ slots chan struct{} }

// NewWork returns a limit for the processors of this machine.
func NewWork() *Work { return &Work{make(chan struct{}, 2*runtime.GOMAXPROCS(0))} }

// Begin waits for a turn, in the order of the callers. The caller calls End.
func (w *Work) Begin() { w.slots <- struct{}{} }

// End ends a turn.
func (w *Work) End() { <-w.slots }
