package setup

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
	"time"
)

// resolveTimeout bounds looking up a name while somebody waits at a terminal.
const resolveTimeout = 3 * time.Second

func hostnameQuestion() *Question {
	q := &Question{
		ID: "hostname", Title: "Host name", Kind: Text, Flags: []string{"--hostname"},
		Ask: "Under which name will clients reach the registry?",
		Help: "Clients compare this name with the certificate, and it is the first part of every image and pack reference, so it is the one thing that is hard " +
			"to change later. A DNS name is best; an address works too. If it is wrong, clients refuse the connection (\"certificate is valid for …, not …\").",
		Suggest:  func(m *Machine, _ *Answers) []string { return m.Names },
		Validate: validateHostname,
		Probe:    probeHostname,
	}
	q.text(func(a *Answers) *string { return &a.Hostname })
	set := q.Set
	q.Set = func(a *Answers, text string) error {
		before := canonical(a.Hostname)
		if err := set(a, text); err != nil {
			return err
		}
		if after := canonical(a.Hostname); after != before {
			a.renamed(after)
		}
		return nil
	}
	return q
}

// renamed makes the tick list follow the host name: it stands in the certificate anyway, and its short form takes the place of the old one.
func (a *Answers) renamed(name string) {
	a.SANs = slices.DeleteFunc(a.SANs, func(s SAN) bool { return canonical(s.Name) == name || (s.Origin == SANShortName && s.Ticked) })
	short, rest, _ := strings.Cut(name, ".")
	if rest == "" || isAddress(name) || slices.ContainsFunc(a.SANs, func(s SAN) bool { return s.Name == short }) {
		return
	}
	if _, _, err := parseName(short); err == nil {
		a.SANs = slices.Insert(a.SANs, 0, SAN{Name: short, Ticked: true, Origin: SANShortName})
	}
}

func validateHostname(_ context.Context, _ *Machine, a *Answers) []Finding {
	if a.Hostname == "" {
		return []Finding{refused(CodeMissing, "the host name is missing", "give the name or address that clients use")}
	}
	name, shown, err := parseName(a.Hostname)
	switch {
	case err != nil:
		return []Finding{refused(CodeName, err.Error(), "give a DNS name such as registry.example.com, or an IP address")}
	case shown != name:
		return []Finding{noted(CodeIDN, fmt.Sprintf("%s is written %s in certificates and configuration", shown, name), "")}
	case local(name):
		return []Finding{noted(CodeElsewhere, name+" is this machine only, for every client itself", "give the name by which others reach it")}
	}
	return nil
}

func probeHostname(ctx context.Context, m *Machine, a *Answers) []Finding {
	name := canonical(a.Hostname)
	if addr, err := netip.ParseAddr(name); err == nil {
		if !m.Has(addr) {
			return []Finding{warned(CodeForeign, name+" is not an address of this machine", "that is right where a load balancer or NAT stands in front")}
		}
		return nil
	}
	if a.offline {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := m.Host.LookupHost(ctx, name)
	if err != nil || len(addrs) == 0 {
		return []Finding{warned(CodeNoResolve, name+" does not resolve from this machine", "clients need a DNS entry, or a line in /etc/hosts")}
	}
	if slices.ContainsFunc(addrs, m.Has) {
		return nil
	}
	return []Finding{warned(CodeElsewhere, fmt.Sprintf("%s resolves to %s, not to this machine", name, addrs[0]), "that is right where a load balancer or NAT stands in front; else correct the DNS entry")}
}

func sanQuestion() *Question {
	return &Question{
		ID: "san", Title: "Names in the certificate", Kind: Names, Flags: []string{"--san", "--no-san"},
		Ask: "By which other names and addresses must clients reach it? Untick what nobody uses.",
		Help: "A certificate is good for exactly the names in it. Names go into DNS SANs and addresses into IP SANs, each where clients look for it. A name that is " +
			"missing gives \"certificate is valid for …, not …\" or \"doesn't contain any IP SANs\"; one too many does no harm. Networks of container engines are " +
			"not ticked, since nobody outside this machine reaches them.",
		Asked:   func(a *Answers) bool { return a.TLS != Off && a.TLS != Files },
		Suggest: func(m *Machine, _ *Answers) []string { return m.Names },
		Get: func(a *Answers) string {
			var ticked []string
			for _, s := range a.SANs {
				if s.Ticked {
					ticked = append(ticked, s.Name)
				}
			}
			return strings.Join(ticked, ",")
		},
		Set: func(a *Answers, text string) error {
			for i := range a.SANs {
				a.SANs[i].Ticked = false
			}
			for _, name := range splitList(text) {
				a.AddSAN(name, SANTyped)
			}
			return nil
		},
		Validate: validateSANs,
	}
}

func validateSANs(_ context.Context, m *Machine, a *Answers) []Finding {
	var findings []Finding
	for _, s := range a.SANs {
		if !s.Ticked {
			continue
		}
		f, found := judgeSAN(m, s)
		if found {
			f.Subject = s.Name
			findings = append(findings, f)
		}
	}
	for _, name := range a.NoSANs {
		if canonical(name) == canonical(a.Hostname) {
			findings = append(findings, Finding{
				Severity: Refused, Code: CodeConflict, Subject: name, Flag: "--no-san",
				What: name + " is the host name, which always stands in the certificate", Remedy: "choose another host name with --hostname",
			})
		}
	}
	return findings
}

func judgeSAN(m *Machine, s SAN) (Finding, bool) {
	name, shown, err := parseName(s.Name)
	if err != nil {
		return refused(CodeName, err.Error(), "give a DNS name or an IP address"), true
	}
	if addr, err := netip.ParseAddr(name); err == nil && s.Origin == SANTyped && !m.Has(addr) {
		return noted(CodeForeign, name+" is not an address of this machine", "that is right where a load balancer or NAT stands in front"), true
	}
	if shown != name {
		return noted(CodeIDN, fmt.Sprintf("%s is written %s in the certificate", shown, name), ""), true
	}
	return Finding{}, false
}

func addrQuestion() *Question {
	q := &Question{
		ID: "addr", Title: "Address", Kind: Text, Flags: []string{"--addr"},
		Ask: "At which address and port shall the server listen?",
		Help: "host:port, or :port for every address of this machine. 443 is what clients take when the reference names no port; it needs root or a capability. " +
			"With any other port, every reference has to name it: registry.example.com:5000/…",
		Suggest:  func(*Machine, *Answers) []string { return []string{":443", ":5000", "127.0.0.1:5000"} },
		Validate: validateAddr,
		Probe:    probeAddr,
	}
	q.text(func(a *Answers) *string { return &a.Addr })
	set := q.Set
	q.Set = func(a *Answers, text string) error {
		if err := set(a, text); err != nil {
			return err
		}
		a.listenName()
		return nil
	}
	return q
}

// listenName ticks the address that the server listens at, if it is a single one, in place of the one before.
func (a *Answers) listenName() {
	a.SANs = slices.DeleteFunc(a.SANs, func(s SAN) bool { return s.Origin == SANAddress })
	host, _, err := net.SplitHostPort(a.Addr)
	if err != nil || canonical(host) == canonical(a.Hostname) {
		return
	}
	if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
		a.AddSAN(addr.String(), SANAddress)
	}
}

func validateAddr(_ context.Context, m *Machine, a *Answers) []Finding {
	const form = "write it as host:port or :port, for instance :5000"
	if a.Addr == "" {
		return []Finding{refused(CodeMissing, "the address is missing", form)}
	}
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return []Finding{refused(CodeAddress, fmt.Sprintf("%q is not an address with a port", a.Addr), form)}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return []Finding{refused(CodeAddress, fmt.Sprintf("%q is not a port between 1 and 65535", port), form)}
	}
	if host == "" || host == "localhost" {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return []Finding{refused(CodeAddress, fmt.Sprintf("%q is not an IP address", host), "the host name was asked before; here it is the address to listen at, most often none: :"+port)}
	case !addr.IsUnspecified() && !m.Has(addr):
		return []Finding{refused(CodeNotOurs, host+" is not an address of this machine", "use :"+port+" to listen at every address of it")}
	case !addr.IsUnspecified() && made(a) && !covered(a, addr.String()):
		return []Finding{warned(certNameCode, host+" is not among the names in the certificate, though the server listens there only", "tick it among the names")}
	}
	return nil
}

// made tells whether setup makes the server's certificate.
func made(a *Answers) bool { return a.TLS == PrivateCA || a.TLS == SelfSigned }

func covered(a *Answers, name string) bool {
	names, err := a.CertNames()
	return err != nil || slices.Contains(names.Strings(), name)
}

func probeAddr(ctx context.Context, m *Machine, a *Answers) []Finding {
	err := m.Host.Listen(ctx, a.Addr)
	if err == nil {
		return nil
	}
	_, portText, _ := net.SplitHostPort(a.Addr)
	port, _ := strconv.Atoi(portText)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		holder := m.Host.Holder(port)
		if a.existing.listensAt(a.Addr) && (holder.Name == ownName || holder.PID == 0) {
			return nil // this very installation is running
		}
		by := "another process, which only root can see"
		if holder.PID > 0 {
			by = fmt.Sprintf("%s (pid %d)", holder.Name, holder.PID)
		}
		return []Finding{refused(CodePortTaken, fmt.Sprintf("port %d is in use by %s", port, by), "stop it, or choose another port such as :5000")}
	case errors.Is(err, syscall.EACCES):
		return []Finding{refused(CodePortRight, fmt.Sprintf("port %d may not be bound by this user", port),
			"run setup as root, or choose a port over 1023 such as :5000, or allow it: setcap cap_net_bind_service=+ep on the program")}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return []Finding{refused(CodeNotOurs, a.Addr+" is not an address of this machine", "use :"+portText+" to listen at every address of it")}
	}
	return []Finding{refused(CodeAddress, fmt.Sprintf("%s cannot be bound: %v", a.Addr, err), "choose another address")}
}

// ownName is how the program is called among processes.
const ownName = "packhouse"

func publicURLQuestion() *Question {
	q := &Question{
		ID: "public-url", Title: "Public URL", Kind: Text, Flags: []string{"--public-url"}, Advanced: true,
		Ask: "Do clients use another URL than host name and port say?",
		Help: "Where a load balancer, a port mapping or NAT stands in front, clients use its URL. It goes into the handoff card and the checks from outside, never " +
			"into answers to clients, so a wrong one breaks nothing. Leave it empty where nothing stands in front.",
		Suggest: func(_ *Machine, a *Answers) []string { return []string{a.URL()} },
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if a.PublicURL == "" {
				return nil
			}
			u, err := url.Parse(a.PublicURL)
			if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
				return []Finding{refused(CodeURL, fmt.Sprintf("%q is not the base URL of a server", a.PublicURL), "write scheme, host and port only: https://registry.example.com")}
			}
			if _, _, err := parseName(u.Hostname()); err != nil {
				return []Finding{refused(CodeURL, err.Error(), "write scheme, host and port only: https://registry.example.com")}
			}
			if made(a) && !covered(a, canonical(u.Hostname())) {
				return []Finding{warned(certNameCode, u.Hostname()+" is not among the names in the certificate", "tick it among the names, unless what stands in front has a certificate of its own")}
			}
			return nil
		},
	}
	return q.text(func(a *Answers) *string { return &a.PublicURL })
}

func logLevelQuestion() *Question {
	q := &Question{
		ID: "log-level", Title: "Log level", Flags: []string{"--log-level"}, Advanced: true,
		Ask:  "How much shall the server log?",
		Help: "info has a line for every request; debug more than anybody wants to read for long. It can be changed at any time.",
		Choices: func(*Machine, *Answers) []Option {
			return []Option{
				{Value: "info", Title: "info", Text: "what happens, a line for every request"}, {Value: "warn", Title: "warn", Text: "only what somebody should look at"},
				{Value: "error", Title: "error", Text: "only what failed"}, {Value: "debug", Title: "debug", Text: "everything, for finding a fault"},
			}
		},
	}
	q.text(func(a *Answers) *string { return &a.LogLevel }).oneOf(nil)
	return q
}

// splitList cuts at commas and drops what is empty.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
