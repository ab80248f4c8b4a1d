package blockdevice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// FileSystem is a kind of file system that a volume can have.
type FileSystem struct {
	Name  string   // of mount -t
	Make  []string // the command that creates one; the device is appended
	Mount string   // mount options
	Tear  int      // bytes that the file system relies on the device to write atomically

	optional bool // not every kernel supports it
}

// FileSystems are the kinds that packhouse is tested on.
var FileSystems = []FileSystem{
	// Without lazy initialization the kernel writes nothing that no client caused.
	{
		Name: "ext4", Make: []string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0"},
		Mount: "errors=remount-ro", Tear: 512,
	},
	{Name: "xfs", Make: []string{"mkfs.xfs", "-q", "-f", "-K"}, Mount: "nouuid", Tear: blockSize, optional: true},
	{Name: "btrfs", Make: []string{"mkfs.btrfs", "-q", "-f", "-K"}, Tear: blockSize, optional: true},
}

// find returns the program that creates the file system, which /usr/sbin holds on most machines.
func (f FileSystem) find() (string, error) {
	for _, directory := range []string{"", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(directory + f.Make[0]); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", f.Make[0], exec.ErrNotFound)
}

// Errors of Create and Open.
var (
	// ErrUnavailable means that this machine cannot provide volumes.
	ErrUnavailable = errors.New("block devices of the tests are unavailable")
	// ErrUnsupported means that the kernel does not know the file system, other than ext4.
	ErrUnsupported = errors.New("the kernel does not support the file system")
)

// CanSkip reports whether a test may skip because of an error of Create. Under CI=true as root a
// machine that cannot provide volumes is a failure.
func CanSkip(err error) bool {
	required := os.Getenv("CI") == "true" && os.Geteuid() == 0
	return errors.Is(err, ErrUnsupported) || errors.Is(err, ErrUnavailable) && !required
}

// Volume is a mounted file system on an image.
type Volume struct {
	Image      *Image
	FileSystem FileSystem

	directory string
	guard     *guard
	server    *fuse.Server
	loop      *loop
	mounted   bool
}

// Create creates a file system on a new image of size bytes and mounts it.
func Create(f FileSystem, size int64) (*Volume, error) {
	program, err := f.find()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	v, err := open(f, NewImage(size))
	if err != nil {
		return nil, err
	}
	err = run(program, append(slices.Clone(f.Make[1:]), v.loop.path)...)
	if err == nil {
		err = v.Mount()
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Open mounts the file system that an image holds. The kernel replays its journal, as at a start
// after a power cut.
func Open(f FileSystem, image *Image) (*Volume, error) {
	v, err := open(f, image)
	if err != nil {
		return nil, err
	}
	if err := v.Mount(); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// open serves an image as a block device. It mounts no file system from it.
func open(f FileSystem, image *Image) (*Volume, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: mounting needs root", ErrUnavailable)
	}
	v := &Volume{Image: image, FileSystem: f}
	var err error
	if v.directory, err = os.MkdirTemp("", "packhouse-blockdevice-"); err != nil {
		return nil, fmt.Errorf("create directory: %w", err)
	}
	for _, directory := range []string{v.device(), v.Directory()} {
		if err := os.Mkdir(directory, 0o755); err != nil {
			return nil, errors.Join(err, v.Close())
		}
	}
	if v.guard, err = startGuard(v.Directory(), v.device(), v.directory); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	if v.server, err = serve(image, v.device()); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), v.Close())
	}
	if v.loop, err = attach(filepath.Join(v.device(), imageName)); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), v.Close())
	}
	return v, nil
}

// device is where the FUSE file system is mounted.
func (v *Volume) device() string { return filepath.Join(v.directory, "device") }

// Directory returns where the volume is mounted.
func (v *Volume) Directory() string { return filepath.Join(v.directory, "volume") }

// Mount mounts the volume. Options are appended to those of the file system.
func (v *Volume) Mount(options ...string) error {
	all := append([]string{"noatime"}, options...)
	if v.FileSystem.Mount != "" {
		all = append(all, v.FileSystem.Mount)
	}
	err := run("mount", "-t", v.FileSystem.Name, "-o", strings.Join(all, ","), v.loop.path, v.Directory())
	if err != nil && v.FileSystem.optional && strings.Contains(err.Error(), "unknown filesystem type") {
		return fmt.Errorf("%w: %s", ErrUnsupported, v.FileSystem.Name)
	}
	v.mounted = v.mounted || err == nil
	return err
}

// Unmount unmounts the volume, which makes the kernel forget its pages. The device stays.
func (v *Volume) Unmount() error {
	if !v.mounted {
		return nil
	}
	if err := unmount(v.Directory()); err != nil {
		return err
	}
	v.mounted = false
	return nil
}

// Sync writes every dirty page of the volume to the device.
func (v *Volume) Sync() error {
	fd, err := unix.Open(v.Directory(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open volume: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("sync volume: %w", err)
	}
	return nil
}

// Evict drops the clean pages of every file below a directory of the volume from the page cache,
// so that the next read asks the device.
func (v *Volume) Evict(below string) error {
	return filepath.WalkDir(filepath.Join(v.Directory(), below), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server removed it meanwhile
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		defer unix.Close(fd)
		return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	})
}

// Close lifts all faults, unmounts and detaches everything, and removes the directory.
func (v *Volume) Close() error {
	v.Image.LiftAll()
	errs := []error{v.Unmount()}
	if v.loop != nil {
		v.loop.release()
	}
	if v.server != nil {
		errs = append(errs, unmount(v.device()))
	}
	for _, directory := range []string{v.device(), v.Directory(), v.directory} {
		if err := os.Remove(directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if v.guard != nil {
		v.guard.stop()
	}
	return errors.Join(errs...)
}

// unmount retries while the directory is busy: a process that was killed a moment ago may still
// hold files, and a loop device detaches after its last close. If it stays busy, unmount detaches
// the mount from the tree and returns an error.
func unmount(directory string) error {
	var err error
	for range 100 {
		if err = unix.Unmount(directory, 0); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err == nil {
		return nil
	}
	_ = unix.Unmount(directory, unix.MNT_DETACH)
	return fmt.Errorf("unmount %s: %w", directory, err)
}

// run runs a program that prints only what is wrong.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
