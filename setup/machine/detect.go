package machine

import (
	"context"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/setup"
)

// reverseLookup limits the reverse DNS lookup of the machine's name, which is only a suggestion.
const reverseLookup = 400 * time.Millisecond

// Detect detects the machine's names, addresses, privileges and size. It uses DNS only if the
// machine does not know its own full name, and then for less than a second.
func Detect(ctx context.Context, h Host) *Machine { return DetectWith(ctx, h, 0) }

// DetectWith is Detect with a minimum timeout for other hosts.
func DetectWith(ctx context.Context, h Host, patience time.Duration) *Machine {
	m := &Machine{Host: h, UID: h.UID(), CPUs: h.CPUs(), Memory: h.Memory(), OpenFiles: openFiles(), patience: patience}
	m.Addresses, _ = h.Addresses() // addresses are optional
	asking, cancel := context.WithTimeout(ctx, m.Within(reverseLookup))
	defer cancel()
	m.Names = names(asking, h, m.Addresses)
	m.ConfigDir, m.DataDir = DefaultDirectories(m.UID, os.Getenv)
	return m
}

// names returns the names of the machine: those of "hostname -f", reverse DNS and /etc/hostname. It
// skips names that are invalid in certificates, and "localhost" unless it is the only one.
func names(ctx context.Context, h Host, addresses []Address) []string {
	host, _ := h.Hostname()
	candidates := []string{host}
	if hosts, err := h.ReadFile("/etc/hosts"); err == nil {
		candidates = append(candidates, hostsNames(string(hosts), host)...)
	}
	if !slices.ContainsFunc(candidates, full) {
		candidates = append(candidates, reverse(ctx, h, addresses)...)
	}
	if file, err := h.ReadFile("/etc/hostname"); err == nil {
		candidates = append(candidates, string(file))
	}
	var out []string
	for _, c := range candidates {
		name, _, err := ParseName(strings.TrimSuffix(strings.TrimSpace(c), "."))
		if err == nil && !IsAddress(name) && !Local(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { // fully qualified names first
		switch {
		case full(a) == full(b):
			return 0
		case full(a):
			return -1
		}
		return 1
	})
	if len(out) == 0 {
		out = []string{"localhost"}
	}
	return out
}

// hostsNames returns the canonical names of a host in a hosts file: the first name of each line
// that lists the host.
func hostsNames(hosts, host string) []string {
	var out []string
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) > 1 && slices.Contains(fields[1:], host) {
			out = append(out, fields[1])
		}
	}
	return out
}

// reverse looks up the names of all externally reachable addresses concurrently, until ctx ends.
func reverse(ctx context.Context, h Host, addresses []Address) []string {
	answers := make([]chan []string, 0, len(addresses))
	for _, a := range addresses {
		if !a.Global || a.Bridge {
			continue
		}
		answer := make(chan []string, 1)
		answers = append(answers, answer)
		go func() {
			found, _ := h.LookupAddr(ctx, a.Addr)
			answer <- found
		}()
	}
	var out []string
	for _, answer := range answers {
		select {
		case found := <-answer:
			out = append(out, found...)
		case <-ctx.Done():
		}
	}
	return out
}

func full(name string) bool { return strings.Contains(strings.Trim(name, "."), ".") && !Local(name) }

// Local reports whether a name is one of localhost.
func Local(name string) bool {
	return name == "localhost" || strings.HasPrefix(name, "localhost.") || strings.HasSuffix(name, ".localhost") ||
		strings.HasPrefix(name, "ip6-")
}

// DefaultDirectories returns the directories of the well-known installation for a user:
// /etc/packhouse and /var/lib/packhouse for root, otherwise below the XDG base directories. getenv
// looks up environment variables. Both are empty if the user has no home directory and the
// variables do not name absolute paths, so that nothing is ever installed relative to the current
// directory.
func DefaultDirectories(uid int, getenv func(string) string) (config, data string) {
	if uid == 0 {
		return "/etc/packhouse", "/var/lib/packhouse"
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		home = passwdHome()
	}
	base := func(variable string, below ...string) string {
		dir := getenv(variable)
		if !filepath.IsAbs(dir) { // the XDG specification: ignore relative paths
			if home == "" {
				return ""
			}
			dir = filepath.Join(append([]string{home}, below...)...)
		}
		return filepath.Join(dir, "packhouse")
	}
	return base("XDG_CONFIG_HOME", ".config"), base("XDG_DATA_HOME", ".local", "share")
}

// passwdHome returns the current user's home directory according to the user database, or "".
func passwdHome() string {
	u, err := user.Current()
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return ""
	}
	return u.HomeDir
}

// SuggestSANs returns further names and addresses for a certificate. Those that clients are likely
// to use are checked; addresses of container networks are not.
func SuggestSANs(m *Machine, hostname string) []setup.SAN {
	hostname = Canonical(hostname)
	var out []setup.SAN
	add := func(name, origin string, ticked bool) {
		if name != "" && name != hostname && !slices.ContainsFunc(out, func(s setup.SAN) bool { return s.Name == name }) {
			out = append(out, setup.SAN{Name: name, Ticked: ticked, Origin: origin})
		}
	}
	for _, name := range append([]string{hostname}, m.Names...) {
		short, rest, _ := strings.Cut(name, ".")
		if rest != "" && !IsAddress(name) {
			if _, _, err := ParseName(short); err == nil {
				add(short, setup.SANShortName, name == hostname)
			}
		}
	}
	for _, a := range m.Addresses {
		if a.Global {
			add(a.Addr.String(), a.Interface, !a.Bridge)
		}
	}
	add("localhost", setup.SANAlways, true)
	return out
}
