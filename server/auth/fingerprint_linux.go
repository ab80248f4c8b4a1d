package auth

import (
	"os"
	"syscall"
	"time"
)

// fingerprint identifies the state of a file without reading it. It includes the inode change time,
// because copying or restoring a file can set the modification time back.
type fingerprint struct {
	device, inode uint64
	size          int64
	modified      int64
	changed       int64
}

// fingerprintOf follows symbolic links, which are swapped to update mounted configuration
// (Kubernetes' "..data").
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
