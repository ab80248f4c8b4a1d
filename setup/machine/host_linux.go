package machine

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"packhouse/server/config/verify"
)

// fileSystems are the names of file systems that matter to a store.
var fileSystems = map[uint32]string{
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs",
	unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", 0x2fc12fc1: "zfs",
	unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb2", unix.FUSE_SUPER_MAGIC: "fuse", unix.F2FS_SUPER_MAGIC: "f2fs",
	unix.CEPH_SUPER_MAGIC: "ceph", unix.MSDOS_SUPER_MAGIC: "vfat", unix.V9FS_MAGIC: "9p",
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup", unix.DEVPTS_SUPER_MAGIC: "devpts",
}

func kindOfFileSystem(s *unix.Statfs_t) string {
	return fileSystems[uint32(s.Type)] //nolint:gosec // magic numbers have 32 bits
}

func readOnly(s *unix.Statfs_t) bool { return s.Flags&unix.ST_RDONLY != 0 }

func sameDevice(a, b fs.FileInfo) bool {
	x, okX := a.Sys().(*syscall.Stat_t)
	y, okY := b.Sys().(*syscall.Stat_t)
	return okX && okY && x.Dev == y.Dev
}

// Owner returns the owner of a file, or -1 if unknown.
func Owner(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}

// Holder finds the listening socket in /proc/net and the process that has it open. Only root can
// see those of other users.
func (thisHost) Holder(port int) Process {
	inodes := map[string]bool{}
	for _, l := range verify.Listening(port) {
		inodes["socket:["+l.Inode+"]"] = true
	}
	if len(inodes) == 0 {
		return Process{}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		directory := strings.Split(link, "/")[2]
		pid, err := strconv.Atoi(directory)
		if err != nil {
			continue
		}
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return Process{PID: pid, Name: string(bytes.TrimSpace(name))}
	}
	return Process{}
}
