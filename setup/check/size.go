package check

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"

	"packhouse/spelling"
)

// leastMemory is the memory in bytes below which a machine is reported as small: the vendor's
// minimum of 2 GB, less what firmware and kernel reserve.
const leastMemory = 1800 << 20

// proveMachine reports the size of the machine. A small machine is not a finding, but may explain
// slowness.
func proveMachine(_ context.Context, s *session) Result {
	if s.Machine == nil || s.Machine.CPUs == 0 && s.Machine.Memory == 0 {
		return notProven("the size of this machine cannot be seen")
	}
	seen := plural(s.Machine.CPUs, "processor")
	small := s.Machine.CPUs > 0 && s.Machine.CPUs < 1
	if s.Machine.Memory > 0 {
		seen += ", " + humanize.IBytes(s.Machine.Memory) + " of memory"
		small = small || s.Machine.Memory < leastMemory
	}
	r := passed("%s", seen)
	if small {
		r.Advice = "this machine is small: 1 processor and 2 GB of memory are what a registry is happy with"
	}
	return r
}

func plural(n float64, what string) string {
	if n == float64(int(n)) {
		return spelling.Count(int(n), what)
	}
	return fmt.Sprintf("%.1f %ss", n, what)
}
