package question

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

func addrQuestion() *Question {
	return &Question{
		ID: "addr", Step: "address", Title: "Address", Missing: "the address is missing", Give: addrForm,
		Flags: []Flag{textFlag("addr", "HOST:PORT", "address to listen on (default :443 where it can be bound, else :5000)")},
		Ask:   "At which address and port shall the server listen?",
		Help: "host:port; :port or a port alone means every address of this machine. 443 is the default port of " +
			"clients; it needs root or a capability. With any other port, every reference must contain it: " +
			"registry.example.com:5000/…",
		Suggest:  func(*machine.Machine, *Answers) []string { return []string{":443", ":5000", "127.0.0.1:5000"} },
		Validate: validateAddr,
		Probe:    probeAddr,
		Answer:   func(a *Answers) *string { return &a.Addr },
		Clean:    barePort,
		Changed:  func(a *Answers, _ string) { a.ListenName() },
	}
}

// barePort returns text as an address: a number alone is the port, at every address.
func barePort(text string) string {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return text
	}
	return ":" + text
}

// ListenName checks the name of the address that the server listens at, if it is a single one, and
// unchecks the previous one.
func (a *Answers) ListenName() {
	a.SANs = slices.DeleteFunc(slices.Clone(a.SANs), func(s setup.SAN) bool { return s.Origin == setup.SANAddress })
	for i := range a.SANs { // a known name, checked only as the listen address
		if a.SANs[i].Name == a.listens {
			a.SANs[i].Ticked = false
		}
	}
	a.listens = ""
	host, _, err := net.SplitHostPort(a.Addr)
	if err != nil || machine.Canonical(host) == machine.Canonical(a.Hostname) {
		return
	}
	if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
		name := machine.Canonical(addr.String())
		if slices.ContainsFunc(a.SANs, func(s setup.SAN) bool { return s.Name == name && !s.Ticked }) {
			a.listens = name
		}
		a.AddSAN(name, setup.SANAddress)
	}
}

// addrForm is the remedy for an address that cannot be parsed.
const addrForm = "write it as host:port or :port, for instance :5000"

func validateAddr(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return refused(setup.CodeAddress, fmt.Sprintf("%q is not an address with a port", a.Addr), addrForm)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return refused(setup.CodeAddress, fmt.Sprintf("%q is not a port between 1 and 65535", port), addrForm)
	}
	if host == "" || host == "localhost" {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	switch network := m.Bridge(addr); {
	case err != nil:
		return refused(setup.CodeAddress, fmt.Sprintf("%q is not an IP address", host),
			"the host name was asked before; here it is the address to listen at, most often none: :"+port)
	case !addr.IsUnspecified() && !m.Has(addr):
		return refused(setup.CodeNotOurs, host+" is not an address of this machine",
			"use :"+port+" to listen at every address of it")
	case network != "":
		return []finding.Finding{bridged(host, network)}
	case !addr.IsUnspecified() && Made(a) && !covered(a, addr.String()):
		return warned(certNameCode, host+" is not among the names in the certificate, though the server listens there only",
			"tick it among the names")
	}
	return nil
}

// Made reports whether setup issues the server's certificate.
func Made(a *Answers) bool { return a.TLS == setup.PrivateCA || a.TLS == setup.SelfSigned }

func covered(a *Answers, name string) bool {
	names, err := a.CertNames()
	return err != nil || slices.Contains(names.Strings(), name)
}

// probeAddr binds the listen address.
func probeAddr(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	err := m.Host.Listen(ctx, a.Addr)
	if err == nil {
		return nil
	}
	_, portText, _ := net.SplitHostPort(a.Addr)
	port, _ := strconv.Atoi(portText)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		holder := m.Host.Holder(port)
		if listensAt(a.Existing, a.Addr) && (strings.HasPrefix(holder.Name, setup.OwnName) || holder.PID == 0) {
			return nil // this installation's own server is listening
		}
		by := "another process, which only root can see"
		if holder.PID > 0 {
			by = fmt.Sprintf("%s (pid %d)", holder.Name, holder.PID)
		}
		return refused(setup.CodePortTaken, fmt.Sprintf("port %d is in use by %s", port, by),
			"stop it, or choose another port"+m.FreePort(ctx, port))
	case errors.Is(err, syscall.EACCES):
		return refused(setup.CodePortRight, fmt.Sprintf("port %d may not be bound by this user", port),
			"run setup as root, or choose a port over 1023"+m.FreePort(ctx,
				port)+", or allow it: setcap cap_net_bind_service=+ep on the program")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return refused(setup.CodeNotOurs, a.Addr+" is not an address of this machine",
			"use :"+portText+" to listen at every address of it")
	}
	return refused(setup.CodeAddress, fmt.Sprintf("%s cannot be bound: %v", a.Addr, err), "choose another address")
}

func publicURLQuestion() *Question {
	return &Question{
		ID: "public-url", Step: "address", Title: "Public URL", Advanced: true,
		Flags: []Flag{textFlag("public-url", "URL",
			"URL that clients use, if it differs from the host name and port (load balancer, NAT)")},
		Ask: "Do clients use another URL than host name and port say?", Empty: "no",
		Help: "If clients connect through a load balancer, a port mapping or NAT, enter the URL that they use. " +
			"The handoff card and the checks from outside contain it, but no answer of the server does, so a " +
			"wrong one breaks nothing. Leave it empty if clients connect directly.",
		Suggest: func(_ *machine.Machine, a *Answers) []string { return []string{a.URL()} },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if a.PublicURL == "" {
				return nil
			}
			u, err := url.Parse(a.PublicURL)
			if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil ||
				strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
				return refused(setup.CodeURL, fmt.Sprintf("%q is not the base URL of a server", a.PublicURL),
					"write scheme, host and port only: https://registry.example.com")
			}
			if _, _, err := machine.ParseName(u.Hostname()); err != nil {
				return []finding.Finding{machine.Misnamed(setup.CodeURL, err,
					"write scheme, host and port only: https://registry.example.com")}
			}
			if Made(a) && !covered(a, machine.Canonical(u.Hostname())) {
				return warned(certNameCode, u.Hostname()+" is not among the names in the certificate",
					"select it in Names, unless the load balancer or proxy has a certificate of its own")
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.PublicURL },
	}
}

func logLevelQuestion() *Question {
	return &Question{
		ID: "log-level", Step: "address", Title: "Log level", Advanced: true, Default: "info",
		Flags: []Flag{textFlag("log-level", "LEVEL", "log level: error, warn, info or debug (default info)")},
		Ask:   "How much shall the server log?",
		Help:  "info logs one line for each request; debug logs far more. You can change it at any time.",
		Choices: options(
			option("info", "info", "what happens, a line for every request"),
			option("warn", "warn", "only what needs attention"),
			option("error", "error", "only what failed"),
			option("debug", "debug", "everything, for finding a fault"),
		),
		Answer: func(a *Answers) *string { return &a.LogLevel },
	}
}

// listensAt reports whether the configuration uses the port of an address.
func listensAt(in *installation.Installed, addr string) bool {
	if in == nil || in.Config == nil {
		return false
	}
	_, ours, err := net.SplitHostPort(in.Config.HTTP.Addr)
	_, asked, err2 := net.SplitHostPort(addr)
	return err == nil && err2 == nil && ours == asked
}
