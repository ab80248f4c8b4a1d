package certgen

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Permitted limits what a CA may sign: names that are equal to or below one of DNS, and addresses in
// one of Networks (RFC 5280, section 4.2.1.10, permittedSubtrees). The zero value is no limit.
type Permitted struct {
	DNS      []string
	Networks []netip.Prefix
}

// loopback are the networks that every limited CA permits.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// ParsePermitted reads DNS names, which permit themselves and everything below them, addresses and
// CIDR networks. A leading "." or "*." of a name is ignored. The error is a *NameError for the first
// entry that is wrong.
func ParsePermitted(list []string) (Permitted, error) {
	var out Permitted
	for _, text := range list {
		text = strings.TrimSpace(text)
		if p, err := netip.ParsePrefix(text); err == nil {
			if p.Addr().Is4In6() {
				return Permitted{}, &NameError{Name: text, Reason: "is an IPv4 network in IPv6 form: write it as IPv4"}
			}
			out.addNetwork(p.Masked())
			continue
		}
		if strings.Trim(text, "*.") == "" {
			return Permitted{}, &NameError{Name: text, Reason: "permits nothing or everything: leave it out for no limit"}
		}
		names, err := ParseNames([]string{strings.TrimPrefix(strings.TrimPrefix(text, "*"), ".")})
		if err != nil {
			if strings.Contains(text, "/") {
				err = &NameError{Name: text, Reason: "is not a network: write it as 10.0.0.0/8 or 2001:db8::/32"}
			}
			return Permitted{}, err
		}
		out = out.With(names)
	}
	return out, nil
}

// Empty reports whether there is no limit.
func (p Permitted) Empty() bool { return len(p.DNS) == 0 && len(p.Networks) == 0 }

// Strings returns the names and networks as text, names first. A single address has no prefix length.
func (p Permitted) Strings() []string {
	out := slices.Clone(p.DNS)
	for _, n := range p.Networks {
		if n.IsSingleIP() {
			out = append(out, n.Addr().String())
		} else {
			out = append(out, n.String())
		}
	}
	return out
}

// With returns p extended by names that it does not permit yet.
func (p Permitted) With(names Names) Permitted {
	out := Permitted{DNS: slices.Clone(p.DNS), Networks: slices.Clone(p.Networks)}
	lacking := out.Lacking(names)
	out.DNS = append(out.DNS, lacking.DNS...)
	for _, ip := range lacking.IPs {
		out.addNetwork(netip.PrefixFrom(ip, ip.BitLen()))
	}
	return out
}

// Lacking returns those of names that are not in p. Check Empty first: for an empty p, which is no
// limit, Lacking returns all names.
func (p Permitted) Lacking(names Names) Names {
	var out Names
	for _, name := range names.DNS {
		below := func(parent string) bool { return name == parent || strings.HasSuffix(name, "."+parent) }
		if !slices.ContainsFunc(p.DNS, below) {
			out.DNS = append(out.DNS, name)
		}
	}
	for _, ip := range names.IPs {
		if !slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(ip) }) {
			out.IPs = append(out.IPs, ip)
		}
	}
	return out
}

func (p *Permitted) addNetwork(n netip.Prefix) {
	if !slices.Contains(p.Networks, n) {
		p.Networks = append(p.Networks, n)
	}
}

// limit writes p into a CA's template. It always permits localhost and loopback addresses: without
// one name of a kind, a client that checks the constraints refuses the whole certificate. The
// extension is critical, as RFC 5280 requires.
func (p Permitted) limit(t *x509.Certificate) {
	if p.Empty() {
		return
	}
	p = p.With(Names{DNS: []string{"localhost"}})
	for _, n := range loopback {
		p.addNetwork(n)
	}
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = p.DNS
	for _, n := range p.Networks {
		t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: n.Addr().AsSlice(), Mask: net.CIDRMask(n.Bits(), n.Addr().BitLen())})
	}
}

// PermittedBy returns the limits of a CA, and whether it has any.
func PermittedBy(ca *x509.Certificate) (p Permitted, limited bool) {
	p.DNS = slices.Clone(ca.PermittedDNSDomains)
	for _, n := range ca.PermittedIPRanges {
		ones, _ := n.Mask.Size()
		if a, ok := netip.AddrFromSlice(n.IP); ok {
			p.addNetwork(netip.PrefixFrom(a, ones))
		}
	}
	return p, !p.Empty()
}

// outsideLimits returns those of names that a CA may not sign. Limits of one kind, names or
// addresses, do not concern the other (RFC 5280, section 4.2.1.10).
func outsideLimits(ca *x509.Certificate, names Names) Names {
	p, limited := PermittedBy(ca)
	if !limited {
		return Names{}
	}
	for i, name := range p.DNS {
		p.DNS[i] = strings.ToLower(strings.TrimPrefix(name, "."))
	}
	lacking := p.Lacking(names)
	if len(p.DNS) == 0 {
		lacking.DNS = nil
	}
	if len(p.Networks) == 0 {
		lacking.IPs = nil
	}
	return lacking
}

// checkPermitted returns an error that lists the names which a CA may not sign.
func checkPermitted(ca *x509.Certificate, names Names) error {
	p, limited := PermittedBy(ca)
	if !limited {
		return nil
	}
	if lacking := p.Lacking(names); !lacking.Empty() {
		return fmt.Errorf("the CA is limited to %s and may not sign %s", strings.Join(p.Strings(), ", "), strings.Join(lacking.Strings(), ", "))
	}
	return nil
}
