package check

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine gives the checks access to the machine they run on. A nil function or zero size is
// unknown, and checks that depend on it are not proven.
type Machine struct {
	LookupHost func(ctx context.Context, name string) ([]netip.Addr, error)
	Addresses  func() ([]netip.Addr, error) // of all interfaces that are up
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Run        func(ctx context.Context, program string, args ...string) ([]byte, error) // returns standard output, or exec.ErrNotFound
	ReadFile   func(name string) ([]byte, error)                                         // reads a system file
	ClockKept  func() (bool, error)                                                      // whether the kernel's clock is synchronized
	OnRootDisk func(path string) bool                                                    // whether path is on the same file system as /
	CPUs       float64                                                                   // usable processors
	Memory     uint64                                                                    // usable bytes
}

// ThisMachine returns the Machine of the operating system.
func ThisMachine() *Machine {
	m := &Machine{
		LookupHost: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		},
		Addresses: addresses,
		Dial:      new(net.Dialer).DialContext,
		CPUs:      float64(runtime.NumCPU()),
	}
	m.look()
	return m
}

func addresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range all {
		network, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if addr, ok := netip.AddrFromSlice(network.IP); ok {
			out = append(out, addr.Unmap())
		}
	}
	return out, nil
}

// systemPlaces are directories of administration programs, which may be missing in PATH.
var systemPlaces = [...]string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"}

// mostSaid is the maximum number of bytes kept of a program's output.
const mostSaid = 16 << 20

// FindProgram looks up a program in PATH, then in the directories of administration programs. The
// error wraps [exec.ErrNotFound].
func FindProgram(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	for _, place := range systemPlaces {
		if err == nil {
			return path, nil
		}
		path, err = exec.LookPath(place + name)
	}
	if err != nil {
		return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
	return path, nil
}

// runProgram runs a program in the C locale. The error contains its standard error.
func runProgram(ctx context.Context, program string, args ...string) ([]byte, error) {
	path, err := FindProgram(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // the names are those of this package
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 100 * time.Millisecond
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s did not answer in time", program)
		}
		said := strings.TrimSpace(complaint.String() + out.String())
		if line, _, _ := strings.Cut(said, "\n"); line != "" {
			return out.Bytes(), fmt.Errorf("%s says %q", program, strings.TrimSpace(line))
		}
		return out.Bytes(), fmt.Errorf("run %s: %w", program, err)
	}
	return out.Bytes(), nil
}

// bounded is a buffer that keeps the first mostSaid bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := mostSaid - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
