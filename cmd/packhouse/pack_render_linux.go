package main

import "golang.org/x/sys/unix"

// limitRendering limits this process, which renders the templates of a pack.
func limitRendering() error {
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CPU:   uint64(renderTime.Seconds()),
		unix.RLIMIT_DATA:  renderMemory,
		unix.RLIMIT_CORE:  0,
		unix.RLIMIT_FSIZE: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return nil
}
