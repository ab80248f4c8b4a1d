// Package firewall reports whether a firewall of this machine lets clients reach a TCP port.
//
// It queries the common programs and uses the first that has a result: ufw and firewalld if they are
// active, otherwise the rules of the kernel, through nft and iptables. It changes nothing.
//
//	v := firewall.Look(ctx, firewall.Host{Run: run}, firewall.Port{Number: 443, IPv4: true, IPv6: true})
//	if v.State == firewall.Closed { … v.Opens … }
//
// # How rules are evaluated
//
// The package evaluates the rules for the first packet of a connection from an external client: new,
// TCP, to that port, not over loopback. A condition that this packet certainly matches or certainly
// does not match is decided. One that cannot be decided from here (a mark, a time of day) leaves the
// outcome undecided: the result is Unsure rather than wrong. Rules for specific senders or one
// interface are evaluated a second time, for a client that they apply to, to distinguish "open for
// some" from "closed".
//
// Firewalls beyond the machine, such as the security groups of a cloud, cannot be detected.
package firewall

import (
	"context"
	"errors"
	"os/exec"
	"sync"

	"packhouse/pattern"
)

// State is the state of a port.
type State string

// States.
const (
	Off        State = "off"        // no firewall is active or installed
	Open       State = "open"       // the port is open
	Limited    State = "limited"    // the port is open for some senders or on some interfaces only
	Closed     State = "closed"     // the port is closed
	Unsure     State = "unsure"     // a firewall is active, and its rules are not conclusive
	Unreadable State = "unreadable" // this user may not read the rules, or the program failed
)

// Port is the port that clients connect to.
type Port struct {
	Number     int
	IPv4, IPv6 bool // families that clients use; if neither is set, both
}

// Verdict is the state of a port, with its source.
type Verdict struct {
	State   State
	Program string // "ufw", "firewalld", "nft", "iptables", "ip6tables"; empty: none found
	Why     string // details, if any: the error, the zone, the chain
	Opens   string // the command that opens the port; empty if none is needed
}

// Runner runs a program and returns its standard output. The error is exec.ErrNotFound if the
// program does not exist.
type Runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// Host is the machine whose firewalls are examined.
type Host struct {
	Run      Runner
	ReadFile func(name string) ([]byte, error) // nil: no files are read
}

// ufwSwitch is ufw's configuration file, which states whether ufw is active. All users can read it,
// which often avoids running the slow ufw program.
const ufwSwitch = "/etc/ufw/ufw.conf"

var ufwDisabled = pattern.Lazy(`(?m)^\s*ENABLED="?no"?\s*$`)

// ask runs a program, unless a file already provides its output.
func (h Host) ask(ctx context.Context, name string, args ...string) ([]byte, error) {
	if name == "ufw" && h.ReadFile != nil {
		if data, err := h.ReadFile(ufwSwitch); err == nil && ufwDisabled().Match(data) {
			return []byte("Status: inactive\n"), nil
		}
	}
	return h.Run(ctx, name, args...)
}

// Look examines a port. It runs all programs concurrently, each once.
func Look(ctx context.Context, host Host, port Port) Verdict {
	if !port.IPv4 && !port.IPv6 {
		port.IPv4, port.IPv6 = true, true
	}
	asked := []struct {
		name string
		args []string
	}{
		{"ufw", []string{"status", "verbose"}},
		{"firewall-cmd", []string{"--list-all-zones"}},
		{"nft", []string{"-j", "list", "ruleset"}},
		{"iptables", []string{"-S"}},
		{"ip6tables", []string{"-S"}},
	}
	answers := make([]said, len(asked))
	var wait sync.WaitGroup
	for i, q := range asked {
		wait.Go(func() {
			answers[i].text, answers[i].err = host.ask(ctx, q.name, q.args...)
		})
	}
	wait.Wait()
	legacy := []rulesOf{{"iptables", "ip", port.IPv4, answers[3]}, {"ip6tables", "ip6", port.IPv6, answers[4]}}
	return judge(answers[0], answers[1], answers[2], legacy, port)
}

// said is the output of a program.
type said struct {
	text []byte
	err  error
}

func (s said) absent() bool { return errors.Is(s.err, exec.ErrNotFound) }

func judge(ufw, firewalld, nft said, legacy []rulesOf, port Port) Verdict {
	var unreadable *Verdict
	for _, front := range []struct {
		name  string
		said  said
		judge func([]byte, Port) Verdict
	}{{"ufw", ufw, judgeUFW}, {"firewalld", firewalld, judgeFirewalld}} {
		if front.said.absent() || front.name == "firewalld" && notRunning(front.said) {
			continue
		}
		if front.said.err != nil {
			if unreadable == nil {
				unreadable = &Verdict{State: Unreadable, Program: front.name, Why: front.said.err.Error()}
			}
			continue
		}
		if v := front.judge(front.said.text, port); v.State != Off {
			return v
		}
	}
	// A front end that failed does not matter if the kernel rules are readable.
	v := judgeKernel(nft, legacy, port)
	if unreadable != nil && (v.State == Off && v.Program == "" || v.State == Unreadable) {
		return *unreadable
	}
	return v
}

// rulesOf holds the rules of one family as listed by iptables or ip6tables.
type rulesOf struct {
	program string
	family  string // nft's name of the family
	asked   bool   // clients connect over this family
	said    said
}

// judgeKernel evaluates the kernel's rules. nft cannot fully decode rules of iptables and
// ip6tables, so those programs list their own families.
func judgeKernel(nft said, legacy []rulesOf, port Port) Verdict {
	var all []table
	switch {
	case nft.absent():
	case nft.err != nil:
		return Verdict{State: Unreadable, Program: "nft", Why: nft.err.Error()}
	default:
		tables, err := parseNFT(nft.text)
		if err != nil {
			return Verdict{State: Unreadable, Program: "nft", Why: err.Error()}
		}
		all = tables
	}
	nothing := nft.absent()
	for _, l := range legacy {
		nothing = nothing && l.said.absent()
		foreign := nft.absent()
		kept := all[:0:0]
		for _, t := range all {
			if t.opaque && t.family == l.family && l.said.err == nil {
				foreign = true
				continue
			}
			kept = append(kept, t)
		}
		all = kept
		switch {
		case !foreign || l.said.absent() || !l.asked:
		case l.said.err != nil:
			return Verdict{State: Unreadable, Program: l.program, Why: l.said.err.Error()}
		default:
			all = append(all, parseIPTables(l.said.text, l.program, l.family))
		}
	}
	return follow(all, port, nothing)
}

// follow evaluates all tables for the packet.
func follow(tables []table, port Port, nothing bool) Verdict {
	if nothing {
		return Verdict{State: Off}
	}
	verdict := Verdict{State: Off, Program: "nft"}
	for _, family := range []struct {
		name  string
		asked bool
	}{{"ip", port.IPv4}, {"ip6", port.IPv6}} {
		if !family.asked {
			continue
		}
		for _, t := range tables {
			if t.family != family.name && t.family != "inet" {
				continue
			}
			for _, base := range t.bases {
				found := Verdict{State: t.follow(base, packet{family.name, port.Number}), Program: t.program, Why: "chain " + base + " of table " + t.family + " " + t.name}
				if t.legacy() {
					found.Why = "chain " + base
				}
				if found.State == Closed || found.State == Limited || found.State == Unsure {
					found.Opens = t.opens(base, port.Number)
				}
				if found.State == Open && len(t.chains[base].rules) == 0 {
					continue // an accepting chain without rules is not a firewall
				}
				if gravity[found.State] > gravity[verdict.State] {
					verdict = found
				}
			}
		}
	}
	if verdict.State == Off && len(tables) > 0 && tables[0].legacy() {
		verdict.Program = tables[0].program
	}
	return verdict
}

// gravity orders states by severity: a packet must pass all chains.
var gravity = map[State]int{Off: 0, Open: 1, Unsure: 2, Limited: 3, Closed: 4}
