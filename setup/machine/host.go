package machine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"

	"packhouse/setup/check"
)

// ThisMachine returns the Host of the operating system.
func ThisMachine() Host { return thisHost{} }

type thisHost struct{}

func (thisHost) Hostname() (string, error) { return os.Hostname() }

func (thisHost) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

func (thisHost) UID() int { return os.Geteuid() }

func (thisHost) CPUs() float64 { return check.ThisMachine().CPUs }

func (thisHost) Memory() uint64 { return check.ThisMachine().Memory }

// bridges are prefixes of the names of interfaces that container engines and hypervisors create.
var bridges = [...]string{
	"docker",
	"br-",
	"cni",
	"podman",
	"virbr",
	"lxc",
	"lxd",
	"veth",
	"cali",
	"flannel",
	"kube",
	"vmnet",
	"nerdctl",
}

func (thisHost) Addresses() ([]Address, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []Address
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface has disappeared
		}
		bridge := false
		for _, prefix := range bridges {
			bridge = bridge || strings.HasPrefix(i.Name, prefix)
		}
		for _, a := range addrs {
			network, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			addr, ok := netip.AddrFromSlice(network.IP)
			if !ok {
				continue
			}
			addr = addr.Unmap()
			out = append(out, Address{Addr: addr, Interface: i.Name, Bridge: bridge, Global: addr.IsGlobalUnicast()})
		}
	}
	return out, nil
}

func (thisHost) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addrs { // users expect 192.0.2.17, not ::ffff:192.0.2.17
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

func (thisHost) LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error) {
	return net.DefaultResolver.LookupAddr(ctx, addr.String())
}

func (thisHost) Listen(ctx context.Context, addr string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}
