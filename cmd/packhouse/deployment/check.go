package deployment

import (
	"fmt"
	"io"
	"strings"
	"time"

	"packhouse/setup/check"
)

// PrintCheck writes a finished check to w: one line, followed by cause, remedy and code of a
// finding. It ignores events of checks that are still running.
func PrintCheck(w io.Writer, e check.Event) {
	r := e.Result
	if r == nil {
		return
	}
	sign, word := "✓", ""
	switch r.Status {
	case check.Passed:
	case check.Failed:
		sign, word = "✗", "failed: "
	case check.Warning:
		sign, word = "!", "warning: "
	case check.NotProven:
		sign, word = "○", "not proven: "
	}
	fmt.Fprintf(w, "%s %-15s %s%s  %s\n", sign, r.Title, word, r.Seen, took(r.Took))
	if r.Finding.What != "" {
		fmt.Fprintf(w, "    cause: %s\n", strings.ReplaceAll(r.Finding.What, "\n", "\n           "))
	}
	if r.Finding.Remedy != "" {
		fmt.Fprintf(w, "    remedy: %s\n", r.Finding.Remedy)
	}
	if r.Finding.Code != "" {
		fmt.Fprintf(w, "    code: %s\n", r.Finding.Code)
	}
	if r.Advice != "" {
		fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(r.Advice, "\n", "\n    "))
	}
}

// took formats d for display.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
