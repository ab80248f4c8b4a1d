//go:build unix

package verify

import (
	"os"
	"syscall"
)

// ownersOf returns the user who owns a path, or nothing if it is unknown.
func ownersOf(path string) []int {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return []int{int(st.Uid)}
}
