package question

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/machine"
)

// ResolveTimeout bounds a name lookup while the user waits.
const ResolveTimeout = 3 * time.Second

func hostnameQuestion() *Question {
	return &Question{
		ID: "hostname", Step: "hostname", Title: "Host name",
		Missing: "the host name is missing", Give: "give the name or address that clients use",
		Flags: []Flag{textFlag("hostname", "NAME", "host name or IP address that clients use to reach the registry")},
		Ask:   "Under which name will clients reach the registry?",
		Help: "Clients compare this name with the certificate, and every image and pack reference begins with it, " +
			"so it is hard to change later. A DNS name is best; an IP address works too. If it is wrong, " +
			"clients refuse the connection (\"certificate is valid for …, not …\").",
		Suggest:  func(m *machine.Machine, _ *Answers) []string { return m.Names },
		Validate: validateHostname,
		Probe:    probeHostname,
		Answer:   func(a *Answers) *string { return &a.Hostname },
		Changed: func(a *Answers, before string) {
			if name := machine.Canonical(a.Hostname); name != machine.Canonical(before) {
				a.renamed(name)
			}
		},
	}
}

// renamed updates the SANs for a new host name. The host name is always in the certificate, and its
// short form replaces the previous one. Names of the certificate in use, such as the previous host
// name, stay checked: clients still use them.
func (a *Answers) renamed(name string) {
	inUse := a.certifiedNames()
	a.SANs = slices.DeleteFunc(a.SANs, func(s setup.SAN) bool {
		return machine.Canonical(s.Name) == name ||
			s.Origin == setup.SANShortName && s.Ticked && !slices.Contains(inUse, machine.Canonical(s.Name))
	})
	for _, old := range inUse {
		if old != name && !slices.ContainsFunc(a.SANs, func(s setup.SAN) bool { return machine.Canonical(s.Name) == old }) {
			a.SANs = append(a.SANs, setup.SAN{Name: old, Ticked: true, Origin: setup.SANCertificate})
		}
	}
	short, rest, _ := strings.Cut(name, ".")
	if rest == "" || machine.IsAddress(name) ||
		slices.ContainsFunc(a.SANs, func(s setup.SAN) bool { return s.Name == short }) {
		return
	}
	if _, _, err := machine.ParseName(short); err == nil {
		a.SANs = slices.Insert(a.SANs, 0, setup.SAN{Name: short, Ticked: true, Origin: setup.SANShortName})
	}
}

// certifiedNames returns the names of the certificate in use, if setup made it.
func (a *Answers) certifiedNames() []string {
	in := a.Existing
	if in == nil || in.Cert == nil || !Made(a) || in.TLSMode() == string(setup.Files) {
		return nil
	}
	return in.Cert.Info.Names.Strings()
}

func validateHostname(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	name, shown, err := machine.ParseName(a.Hostname)
	switch {
	case err != nil:
		return []finding.Finding{machine.Misnamed(setup.CodeName, err,
			"give a DNS name such as registry.example.com, or an IP address")}
	case shown != name:
		return noted(setup.CodeIDN, fmt.Sprintf("%s is written %s in certificates and configuration", shown, name), "")
	case machine.Local(name):
		return noted(setup.CodeElsewhere, name+" is this machine only, for every client itself",
			"give the name by which others reach it")
	}
	return nil
}

func probeHostname(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	findings := probeName(ctx, m, a)
	if host := machine.Registry(a.URL()); host != "localhost" &&
		!strings.ContainsAny(host, ".:") { // github.com/distribution/reference, as docker reads names
		findings = append(findings, setup.Warn(setup.CodeShortName,
			fmt.Sprintf("docker takes %s/… for a repository of Docker Hub, since there is neither a dot nor a port in it",
				host), "give the whole name, or have the server listen at another port than "+usualPort(a)))
	}
	return findings
}

// probeName reports whether the host name resolves to this machine.
func probeName(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	name := machine.Canonical(a.Hostname)
	if addr, err := netip.ParseAddr(name); err == nil {
		if bridge := m.Bridge(addr); bridge != "" {
			return []finding.Finding{bridged(name, bridge)}
		}
		if !m.Has(addr) {
			return warned(setup.CodeForeign, name+" is not an address of this machine",
				"that is right behind a load balancer or NAT")
		}
		return nil
	}
	if a.Offline {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ResolveTimeout)
	defer cancel()
	addrs, err := m.Host.LookupHost(ctx, name)
	if machine.ResolverFailed(err) {
		return []finding.Finding{machine.NoResolver(name, err)}
	}
	if err != nil || len(addrs) == 0 {
		return warned(setup.CodeNoResolve, name+" does not resolve from this machine",
			"clients need a DNS entry, or a line in /etc/hosts")
	}
	if slices.ContainsFunc(addrs, m.Has) {
		if bridge := m.Bridge(addrs[0]); bridge != "" &&
			!slices.ContainsFunc(addrs, func(a netip.Addr) bool { return m.Has(a) && m.Bridge(a) == "" }) {
			return []finding.Finding{bridged(name+" resolves to "+addrs[0].String()+", which", bridge)}
		}
		return nil
	}
	return warned(setup.CodeElsewhere, fmt.Sprintf("%s resolves to %s, not to this machine", name, addrs[0]),
		"that is right behind a load balancer or NAT; otherwise correct the DNS entry")
}

// bridged returns a finding about an address that only containers on this machine can reach.
func bridged(what, network string) finding.Finding {
	return setup.Warn(setup.CodeBridge,
		fmt.Sprintf("%s is the address of %s, a network of containers on this machine, which other machines cannot reach", what,
			network), "take an address or a name by which others reach this machine")
}

func sanQuestion() *Question {
	return &Question{
		ID: "san", Step: "names", Title: "Names in the certificate", Kind: Names,
		Belongs: "a certificate that setup makes: --tls private-ca or self-signed",
		Flags: []Flag{
			listFlag("san", "NAME_OR_IP", "additional name or IP address for the certificate"),
			listFlag("no-san", "NAME_OR_IP", "name or IP address to leave out of the certificate"),
		},
		Ask: "By which other names and addresses must clients reach it? Untick what is not used.",
		Help: "A certificate is valid only for the names in it. Host names become DNS SANs and addresses become " +
			"IP SANs. If one is missing, clients report \"certificate is valid for …, not …\" or \"doesn't contain " +
			"any IP SANs\"; an extra one does no harm. Addresses of container networks are not selected, because " +
			"other machines cannot reach them.",
		Asked:   func(a *Answers) bool { return Made(a) },
		Suggest: func(m *machine.Machine, _ *Answers) []string { return m.Names },
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
			for _, name := range setup.SplitList(text) {
				a.AddSAN(name, setup.SANTyped)
			}
			return nil
		},
		Validate: validateSANs,
	}
}

func validateSANs(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	var findings []finding.Finding
	for _, s := range a.SANs {
		if !s.Ticked {
			continue
		}
		f, found := judgeSAN(m, s)
		if found {
			f.Entry = s.Name
			findings = append(findings, f)
		}
	}
	for _, name := range a.NoSANs {
		if machine.Canonical(name) == machine.Canonical(a.Hostname) {
			findings = append(findings, finding.Finding{
				Severity: finding.Refused, Code: setup.CodeConflict, Subject: finding.Subject{Entry: name, Flag: "--no-san"},
				What: name + " is the host name, which always stands in the certificate", Remedy: "choose another host name",
			})
		}
	}
	return findings
}

func judgeSAN(m *machine.Machine, s setup.SAN) (finding.Finding, bool) {
	name, shown, err := machine.ParseName(s.Name)
	if err != nil {
		return machine.Misnamed(setup.CodeName, err, "give a DNS name or an IP address"), true
	}
	if addr, err := netip.ParseAddr(name); err == nil && s.Origin == setup.SANTyped && !m.Has(addr) {
		return setup.Remark(setup.CodeForeign, name+" is not an address of this machine",
			"that is right behind a load balancer or NAT"), true
	}
	if shown != name {
		return setup.Remark(setup.CodeIDN, fmt.Sprintf("%s is written %s in the certificate", shown, name), ""), true
	}
	return finding.Finding{}, false
}
