// Package machinetest has a [machine.Host] for tests, whose facts are fields.
package machinetest

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// Host is a machine as a test wants it. Its zero value is root on registry.example.com with one address, nothing listening.
type Host struct {
	Named      string
	Files      map[string]string
	Interfaces []machine.Address
	Resolves   map[string][]netip.Addr
	Reverse    map[netip.Addr][]string
	Taken      map[int]machine.Process // by port; a zero Process cannot be seen
	Lowest     int                     // port that may be bound
	System     machine.FileSystem
	ReadOnly   string // no file can be made at or below
	RAM        uint64
	Processors float64
	binds      int
}

var errNoSuchHost = errors.New("no such host")

// Hostname implements machine.Host.
func (h *Host) Hostname() (string, error) {
	return cmp.Or(h.Named, "registry.example.com"), nil
}

// ReadFile implements machine.Host.
func (h *Host) ReadFile(name string) ([]byte, error) {
	if text, ok := h.Files[name]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

// Addresses implements machine.Host.
func (h *Host) Addresses() ([]machine.Address, error) {
	if h.Interfaces == nil {
		return []machine.Address{
			{Addr: netip.MustParseAddr("127.0.0.1"), Interface: "lo"},
			{Addr: netip.MustParseAddr("192.0.2.17"), Interface: "eth0", Global: true},
			{Addr: netip.MustParseAddr("172.17.0.1"), Interface: "docker0", Global: true, Bridge: true},
		}, nil
	}
	return h.Interfaces, nil
}

// LookupHost implements machine.Host.
func (h *Host) LookupHost(_ context.Context, name string) ([]netip.Addr, error) {
	if h.Resolves == nil && name == "registry.example.com" {
		return []netip.Addr{netip.MustParseAddr("192.0.2.17")}, nil
	}
	if name == "localhost" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	if addrs, ok := h.Resolves[name]; ok {
		return addrs, nil
	}
	return nil, errNoSuchHost
}

// LookupAddr implements machine.Host.
func (h *Host) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return h.Reverse[addr], nil
}

// Listen implements machine.Host.
func (h *Host) Listen(_ context.Context, addr string) error {
	h.binds++
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, _ := strconv.Atoi(portText)
	if _, taken := h.Taken[port]; taken {
		return os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if port < h.Lowest {
		return os.NewSyscallError("bind", syscall.EACCES)
	}
	if host == "198.51.100.1" {
		return os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return nil
}

// Holder implements machine.Host.
func (h *Host) Holder(port int) machine.Process { return h.Taken[port] }

// FileSystem implements machine.Host.
func (h *Host) FileSystem(path string) (machine.FileSystem, error) {
	if h.System == (machine.FileSystem{}) ||
		!strings.HasSuffix(path, "/data") { // system is that of content; installations lie on another one
		return machine.FileSystem{
			Kind: "ext4", Free: 50 << 30, Total: 100 << 30, FreeInodes: 1 << 20, Inodes: 1 << 21,
		}, nil
	}
	return h.System, nil
}

// Writable implements machine.Host.
func (h *Host) Writable(path string) error {
	if h.ReadOnly != "" && installation.Rel(h.ReadOnly, path) != path {
		return &fs.PathError{Op: "write below", Path: path, Err: syscall.EROFS}
	}
	return nil
}

// UID implements machine.Host.
func (h *Host) UID() int { return 0 }

// CPUs implements machine.Host.
func (h *Host) CPUs() float64 { return cmp.Or(h.Processors, 2) }

// Memory implements machine.Host.
func (h *Host) Memory() uint64 { return cmp.Or(h.RAM, 4<<30) }

// Now is the time in tests.
var Now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// New returns a machine on h whose clock stands at [Now].
func New(t *testing.T, h *Host) *machine.Machine {
	t.Helper()
	m := machine.DetectWith(t.Context(), h, time.Minute) // whatever else the machine is busy with
	m.Now = func() time.Time { return Now }
	m.DataDir = t.TempDir() + "/data"
	return m
}
