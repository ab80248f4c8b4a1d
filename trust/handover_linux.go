package trust

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// HandOver gives the directories that root made below d since a time, in directories of other users,
// with all that root made in them, to the user and group of the directory that contains them. It leaves
// files directly in directories of other users, who can have moved a file of root there: the program
// that makes such files calls [Inherit]. It follows no links, and leaves files with further hard links
// as they are. File systems that do not record when a file was made are left as they are. Only root may
// call it.
func (d *Dir) HandOver(since time.Time) error {
	var own unix.Statx_t
	if err := unix.Statx(int(d.file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &own); err != nil {
		return &os.PathError{Op: "stat", Path: d.path, Err: err}
	}
	return d.handOver(&own, false, since)
}

// handOver gives the entries of d to an owner. closed is whether only root can have put them there.
func (d *Dir) handOver(owner *unix.Statx_t, closed bool, since time.Time) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		var f *os.File
		err := d.call("open", name, func(fd int) error {
			opened, err := openPlain(fd, name, unix.O_PATH, 0)
			if err == nil {
				f = os.NewFile(uintptr(opened), d.Entry(name))
			}
			return err
		})
		if err == nil {
			err = handOver(f, owner, closed, since)
			_ = f.Close()
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// handOver gives an entry of a directory to an owner. It first continues below it, while root still
// owns it, so that no other user can move anything there.
func handOver(f *os.File, owner *unix.Statx_t, closed bool, since time.Time) error {
	fd := int(f.Fd())
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	made := st.Mask&unix.STATX_BTIME != 0 && !time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).Before(since)
	given := made && st.Uid == 0 && owner.Uid != 0 && (dir || closed && st.Nlink == 1)
	if dir {
		below := owner
		if !given {
			below = &st
		}
		onlyRoot := given && st.Mode&0o022 == 0
		if err := (&Dir{file: f, path: f.Name()}).handOver(below, onlyRoot, since); err != nil {
			return err
		}
	}
	if !given {
		return nil
	}
	if err := unix.Fchownat(fd, "", int(owner.Uid), int(owner.Gid), unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "chown", Path: f.Name(), Err: err}
	}
	return nil
}
