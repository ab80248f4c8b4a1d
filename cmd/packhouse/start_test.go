package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestStartIsCheap verifies that the packages of this module allocate next to nothing before main,
// in every start of the program: they compile regular expressions and templates when they need them.
func TestStartIsCheap(t *testing.T) {
	const most = 16 << 10 // bytes per package
	command := exec.CommandContext(t.Context(), "packhouse", "version")
	command.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	command.Stderr = &trace
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, trace.String())
	}
	packages := 0
	for line := range strings.Lines(trace.String()) {
		// init packhouse/packs @1.2 ms, 0.03 ms clock, 1152 bytes, 15 allocs
		words := strings.Fields(line)
		if len(words) < 9 || words[0] != "init" || !strings.HasPrefix(words[1], "packhouse/") {
			continue
		}
		packages++
		if bytes, err := strconv.Atoi(words[7]); err != nil || bytes > most {
			t.Errorf("package %s allocates %s bytes before main, want at most %d", words[1], words[7], most)
		}
	}
	if packages == 0 {
		t.Errorf("no package of this module in the trace:\n%s", trace.String())
	}
}
