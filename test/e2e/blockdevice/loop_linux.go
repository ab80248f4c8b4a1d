package blockdevice

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// loop is a loop device. The kernel detaches it when nobody has it open or mounted.
type loop struct {
	path string
	fd   int
}

// attach attaches a free loop device to a file.
func attach(file string) (*loop, error) {
	// os.Open would poll the file, and this process is the one that has to answer.
	backing, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer unix.Close(backing)
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/loop-control: %w", err)
	}
	defer unix.Close(control)
	for range 100 {
		l, err := attachNext(control, backing)
		if !errors.Is(err, unix.EBUSY) { // another process was faster
			return l, err
		}
	}
	return nil, errors.New("attach loop device: other processes take every free one")
}

// attachNext tries the device that the kernel says is free.
func attachNext(control, backing int) (*loop, error) {
	number, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	path := fmt.Sprintf("/dev/loop%d", number)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	config := unix.LoopConfig{Fd: uint32(backing), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	if err := unix.IoctlLoopConfigure(fd, &config); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("attach %s: %w", path, err)
	}
	if err := limitRequests(number); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &loop{path, fd}, nil
}

// limitRequests makes the kernel split requests to a loop device so that each is one write to the
// FUSE file. If only a later part of a request failed, FUSE would report a short write, which the
// loop driver of Linux 6.18 takes for success.
func limitRequests(number int) error {
	name := fmt.Sprintf("/sys/block/loop%d/queue/max_sectors_kb", number)
	if err := os.WriteFile(name, fmt.Append(nil, maxWrite/2>>10), 0); err != nil {
		return fmt.Errorf("limit the size of requests: %w", err)
	}
	return nil
}

// release closes the device. The kernel detaches it once it is not mounted either.
func (l *loop) release() { _ = unix.Close(l.fd) }
