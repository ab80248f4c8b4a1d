package setup

import (
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"packhouse/server/config"
)

// Host is the interface to the operating system. [ThisMachine] uses the real one.
type Host interface {
	// Hostname is the name the kernel goes by, short or full.
	Hostname() (string, error)
	// ReadFile reads a system file such as /etc/hostname.
	ReadFile(name string) ([]byte, error)
	// Addresses lists the addresses of all interfaces that are up.
	Addresses() ([]Address, error)
	// LookupHost resolves a name to addresses.
	LookupHost(ctx context.Context, name string) ([]netip.Addr, error)
	// LookupAddr resolves an address to names.
	LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error)
	// Listen binds an address and closes the listener at once. It returns the error of net.Listen.
	Listen(ctx context.Context, addr string) error
	// Holder names the process that listens at a TCP port. The zero Process: not to be seen.
	Holder(port int) Process
	// FileSystem describes what holds a path, which may not exist yet.
	FileSystem(path string) (FileSystem, error)
	// Writable returns an error if no file can be created below a path, which need not exist. It leaves nothing behind.
	Writable(path string) error
	// UID is the effective user, 0 for root, -1 where there is none.
	UID() int
	// CPUs is how much of processors can be used, also where a control group allows a part of one only; 0: not to be seen.
	CPUs() float64
	// Memory is the memory in bytes that can be used; 0: not to be seen.
	Memory() uint64
}

// Address is an address of this machine.
type Address struct {
	Addr      netip.Addr
	Interface string // "eth0"
	Bridge    bool   // of a container engine's own network, which other machines do not reach
	Global    bool   // not loopback, not link-local
}

// Process is a running program.
type Process struct {
	PID  int
	Name string
}

// FileSystem is what holds a directory.
type FileSystem struct {
	Kind       string // "ext4", "tmpfs", …; empty: not to be seen
	Free       uint64 // bytes for this user
	Total      uint64
	FreeInodes uint64 // 0 with Inodes 0: the file system does not count them
	Inodes     uint64
	Root       bool // the same file system as /
	ReadOnly   bool
}

// Pseudo reports whether the file system is virtual, such as /proc, and stores no files.
func (f FileSystem) Pseudo() bool {
	return slices.Contains([]string{"proc", "sysfs", "cgroup", "devpts"}, f.Kind)
}

// Memory reports whether a restart of the machine loses the content.
func (f FileSystem) Memory() bool { return f.Kind == "tmpfs" || f.Kind == "ramfs" }

// Machine is what was found out about the machine that setup runs on.
type Machine struct {
	Host      Host
	Names     []string  // it goes by, the best first; never empty
	Addresses []Address // of all interfaces
	UID       int
	CPUs      float64
	Memory    uint64
	OpenFiles uint64           // how many files a process of this user may open; 0: unknown
	ConfigDir string           // where an installation belongs by default
	DataDir   string           // default storage directory of the installation in ConfigDir
	Now       func() time.Time // nil: time.Now

	program  string        // path of this program; empty: from the operating system
	patience time.Duration // how long others may take to answer at least: tests share a machine; 0: as long as the constants say

	// ServerOn finds the running server of the store on disk in root, for the installation in dir. Nil: servers are not looked for.
	ServerOn func(ctx context.Context, dir, root string) ServerOn

	// TryStorage tries everything that a store needs of a storage engine, for real, and leaves nothing behind. Nil: that is left out.
	TryStorage func(ctx context.Context, s config.Storage) []StorageTrial
}

// ServerOn is the running server of a store.
type ServerOn struct {
	Up     bool
	PID    int    // 0: this user may not ask it
	Config string // path of its configuration; "" likewise
}

// within is how long to wait for others who may take so long.
func (m *Machine) within(d time.Duration) time.Duration { return max(d, m.patience) }

// bridge returns the interface of a container engine's network that has an address; empty where it is none of those.
func (m *Machine) bridge(addr netip.Addr) string {
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

// defaultStoragePath returns the default storage directory for an installation in dir. The well-known installation
// stores in DataDir; every other one stores below its own directory, so that two installations on one machine
// never share a store by accident.
func (m *Machine) defaultStoragePath(dir string) string {
	if dir == "" || filepath.Clean(dir) == filepath.Clean(m.ConfigDir) {
		return m.DataDir
	}
	return filepath.Join(dir, "data")
}
