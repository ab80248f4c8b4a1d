package setup

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
)

// fakeHost is a machine as a test wants it. Its zero value is root on registry.example.com with one address, nothing listening.
type fakeHost struct {
	hostname  string
	files     map[string]string
	addresses []Address
	resolves  map[string][]netip.Addr
	reverse   map[netip.Addr][]string
	taken     map[int]Process // by port; a zero Process cannot be seen
	lowest    int             // port that may be bound
	system    FileSystem
	readOnly  string // no file can be made at or below
	memory    uint64
	cpus      float64
	binds     int
}

var errNoSuchHost = errors.New("no such host")

func (h *fakeHost) Hostname() (string, error) {
	return cmp.Or(h.hostname, "registry.example.com"), nil
}

func (h *fakeHost) ReadFile(name string) ([]byte, error) {
	if text, ok := h.files[name]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (h *fakeHost) Addresses() ([]Address, error) {
	if h.addresses == nil {
		return []Address{
			{Addr: netip.MustParseAddr("127.0.0.1"), Interface: "lo"},
			{Addr: netip.MustParseAddr("192.0.2.17"), Interface: "eth0", Global: true},
			{Addr: netip.MustParseAddr("172.17.0.1"), Interface: "docker0", Global: true, Bridge: true},
		}, nil
	}
	return h.addresses, nil
}

func (h *fakeHost) LookupHost(_ context.Context, name string) ([]netip.Addr, error) {
	if h.resolves == nil && name == "registry.example.com" {
		return []netip.Addr{netip.MustParseAddr("192.0.2.17")}, nil
	}
	if name == "localhost" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	if addrs, ok := h.resolves[name]; ok {
		return addrs, nil
	}
	return nil, errNoSuchHost
}

func (h *fakeHost) LookupAddr(_ context.Context, addr netip.Addr) ([]string, error) {
	return h.reverse[addr], nil
}

func (h *fakeHost) Listen(_ context.Context, addr string) error {
	h.binds++
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, _ := strconv.Atoi(portText)
	if _, taken := h.taken[port]; taken {
		return os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if port < h.lowest {
		return os.NewSyscallError("bind", syscall.EACCES)
	}
	if host == "198.51.100.1" {
		return os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return nil
}

func (h *fakeHost) Holder(port int) Process { return h.taken[port] }

func (h *fakeHost) FileSystem(path string) (FileSystem, error) {
	if h.system == (FileSystem{}) || !strings.HasSuffix(path, "/data") { // system is that of content; installations lie on another one
		return FileSystem{Kind: "ext4", Free: 50 << 30, Total: 100 << 30, FreeInodes: 1 << 20, Inodes: 1 << 21}, nil
	}
	return h.system, nil
}

func (h *fakeHost) Writable(path string) error {
	if h.readOnly != "" && rel(h.readOnly, path) != path {
		return &fs.PathError{Op: "write below", Path: path, Err: syscall.EROFS}
	}
	return nil
}

func (h *fakeHost) UID() int      { return 0 }
func (h *fakeHost) CPUs() float64 { return cmp.Or(h.cpus, 2) }

func (h *fakeHost) Memory() uint64 { return cmp.Or(h.memory, 4<<30) }

// now is the time in tests.
var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func machineOf(t *testing.T, h *fakeHost) *Machine {
	t.Helper()
	m := detect(t.Context(), h, time.Minute) // whatever else the machine is busy with
	m.Now = func() time.Time { return now }
	m.DataDir = t.TempDir() + "/data"
	return m
}
