package check

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"packhouse/setup/check/firewall"
)

// beyond is the remark about firewalls that this machine cannot query.
const beyond = "security groups of a cloud are beyond what can be seen from here"

// proveFirewall reports whether this machine's firewalls allow clients to reach the port.
func proveFirewall(ctx context.Context, s *session) Result {
	l := s.listens()
	port, known := s.listenPort()
	switch {
	case s.Machine == nil || s.Machine.Run == nil:
		return notProven("the firewall of this machine was not checked; %s", beyond)
	case l.socket || l.loopback:
		return passed("the server listens at %s, for this machine only: firewalls do not matter", l.text)
	case !known:
		return notProven("the port is not known; %s", beyond)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within(lookPatience))
	defer cancel()
	four, six := s.families(ctx, l)
	v := firewall.Look(ctx, firewall.Host{Run: s.Machine.Run, ReadFile: s.Machine.ReadFile}, firewall.Port{Number: port, IPv4: four, IPv6: six})
	where := "port " + strconv.Itoa(port)
	by := v.Program
	if v.Why != "" {
		by += " (" + v.Why + ")"
	}
	switch v.State {
	case firewall.Off:
		if v.Program == "" {
			return passed("none is installed; %s", beyond)
		}
		return passed("none is active; %s", beyond)
	case firewall.Open:
		return passed("%s lets %s through; %s", v.Program, where, beyond)
	case firewall.Limited:
		return unproven(CodeLimited, v.Program+" lets "+where+" through for some", by+" names senders or interfaces: whether all clients are among them is not known here", "where they are not: "+v.Opens)
	case firewall.Closed:
		return warning(CodeClosed, v.Program+" does not let "+where+" through", by+" refuses new connections to it: clients on other machines get no answer", v.Opens)
	case firewall.Unreadable:
		return unproven(CodeUnreadable, v.Program+" was not asked", v.Why, "run the check as root; "+beyond)
	case firewall.Unsure:
	}
	return unproven(CodeUnsure, v.Program+" is active", "what "+by+" does with "+where+" depends on what cannot be decided here", "try it from another machine; if it does not come through: "+v.Opens)
}

// families returns the address families that clients connect over: those that the name resolves to
// and the server listens on. If the name does not resolve, or is local, it returns those that the
// server listens on.
func (s *session) families(ctx context.Context, l listening) (four, six bool) {
	if s.base == nil || s.Machine.LookupHost == nil || isLocal(s.base.Hostname()) {
		return l.four, l.six
	}
	addrs, err := s.resolve(ctx, s.base.Hostname())
	if err != nil {
		return l.four, l.six
	}
	four = l.four && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() })
	six = l.six && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is6() && !a.IsLoopback() })
	if !four && !six {
		return l.four, l.six
	}
	return four, six
}

// listenPort returns the port of the running server, else the configured one.
func (s *session) listenPort() (int, bool) {
	for _, address := range []string{s.Dial, s.configured()} {
		if _, text, err := net.SplitHostPort(address); err == nil {
			if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
				return int(port), true
			}
		}
	}
	return 0, false
}

func (s *session) configured() string {
	if s.Config == nil {
		return ""
	}
	return s.Config.HTTP.Addr
}
