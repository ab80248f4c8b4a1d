package auth

import (
	"os"
	"syscall"
	"time"
)

// fingerprint tells one state of a file from another without reading it. The time of the last change of the inode is in it, because the
// modification time can be set back by whoever copies or restores a file.
type fingerprint struct {
	device, inode uint64
	size          int64
	modified      int64
	changed       int64
}

// fingerprintOf looks through symbolic links, as they are swapped where configuration is mounted (Kubernetes' "..data").
func fingerprintOf(path string) (fingerprint, time.Time, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fingerprint{}, time.Time{}, err
	}
	f := fingerprint{size: info.Size(), modified: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.device, f.inode, f.changed = uint64(st.Dev), st.Ino, st.Ctim.Nano()
	}
	return f, info.ModTime(), nil
}
