//go:build unix

package admin

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

var errForeign = errors.New("others may write to it")

// ours tells whether nobody but this user and root may write to a directory.
func ours(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at directory of the admin socket: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("use directory %s for the admin socket: %w", dir, errForeign)
	}
	return nil
}
