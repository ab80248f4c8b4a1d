package cli

import (
	"github.com/dustin/go-humanize"
)

// HumanBytes formats a number of bytes for display. Negative numbers count as 0.
func HumanBytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
