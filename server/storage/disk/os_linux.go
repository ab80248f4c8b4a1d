package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Magic numbers of statfs(2) used here.
const (
	magicNFS   = 0x6969
	magicCIFS  = 0xff534d42
	magicSMB2  = 0xfe534d42
	magicSMB   = 0x517b
	magicCeph  = 0x00c36400
	magicFUSE  = 0x65735546
	magicAFS   = 0x5346414f
	magic9P    = 0x01021997
	magicExt   = 0xef53
	magicXFS   = 0x58465342
	magicBtrfs = 0x9123683e
	magicTmpfs = 0x01021994
)

// kinds describes file systems. journal: renames are ordered by a journal (on btrfs, they are not
// ordered with respect to a sync). network: locks may not exclude other hosts. counts: a directory
// has two links, and one more for each directory in it (ext4 says 1 if they are too many).
var kinds = map[int64]struct {
	name                              string
	network, syncAll, journal, counts bool
}{
	magicNFS: {name: "nfs", network: true}, magicCIFS: {name: "cifs", network: true}, magicSMB2: {name: "smb2", network: true}, magicSMB: {name: "smb", network: true},
	magicCeph: {name: "ceph", network: true}, magicFUSE: {name: "fuse", network: true}, magicAFS: {name: "afs", network: true}, magic9P: {name: "9p", network: true},
	magicExt: {name: "ext4", syncAll: true, journal: true, counts: true}, magicXFS: {name: "xfs", syncAll: true, journal: true, counts: true},
	magicBtrfs: {name: "btrfs", syncAll: true}, magicTmpfs: {name: "tmpfs", counts: true},
}

// ignoring retries a call interrupted by a signal.
func ignoring(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Stat implements Disk with one system call, because every read of the store begins with several.
func (d *osDisk) Stat(name string) (Info, error) {
	var st unix.Stat_t
	err := ignoring(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	runtime.KeepAlive(d.dir)
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	info := infoOf(&st)
	info.Below = info.Dir && d.counts && st.Nlink > 2
	return info, nil
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Size: st.Size, ModTime: time.Unix(st.Mtim.Unix()), Changed: st.Ctim.Nano(), Inode: st.Ino, Device: st.Dev,
		Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}

// Stat implements File.
func (f *osFile) Stat() (Info, error) {
	var st unix.Stat_t
	err := ignoring(func() error { return unix.Fstat(int(f.Fd()), &st) })
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return infoOf(&st), nil
}

// WriteBack implements File. Errors of the system call itself (blocked by seccomp, unsupported by
// the file system) are ignored: they are not device errors.
func (f *osFile) WriteBack(offset, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) {
		return &fs.PathError{Op: "sync_file_range", Path: f.Name(), Err: err}
	}
	return nil
}

// Uncache implements File. It is a hint: dirty pages stay, so callers sync first.
func (f *osFile) Uncache() { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

// SyncData implements File.
func (f *osFile) SyncData() error {
	if err := ignoring(func() error { return unix.Fdatasync(int(f.Fd())) }); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// SetTime implements Disk.
func (d *osDisk) SetTime(name string, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return fmt.Errorf("set time of %s: %w", name, err)
	}
	err = ignoring(func() error {
		return unix.UtimesNanoAt(d.fd, name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return &fs.PathError{Op: "utimensat", Path: name, Err: err}
	}
	return nil
}

// SyncDir implements Disk.
func (d *osDisk) SyncDir(name string) error {
	f, err := d.openAt(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// SyncAll implements Disk. The descriptor stays open as long as the disk, so that errors found by
// other syncs in between are reported, too.
func (d *osDisk) SyncAll() error {
	if err := ignoring(func() error { return unix.Syncfs(d.fd) }); err != nil {
		return fmt.Errorf("sync file system: %w", err)
	}
	return nil
}

// Space implements Disk.
func (d *osDisk) Space() (Space, error) {
	var st unix.Statfs_t
	if err := ignoring(func() error { return unix.Fstatfs(d.fd, &st) }); err != nil {
		return Space{}, fmt.Errorf("stat file system: %w", err)
	}
	s := Space{FreeBytes: int64(st.Bavail) * st.Bsize, TotalBytes: int64(st.Blocks) * st.Bsize, FreeInodes: -1} //nolint:gosec // sizes of real disks
	if st.Files > 0 {
		s.FreeInodes = int64(st.Ffree) //nolint:gosec // see above
	}
	return s, nil
}

func (d *osDisk) traits() (Traits, error) {
	var st unix.Statfs_t
	if err := ignoring(func() error { return unix.Fstatfs(d.fd, &st) }); err != nil {
		return Traits{}, fmt.Errorf("stat file system: %w", err)
	}
	t := Traits{Kind: "0x" + strconv.FormatInt(st.Type, 16)}
	if k, ok := kinds[st.Type&0xffffffff]; ok {
		t.Kind, t.Network, t.Journaling, d.counts = k.name, k.network, k.journal, k.counts
		t.SyncAll = k.syncAll && kernelAtLeast(5, 8)
	}
	if st.Fsid != (unix.Fsid{}) {
		t.Volume = fmt.Sprintf("%08x%08x", uint32(st.Fsid.Val[0]), uint32(st.Fsid.Val[1])) //nolint:gosec // the same bits
	}
	t.Boot = bootID(bootIDFile, os.Getenv)
	var sx unix.Statx_t
	if unix.Statx(d.fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &sx) == nil && sx.Mask&unix.STATX_MNT_ID_UNIQUE != 0 { // Linux 6.8
		t.Mount = fmt.Sprintf("%d:%d/%d", sx.Dev_major, sx.Dev_minor, sx.Mnt_id)
	}
	return t, nil
}

// kernelAtLeast compares the kernel's version. Since Linux 5.8, syncfs reports errors of earlier
// writes.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
