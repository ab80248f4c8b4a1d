package question

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
)

// One sentence says what is wrong with a name, and gives one advice.
func TestNameRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	const general = "; give a DNS name such as registry.example.com, or an IP address"
	for name, want := range map[string]string{
		"https://a.example/":    `"https://a.example/" is a URL; give the host name alone`,
		"*.example.com":         `"*.example.com": wildcards are refused; give the name that clients use`,
		"a.example:5000":        `"a.example:5000" is neither an address nor a name; give it without a port`,
		"fe80::1%eth0":          `"fe80::1%eth0": an address with a zone is valid on one machine only and not in a certificate; leave it out`,
		"10.0.0.300":            `"10.0.0.300" looks like an IP address but is none` + general,
		"bücher_x.example":      `"bücher_x.example" holds an underscore, which host names and image references do not allow` + general,
		"a\u202eb.example":      `"a\u202eb.example" holds the invisible character U+202E` + general,
		"a..b":                  `"a..b" has an empty part between dots` + general,
		strings.Repeat("a", 64): `"` + strings.Repeat("a", 40) + `…" has a part of 64 characters between dots, 63 are allowed` + general,
	} {
		findings := validateHostname(t.Context(), nil, &Answers{Hostname: name})
		if len(findings) != 1 || findings[0].String() != want || findings[0].Code != setup.CodeName {
			t.Errorf("%q: %v\nwant %s", name, findings, want)
		}
	}
}

// What is advised instead of a port that is taken is another one, and one that can be had.
func TestFreePortAdvised(t *testing.T) {
	t.Parallel()
	taken := func(ports ...int) *machinetest.Host {
		h := &machinetest.Host{Taken: map[int]machine.Process{}}
		for _, port := range ports {
			h.Taken[port] = machine.Process{PID: 4711, Name: "nginx"}
		}
		return h
	}
	for _, row := range []struct {
		host *machinetest.Host
		addr string
		want string
	}{
		{taken(443), ":443", "stop it, or choose another port such as :5000"},
		{taken(443, 5000), ":5000", "stop it, or choose another port such as :5443"},
		{taken(443, 5000, 5443, 8443), ":8443", "stop it, or choose another port"},
		{&machinetest.Host{Lowest: 1024, Taken: taken(5000).Taken}, ":443", "run setup as root, or choose a port over 1023 such as :5443, or allow it: setcap cap_net_bind_service=+ep on the program"},
	} {
		findings := probeAddr(t.Context(), machinetest.New(t, row.host), &Answers{Addr: row.addr})
		if len(findings) != 1 || findings[0].Remedy != row.want {
			t.Errorf("%s: %v\nwant %s", row.addr, findings, row.want)
		}
	}
}

// The unspecified address of IPv4 is no narrower than none: Go listens at both families there.
func TestUnspecifiedAddressIsEveryAddress(t *testing.T) {
	t.Parallel()
	m := &machine.Machine{
		Host:      new(machinetest.Host),
		Addresses: []machine.Address{{Addr: netip.MustParseAddr("2001:db8::17"), Interface: "eth0", Global: true}},
	}
	if findings := validateAddr(context.Background(), m, &Answers{Addr: "0.0.0.0:5000"}); len(findings) > 0 {
		t.Errorf("found %v", findings)
	}
}

// What the kernel shows of itself as files is no place for content, though root may write there.
func TestPseudoFileSystemsRefused(t *testing.T) {
	t.Parallel()
	m := machinetest.New(t, &machinetest.Host{System: machine.FileSystem{Kind: "proc"}})
	findings := probeStoragePath(t.Context(), m, &Answers{StoragePath: filepath.Join(t.TempDir(), "data")})
	if len(findings) != 1 || findings[0].Code != setup.CodePath ||
		!strings.Contains(findings[0].What, "is on proc, where nothing can be kept") {
		t.Errorf("found %v", findings)
	}
}

// What is wrong with a password is said once.
func TestPasswordRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	findings := judgeUser(setup.User{Name: "bob", Role: setup.Reader, Source: setup.Typed, Password: "bob"}, false)
	if want := `the password of "bob" is the user's own name; choose another one, or leave it out to have one generated`; len(
		findings,
	) != 1 ||
		findings[0].String() != want {
		t.Errorf("found %v\nwant %s", findings, want)
	}
}

// A name that docker would read as a part of Docker Hub is told of, as long as no port makes it a host.
func TestShortHostNameTold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		answers Answers
		want    bool
	}{
		{Answers{Hostname: "registry", Addr: ":443", TLS: setup.PrivateCA}, true},
		{Answers{Hostname: "registry", Addr: ":80", TLS: setup.Off}, true},
		{Answers{Hostname: "registry", Addr: ":5000", TLS: setup.PrivateCA}, false},
		{Answers{Hostname: "registry", Addr: ":443", TLS: setup.PrivateCA, PublicURL: "https://packs.example.com"}, false},
		{Answers{Hostname: "registry.example.com", Addr: ":443", TLS: setup.PrivateCA}, false},
		{Answers{Hostname: "localhost", Addr: ":443", TLS: setup.PrivateCA}, false},
		{Answers{Hostname: "192.0.2.17", Addr: ":443", TLS: setup.PrivateCA}, false},
		{Answers{Hostname: "2001:db8::17", Addr: ":443", TLS: setup.PrivateCA}, false},
	} {
		told := false
		for _, f := range probeHostname(t.Context(), machinetest.New(t, &machinetest.Host{}), &row.answers) {
			told = told || f.Code == setup.CodeShortName && f.Severity == finding.Warning
		}
		if told != row.want {
			t.Errorf("%s at %s%s: told is %t", row.answers.Hostname, row.answers.Addr, row.answers.PublicURL, told)
		}
	}
}
