package trust

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// HandOver gives what root made below d since a time, in directories of other users, to the user and group of the directory that holds it.
// It follows no links, and leaves files with further hard links as they are. File systems that do not record when a file was made are left
// as they are. Only root may call it.
func (d *Dir) HandOver(since time.Time) error {
	var own unix.Statx_t
	if err := unix.Statx(int(d.file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &own); err != nil {
		return &os.PathError{Op: "stat", Path: d.path, Err: err}
	}
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
			err = handOver(f, &own, since)
			_ = f.Close()
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// handOver gives an entry of a directory to the owner of the directory, and continues below it.
func handOver(f *os.File, parent *unix.Statx_t, since time.Time) error {
	fd := int(f.Fd())
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	made := st.Mask&unix.STATX_BTIME != 0 && !time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).Before(since)
	if made && st.Uid == 0 && parent.Uid != 0 && (dir || st.Nlink == 1) {
		if err := unix.Fchownat(fd, "", int(parent.Uid), int(parent.Gid), unix.AT_EMPTY_PATH); err != nil {
			return &os.PathError{Op: "chown", Path: f.Name(), Err: err}
		}
	}
	if !dir {
		return nil
	}
	return (&Dir{file: f, path: f.Name()}).HandOver(since)
}
