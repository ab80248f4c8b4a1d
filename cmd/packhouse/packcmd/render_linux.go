package packcmd

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// limitRendering limits this process, which renders the templates of a pack.
func limitRendering() error {
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CPU:   uint64(renderTime.Seconds()),
		unix.RLIMIT_DATA:  mappedMemory() + renderMemory,
		unix.RLIMIT_CORE:  0,
		unix.RLIMIT_FSIZE: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return nil
}

// mappedMemory returns how many bytes this process has mapped for data. The race detector maps many.
func mappedMemory() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared, code, library, data uint64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared, &code, &library, &data); err != nil {
		return 0
	}
	return data * uint64(os.Getpagesize()) //nolint:gosec // a few thousand
}
