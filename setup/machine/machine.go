package machine

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
)

// Host is the interface to the operating system. [ThisMachine] uses the real one.
type Host interface {
	// Hostname returns the kernel's host name, short or fully qualified.
	Hostname() (string, error)
	// ReadFile reads a system file such as /etc/hostname.
	ReadFile(name string) ([]byte, error)
	// Addresses returns the addresses of all interfaces that are up.
	Addresses() ([]Address, error)
	// LookupHost resolves a name to addresses.
	LookupHost(ctx context.Context, name string) ([]netip.Addr, error)
	// LookupAddr resolves an address to names.
	LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error)
	// Listen binds an address and closes the listener at once. It returns the error of net.Listen.
	Listen(ctx context.Context, addr string) error
	// Holder returns the process that listens on a TCP port, or the zero Process if unknown.
	Holder(port int) Process
	// FileSystem describes the file system of a path, which may not exist yet.
	FileSystem(path string) (FileSystem, error)
	// Writable returns an error if no file can be created below a path, which need not exist. It
	// leaves nothing behind.
	Writable(path string) error
	// UID returns the effective user ID: 0 for root, -1 if there are no user IDs.
	UID() int
	// CPUs returns the number of usable processors, possibly a fraction in a control group, or 0 if
	// unknown.
	CPUs() float64
	// Memory returns the usable memory in bytes, or 0 if unknown.
	Memory() uint64
}

// Address is an address of this machine.
type Address struct {
	Addr      netip.Addr
	Interface string // "eth0"
	Bridge    bool   // on a container network, which other machines cannot reach
	Global    bool   // not loopback, not link-local
}

// Process is a running program.
type Process struct {
	PID  int
	Name string
}

// FileSystem describes the file system of a directory.
type FileSystem struct {
	Kind       string // "ext4", "tmpfs", …; empty: unknown
	Free       uint64 // bytes available to this user
	Total      uint64
	FreeInodes uint64 // 0 with Inodes 0: the file system has no inode limit
	Inodes     uint64
	Root       bool // the same file system as /
	ReadOnly   bool
}

// Pseudo reports whether the file system is virtual, such as /proc, and stores no files.
func (f FileSystem) Pseudo() bool {
	return slices.Contains([]string{"proc", "sysfs", "cgroup", "devpts"}, f.Kind)
}

// Memory reports whether the file system is in memory: its content is lost on restart.
func (f FileSystem) Memory() bool { return f.Kind == "tmpfs" || f.Kind == "ramfs" }

// Machine describes the machine that setup runs on.
type Machine struct {
	Host      Host
	Names     []string  // best first; never empty
	Addresses []Address // of all interfaces
	UID       int
	CPUs      float64
	Memory    uint64
	OpenFiles uint64           // open-file limit of this user's processes; 0: unknown
	ConfigDir string           // default installation directory
	DataDir   string           // default storage directory of the installation in ConfigDir
	Now       func() time.Time // nil: time.Now

	Program  string        // path of this program; empty: from the operating system
	patience time.Duration // minimum timeout for other hosts, for tests; 0: the constants apply

	// ServerOn finds the running server of the store in root, for the installation in dir. It may
	// be nil.
	ServerOn func(ctx context.Context, dir, root string) ServerOn

	// TryStorage tests all operations that a store needs on the storage, and leaves nothing behind.
	// It may be nil.
	TryStorage func(ctx context.Context, s config.Storage) []finding.Trial
}

// ServerOn describes the running server of a store.
type ServerOn struct {
	Up     bool
	PID    int    // 0: not accessible to this user
	Config string // path of its configuration; "" if not accessible

	Doubt  error  // why what is in the place of its admin socket cannot be asked; Up is false
	Remedy string // what to do about Doubt
}

// Within returns the timeout d, or the machine's minimum timeout if longer.
func (m *Machine) Within(d time.Duration) time.Duration { return max(d, m.patience) }

// Bridge returns the container network's interface that has an address, or "".
func (m *Machine) Bridge(addr netip.Addr) string {
	for _, a := range m.Addresses {
		if a.Bridge && a.Addr.Unmap() == addr.Unmap() {
			return a.Interface
		}
	}
	return ""
}

// Has reports whether an address belongs to this machine.
func (m *Machine) Has(addr netip.Addr) bool {
	for _, a := range m.Addresses {
		if a.Addr.Unmap() == addr.Unmap() {
			return true
		}
	}
	return addr.IsLoopback()
}

// DefaultStoragePath returns the default storage directory for an installation in dir: DataDir for
// the default installation, otherwise a directory below dir, so that two installations on one
// machine never share a store by accident.
func (m *Machine) DefaultStoragePath(dir string) string {
	if dir == "" || filepath.Clean(dir) == filepath.Clean(m.ConfigDir) {
		return m.DataDir
	}
	return filepath.Join(dir, "data")
}

// Time returns the current time on this machine.
func (m *Machine) Time() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

// FreePort suggests a port that can be bound instead of other, as " such as :PORT". It returns ""
// if no usual port is free.
func (m *Machine) FreePort(ctx context.Context, other int) string {
	for _, port := range []int{443, 5000, 5443, 8443} {
		if addr := fmt.Sprintf(":%d", port); port != other && m.Host.Listen(ctx, addr) == nil {
			return " such as " + addr
		}
	}
	return ""
}
