package firewall

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	ufwDefault = regexp.MustCompile(`(?m)^Default: (\w+) \(incoming\)`)
	// To, action and From; the columns run into each other where one is long.
	ufwRule = regexp.MustCompile(`^(\S.*?)\s+(ALLOW|LIMIT|DENY|REJECT)(?: (IN|OUT|FWD))?\s+(\S.*?)\s*$`)
)

// judgeUFW reads "ufw status verbose". Its first rule that fits counts.
func judgeUFW(text []byte, port Port) Verdict {
	v := Verdict{State: Off, Program: "ufw"}
	status := string(text)
	if !strings.Contains(status, "Status: active") {
		return v
	}
	opens := fmt.Sprintf("ufw allow %d/tcp", port.Number)
	found := State("")
	some := false // a rule before lets some through
	for line := range strings.Lines(status) {
		m := ufwRule.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || m[3] == "OUT" || m[3] == "FWD" {
			continue
		}
		to, action, from := m[1], m[2], m[4]
		six := strings.Contains(to, "(v6)") || strings.Contains(from, "(v6)")
		if six && port.IPv4 || !six && !port.IPv4 { // IPv4 stands for both: ufw writes each rule twice
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
		if m := ufwDefault.FindStringSubmatch(status); m == nil {
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

// ufwFits reads the column To: "443/tcp", "80,443/tcp (v6)", "192.0.2.17 443/tcp", "22/tcp (OpenSSH)", "443 on eth0", "Anywhere". It tells
// whether a port is among them, and whether that is so on all interfaces and addresses.
func ufwFits(to string, port int) (fits, everywhere bool) {
	everywhere = true
	if name, _, found := strings.Cut(to, " on "); found {
		to, everywhere = name, false
	}
	to = strings.TrimSpace(strings.ReplaceAll(to, "(v6)", ""))
	if before, _, found := strings.Cut(to, "("); found { // the profile of an application
		to = strings.TrimSpace(before)
	}
	fields := strings.Fields(to)
	if len(fields) == 0 {
		return false, false
	}
	last := fields[len(fields)-1]
	if len(fields) > 1 {
		everywhere = false // an address stands before
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
		return false, false // an address alone: whatever goes there, on another machine or here, is nothing one can tell
	}
	return ports(ranges, false)(packet{port: port}, true) == yes, everywhere
}

// portRanges reads "80,443,5000:5010". It tells whether that is what it is.
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
