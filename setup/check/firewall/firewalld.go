package firewall

import (
	"fmt"
	"slices"
	"strings"
)

// services are firewalld services that may open a registry's port, with their TCP ports. A port
// opened only by another service is reported as closed; running the suggested command is harmless
// then.
var services = map[string]int{"http": 80, "https": 443, "docker-registry": 5000, "http3": 443, "https-alt": 8443}

// zone is a zone of firewalld.
type zone struct {
	name       string
	active     bool
	target     string
	interfaces []string
	sources    []string
	services   []string
	ports      []string
	rich       bool
}

// notRunning reports whether firewalld says that it is not running.
func notRunning(s said) bool {
	return strings.Contains(string(s.text), "not running") || s.err != nil && strings.Contains(s.err.Error(), "not running")
}

// judgeFirewalld evaluates the output of "firewall-cmd --list-all-zones". A port must be open in
// every zone that has interfaces.
func judgeFirewalld(text []byte, port Port) Verdict {
	zones := parseZones(string(text))
	v := Verdict{State: Off, Program: "firewalld"}
	for _, z := range zones {
		if !z.active || len(z.interfaces) == 0 && len(z.sources) == 0 {
			continue
		}
		state := z.judge(port.Number)
		if len(z.interfaces) == 0 && state == Closed {
			continue // applies to some senders only
		}
		if gravity[state] <= gravity[v.State] {
			continue
		}
		v.State, v.Why = state, "zone "+z.name
		if state != Open {
			v.Opens = fmt.Sprintf("firewall-cmd --permanent --zone=%s --add-port=%d/tcp && firewall-cmd --reload", z.name, port.Number)
		} else {
			v.Opens = ""
		}
	}
	if v.State == Off && len(zones) > 0 {
		v.State, v.Why = Unsure, "no zone has an interface"
		v.Opens = fmt.Sprintf("firewall-cmd --permanent --add-port=%d/tcp && firewall-cmd --reload", port.Number)
	}
	return v
}

func (z *zone) judge(port int) State {
	if z.target == "ACCEPT" {
		return Open
	}
	for _, p := range z.ports {
		spec, protocol, _ := strings.Cut(p, "/")
		ranges, ok := portRanges(spec, ",", "-")
		if ok && protocol == "tcp" && ports(ranges, false)(packet{port: port}, true) == yes {
			return Open
		}
	}
	if slices.ContainsFunc(z.services, func(s string) bool { return services[s] == port && port != 0 }) {
		return Open
	}
	if z.rich {
		return Unsure
	}
	return Closed
}

// parseZones parses a list of zones: a line with the name, followed by indented lines.
func parseZones(text string) []zone {
	var zones []zone
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if line == "" {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, rest, _ := strings.Cut(line, " ")
			zones = append(zones, zone{name: name, active: strings.Contains(rest, "active")})
			continue
		}
		if len(zones) == 0 {
			continue
		}
		z := &zones[len(zones)-1]
		key, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(key, "rule") && (!found || strings.Contains(line, "family")) || strings.HasPrefix(key, "rule ") {
			z.rich = true
			continue
		}
		switch key {
		case "target":
			z.target = strings.TrimSpace(value)
		case "interfaces":
			z.interfaces = strings.Fields(value)
		case "sources":
			z.sources = strings.Fields(value)
		case "services":
			z.services = strings.Fields(value)
		case "ports":
			z.ports = strings.Fields(value)
		}
	}
	return zones
}
