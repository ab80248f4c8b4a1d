package setup

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
)

// questionByID is one of the list.
func questionByID(t *testing.T, id string) *Question {
	t.Helper()
	for _, step := range Questions() {
		for _, q := range step.Questions {
			if q.ID == id {
				return q
			}
		}
	}
	t.Fatalf("no question %q", id)
	return nil
}

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
		if len(findings) != 1 || findings[0].String() != want || findings[0].Code != CodeName {
			t.Errorf("%q: %v\nwant %s", name, findings, want)
		}
	}
}

// What is advised instead of a port that is taken is another one, and one that can be had.
func TestFreePortAdvised(t *testing.T) {
	t.Parallel()
	taken := func(ports ...int) *fakeHost {
		h := &fakeHost{taken: map[int]Process{}}
		for _, port := range ports {
			h.taken[port] = Process{PID: 4711, Name: "nginx"}
		}
		return h
	}
	for _, row := range []struct {
		host *fakeHost
		addr string
		want string
	}{
		{taken(443), ":443", "stop it, or choose another port such as :5000"},
		{taken(443, 5000), ":5000", "stop it, or choose another port such as :5443"},
		{taken(443, 5000, 5443, 8443), ":8443", "stop it, or choose another port"},
		{&fakeHost{lowest: 1024, taken: taken(5000).taken}, ":443", "run setup as root, or choose a port over 1023 such as :5443, or allow it: setcap cap_net_bind_service=+ep on the program"},
	} {
		findings := probeAddr(t.Context(), machineOf(t, row.host), &Answers{Addr: row.addr})
		if len(findings) != 1 || findings[0].Remedy != row.want {
			t.Errorf("%s: %v\nwant %s", row.addr, findings, row.want)
		}
	}
}

// An address that was ticked only because the server was to listen there is unticked when it listens elsewhere.
func TestListeningTicksOnlyForItself(t *testing.T) {
	t.Parallel()
	const bridge, other, typed = "172.17.0.1", "192.0.2.17", "192.0.2.18"
	a := Answers{Hostname: "registry.example.com", SANs: []SAN{{Name: bridge, Origin: "docker0"}, {Name: other, Ticked: true, Origin: "eth0"}}}
	addr := questionByID(t, "addr")
	for _, step := range []struct {
		addr string
		want string
	}{
		{bridge + ":5000", bridge + "," + other},
		{bridge + ":5001", bridge + "," + other},
		{other + ":5000", other},
		{typed + ":5000", other + "," + typed},
		{":5000", other},
	} {
		if err := addr.Set(&a, step.addr); err != nil {
			t.Fatal(err)
		}
		if got := questionByID(t, "san").Get(&a); got != step.want {
			t.Errorf("listening at %s the names are %s, want %s", step.addr, got, step.want)
		}
	}
}

// A path means the same whoever gives it, and from wherever: a leading ~ is the home directory, and none is kept as it was typed.
func TestPathsAreWhole(t *testing.T) {
	home, here := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(here)
	for id, get := range map[string]func(*Answers) string{
		"storage-path": func(a *Answers) string { return a.StoragePath },
		"cert":         func(a *Answers) string { return a.CertFile },
		"key":          func(a *Answers) string { return a.KeyFile },
		"s3-ca-file":   func(a *Answers) string { return a.S3.CAFile },
		"acme-ca":      func(a *Answers) string { return a.ACMECA },
	} {
		for text, want := range map[string]string{
			"~/packs":    filepath.Join(home, "packs"),
			"~":          home,
			" packs/x ":  filepath.Join(here, "packs/x"),
			"./~/packs":  filepath.Join(here, "~/packs"),
			"~old/packs": filepath.Join(here, "~old/packs"),
			"/srv/packs": "/srv/packs",
			"":           "",
		} {
			var a Answers
			if err := questionByID(t, id).Set(&a, text); err != nil || get(&a) != want {
				t.Errorf("%s %q: %q, %v; want %q", id, text, get(&a), err, want)
			}
		}
	}
	t.Setenv("HOME", "")
	if err := questionByID(t, "cert").Set(new(Answers), "~/tls.crt"); err == nil || !strings.Contains(err.Error(), "no home directory is known") {
		t.Errorf("without a home: %v", err)
	}
	_, resolved := resolveAll(t, machineOf(t, &fakeHost{}), t.TempDir(), Values{"storage-path": {"packs"}})
	if want := filepath.Join(here, "packs"); resolved.Answers.StoragePath != want {
		t.Errorf("by a flag: %q, want %q", resolved.Answers.StoragePath, want)
	}
}

// The unspecified address of IPv4 is no narrower than none: Go listens at both families there.
func TestUnspecifiedAddressIsEveryAddress(t *testing.T) {
	t.Parallel()
	m := &Machine{Host: new(fakeHost), Addresses: []Address{{Addr: netip.MustParseAddr("2001:db8::17"), Interface: "eth0", Global: true}}}
	if findings := validateAddr(context.Background(), m, &Answers{Addr: "0.0.0.0:5000"}); len(findings) > 0 {
		t.Errorf("found %v", findings)
	}
}

// What the kernel shows of itself as files is no place for content, though root may write there.
func TestPseudoFileSystemsRefused(t *testing.T) {
	t.Parallel()
	m := machineOf(t, &fakeHost{system: FileSystem{Kind: "proc"}})
	findings := probeStoragePath(t.Context(), m, &Answers{StoragePath: filepath.Join(t.TempDir(), "data")})
	if len(findings) != 1 || findings[0].Code != CodePath || !strings.Contains(findings[0].What, "is on proc, where nothing can be kept") {
		t.Errorf("found %v", findings)
	}
}

// What is wrong with a password is said once.
func TestPasswordRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	findings := judgeUser(User{Name: "bob", Role: Reader, Source: Typed, Password: "bob"}, false)
	if want := `the password of "bob" is the user's own name; choose another one, or leave it out to have one generated`; len(findings) != 1 || findings[0].String() != want {
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
		{Answers{Hostname: "registry", Addr: ":443", TLS: PrivateCA}, true},
		{Answers{Hostname: "registry", Addr: ":80", TLS: Off}, true},
		{Answers{Hostname: "registry", Addr: ":5000", TLS: PrivateCA}, false},
		{Answers{Hostname: "registry", Addr: ":443", TLS: PrivateCA, PublicURL: "https://packs.example.com"}, false},
		{Answers{Hostname: "registry.example.com", Addr: ":443", TLS: PrivateCA}, false},
		{Answers{Hostname: "localhost", Addr: ":443", TLS: PrivateCA}, false},
		{Answers{Hostname: "192.0.2.17", Addr: ":443", TLS: PrivateCA}, false},
		{Answers{Hostname: "2001:db8::17", Addr: ":443", TLS: PrivateCA}, false},
	} {
		told := false
		for _, f := range probeHostname(t.Context(), machineOf(t, &fakeHost{}), &row.answers) {
			told = told || f.Code == CodeShortName && f.Severity == finding.Warning
		}
		if told != row.want {
			t.Errorf("%s at %s%s: told is %t", row.answers.Hostname, row.answers.Addr, row.answers.PublicURL, told)
		}
	}
}
