package packcmd

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// limitRendering limits this process, which renders the templates of a pack. RLIMIT_DATA would limit
// nothing: Linux does not count what is mapped over a reservation, as Go maps its heap.
func limitRendering() error {
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CPU:   uint64(renderTime.Seconds()),
		unix.RLIMIT_AS:    addressSpace() + renderMemory,
		unix.RLIMIT_CORE:  0,
		unix.RLIMIT_FSIZE: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return nil
}

// addressSpace returns the size of this process's address space in bytes. Go reserves much of it at its
// start, and the race detector more.
func addressSpace() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var pages uint64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize()) //nolint:gosec // positive
}
