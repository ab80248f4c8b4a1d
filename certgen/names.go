package certgen

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// maxCommonName is the upper bound of a common name in characters (X.520, ub-common-name).
const maxCommonName = 64

// Names are the host names and addresses of a certificate. DNS names are lower case and in ASCII form (punycode, RFC 5890), without a closing dot;
// addresses carry no zone, and IPv4 is never wrapped in IPv6.
type Names struct {
	DNS []string     `json:"dns"`
	IPs []netip.Addr `json:"ips"`
}

// NameError reports why a name is not valid in a certificate.
type NameError struct {
	Name   string // as it was given
	Reason string // one lower-case clause, with what to do about it
}

// Error quotes the name, so that invisible characters show.
func (e *NameError) Error() string { return fmt.Sprintf("name %+q: %s", e.Name, e.Reason) }

// ParseNames reads DNS names and IP addresses (IPv4, IPv6, IPv6 in brackets), drops doubles and keeps the order. Every name that is refused
// is reported: one as a *NameError, several of them through errors.Join. Wildcards are refused, since a registry has a name of its own.
func ParseNames(names []string) (Names, error) {
	var out Names
	var errs []error
	for _, s := range names {
		if err := out.add(s); err != nil {
			errs = append(errs, err)
		}
	}
	switch len(errs) {
	case 0:
		return out, nil
	case 1:
		return Names{}, errs[0]
	}
	return Names{}, errors.Join(errs...)
}

// Strings returns the names as text, DNS names first.
func (n Names) Strings() []string {
	out := slices.Clone(n.DNS)
	for _, ip := range n.IPs {
		out = append(out, ip.String())
	}
	return out
}

// Empty reports whether there is no name at all.
func (n Names) Empty() bool { return len(n.DNS) == 0 && len(n.IPs) == 0 }

// Without returns the names that m does not have: new.Without(old) are the names added, old.Without(new) those taken away.
func (n Names) Without(m Names) Names {
	var out Names
	for _, d := range n.DNS {
		if !slices.Contains(m.DNS, d) {
			out.DNS = append(out.DNS, d)
		}
	}
	for _, ip := range n.IPs {
		if !slices.Contains(m.IPs, ip) {
			out.IPs = append(out.IPs, ip)
		}
	}
	return out
}

// NamesOf returns the subject alternative names of a certificate unchanged, wildcards included.
func NamesOf(c *x509.Certificate) Names {
	out := Names{DNS: slices.Clone(c.DNSNames)}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out.IPs = append(out.IPs, a.Unmap())
		}
	}
	return out
}

// commonName returns the first DNS name, else the first address, or "" if that is too long.
func (n Names) commonName() string {
	switch {
	case len(n.DNS) > 0 && len(n.DNS[0]) <= maxCommonName:
		return n.DNS[0]
	case len(n.DNS) == 0 && len(n.IPs) > 0:
		return n.IPs[0].String()
	}
	return ""
}

// netIPs are the addresses in the form of crypto/x509.
func (n Names) netIPs() []net.IP {
	var out []net.IP
	for _, ip := range n.IPs {
		out = append(out, ip.AsSlice())
	}
	return out
}

func (n *Names) add(s string) error {
	refuse := func(reason string) error { return &NameError{Name: s, Reason: reason} }
	if reason := invisible(s); reason != "" {
		return refuse(reason)
	}
	if ip, err := netip.ParseAddr(unbracket(s)); err == nil {
		if reason := checkAddr(ip); reason != "" {
			return refuse(reason)
		}
		if ip = ip.Unmap(); !slices.Contains(n.IPs, ip) {
			n.IPs = append(n.IPs, ip)
		}
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if reason := checkDNS(name); reason != "" {
		return refuse(reason)
	}
	if !slices.Contains(n.DNS, name) {
		n.DNS = append(n.DNS, name)
	}
	return nil
}

// unbracket takes the brackets off an IPv6 address in the form of URLs, and off nothing else.
func unbracket(s string) string {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok && strings.Contains(inner, ":") {
			return inner
		}
	}
	return s
}

func checkAddr(ip netip.Addr) string {
	switch {
	case ip.Zone() != "":
		return "an address with a zone is valid on one machine only and not in a certificate: leave it out"
	case ip.Unmap().IsUnspecified():
		return "means \"every address\" to a server, clients cannot connect to it: give the addresses themselves"
	case ip.Unmap().IsMulticast() || ip.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is a multicast or broadcast address, no server answers there"
	}
	return ""
}

// checkDNS holds a lower-case name against RFC 1123, section 2.1. It is stricter than browsers about underscores, because image references
// (github.com/distribution/reference) do not allow them.
func checkDNS(name string) string {
	switch {
	case name == "":
		return "is empty"
	case strings.Contains(name, "://"):
		return "is a URL: give the host name alone"
	case strings.Contains(name, "*"):
		return "wildcards are refused: give the name that clients use"
	case strings.Contains(name, "/"):
		return "holds a slash: give one host name or address, without path or prefix length"
	case strings.ContainsAny(name, "[]:"):
		return "is neither an address nor a name: give it without a port"
	case strings.Contains(name, "@"):
		return "holds an @: give the host name alone"
	case len(name) > 253:
		return fmt.Sprintf("is %d characters long, a DNS name has 253 at most", len(name))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if reason := checkLabel(label); reason != "" {
			return reason
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "looks like an IP address but is none"
	}
	return ""
}

func checkLabel(label string) string {
	switch {
	case label == "":
		return "has an empty part between dots"
	case len(label) > 63:
		return fmt.Sprintf("has a part of %d characters between dots, 63 are allowed", len(label))
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a part that begins or ends with a hyphen"
	}
	for _, r := range label {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		case r == '_':
			return "holds an underscore, which host names and image references do not allow"
		case r > unicode.MaxASCII:
			return fmt.Sprintf("holds %U, which is not ASCII: give the name in its xn-- form", r)
		default:
			return fmt.Sprintf("holds %q, which DNS names do not allow", r)
		}
	}
	return ""
}

// invisible names the first character that does not show, or shows as something else: spaces, control, bidi and zero-width characters.
func invisible(s string) string {
	for _, r := range s {
		switch {
		case r == unicode.ReplacementChar:
			return "holds bytes that are not UTF-8"
		case unicode.IsControl(r):
			return fmt.Sprintf("holds the control character %U", r)
		case unicode.IsSpace(r):
			return fmt.Sprintf("holds the space %U: give one name at a time", r)
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return fmt.Sprintf("holds the invisible character %U", r)
		}
	}
	return ""
}
