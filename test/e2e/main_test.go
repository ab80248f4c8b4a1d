package e2e

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// TestMain keeps what tests make off file systems in memory, where /tmp is on
// some machines: setup refuses to keep content there.
func TestMain(m *testing.M) {
	if inMemory(os.TempDir()) && !inMemory("/var/tmp") {
		fmt.Fprintf(os.Stderr, "%s is in memory, the tests are in /var/tmp\n", os.TempDir())
		_ = os.Setenv("TMPDIR", "/var/tmp") // fails for odd names alone
	}
	os.Exit(m.Run())
}

// inMemory tells whether a directory is on a tmpfs (statfs(2)), or not there.
func inMemory(directory string) bool {
	const tmpfs = 0x01021994
	var at syscall.Statfs_t
	return syscall.Statfs(directory, &at) != nil || int64(at.Type) == tmpfs //nolint:unconvert // it is an int32 elsewhere
}
