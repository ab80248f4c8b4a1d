package firewall

import (
	"fmt"
	"strconv"
	"strings"

	"packhouse/pattern"
)

var (
	ufwDefault = pattern.Lazy(`(?m)^Default: (\w+) \(incoming\)`)
	// Columns To, Action and From; there may be no gap after a long value.
	ufwRule = pattern.Lazy(`^(\S.*?)\s+(ALLOW|LIMIT|DENY|REJECT)(?: (IN|OUT|FWD))?\s+(\S.*?)\s*$`)
)

// judgeUFW evaluates the output of "ufw status verbose". The first matching rule wins.
func judgeUFW(text []byte, port Port) Verdict {
	v := Verdict{State: Off, Program: "ufw"}
	status := string(text)
	if !strings.Contains(status, "Status: active") {
		return v
	}
	opens := fmt.Sprintf("ufw allow %d/tcp", port.Number)
	found := State("")
	some := false // an earlier rule admits some clients
	for line := range strings.Lines(status) {
		m := ufwRule().FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || m[3] == "OUT" || m[3] == "FWD" {
			continue
		}
		to, action, from := m[1], m[2], m[4]
		six := strings.Contains(to, "(v6)") || strings.Contains(from, "(v6)")
		if six && port.IPv4 || !six && !port.IPv4 { // ufw prints each rule twice; IPv4 represents both
			continue
		}
		fits, everybody := ufwFits(to, port.Number)
		if !fits {
			continue
		}
		from, _, _ = strings.Cut(from, "#") // a comment
		everybody = everybody && (strings.TrimSpace(strings.ReplaceAll(from, "(v6)", "")) == "Anywhere")
		allows := action == "ALLOW" || action == "LIMIT"
		switch {
		case everybody && allows:
			found = Open
		case everybody:
			found = Closed
		case allows:
			some = true
		}
		if found != "" {
			break
		}
	}
	if found == "" {
		found = Open
		if m := ufwDefault().FindStringSubmatch(status); m == nil {
			found = Unsure
		} else if m[1] != "allow" {
			found = Closed
		}
	}
	if found == Closed && some {
		found = Limited
	}
	v.State = found
	if found != Open {
		v.Opens = opens
	}
	return v
}

// ufwFits parses the column To: "443/tcp", "80,443/tcp (v6)", "192.0.2.17 443/tcp", "22/tcp
// (OpenSSH)", "443 on eth0", "Anywhere". It reports whether it includes a port, and whether it
// applies to all interfaces and addresses.
func ufwFits(to string, port int) (fits, everywhere bool) {
	everywhere = true
	if name, _, found := strings.Cut(to, " on "); found {
		to, everywhere = name, false
	}
	to = strings.TrimSpace(strings.ReplaceAll(to, "(v6)", ""))
	if before, _, found := strings.Cut(to, "("); found { // an application profile
		to = strings.TrimSpace(before)
	}
	fields := strings.Fields(to)
	if len(fields) == 0 {
		return false, false
	}
	last := fields[len(fields)-1]
	if len(fields) > 1 {
		everywhere = false // it begins with an address
	}
	if last == "Anywhere" {
		return true, everywhere
	}
	spec, protocol, found := strings.Cut(last, "/")
	if found && protocol != "tcp" {
		return false, false
	}
	ranges, ok := portRanges(spec, ",", ":")
	if !ok {
		return false, false // an address without a port: undecidable
	}
	return ports(ranges, false)(packet{port: port}, true) == yes, everywhere
}

// portRanges parses "80,443,5000:5010". It reports whether text has this form.
func portRanges(text, comma, dash string) ([][2]int, bool) {
	var ranges [][2]int
	for part := range strings.SplitSeq(text, comma) {
		low, high, found := strings.Cut(part, dash)
		if !found {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return nil, false
		}
		to, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return nil, false
		}
		ranges = append(ranges, [2]int{int(from), int(to)})
	}
	return ranges, true
}
