package machine_test

import (
	"errors"
	"net"
	"net/netip"
	"os/user"
	"path/filepath"
	"slices"
	"testing"

	"packhouse/finding"
	"packhouse/setup/check"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
)

func TestDefaultDirectories(t *testing.T) {
	t.Parallel()
	current, err := user.Current()
	if err != nil {
		t.Skip("the user database has no entry for this user")
	}
	home := current.HomeDir
	for _, c := range []struct {
		name         string
		uid          int
		env          map[string]string
		config, data string
	}{
		{"root", 0, map[string]string{"HOME": "/root"}, "/etc/packhouse", "/var/lib/packhouse"},
		{"user", 1000, map[string]string{"HOME": "/home/u"}, "/home/u/.config/packhouse", "/home/u/.local/share/packhouse"},
		{
			"XDG", 1000,
			map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"},
			"/c/packhouse", "/d/packhouse",
		},
		{
			"relative XDG", 1000,
			map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "."},
			"/home/u/.config/packhouse", "/home/u/.local/share/packhouse",
		},
		{"no HOME", 1000, nil, filepath.Join(home, ".config/packhouse"), filepath.Join(home, ".local/share/packhouse")},
		{
			"relative HOME", 1000,
			map[string]string{"HOME": "."},
			filepath.Join(home, ".config/packhouse"), filepath.Join(home, ".local/share/packhouse"),
		},
	} {
		config, data := machine.DefaultDirectories(c.uid, func(name string) string { return c.env[name] })
		if config != c.config || data != c.data {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, config, data, c.config, c.data)
		}
	}
}

// TestDefaultStoragePath verifies that only the well-known installation stores in the well-known directory.
func TestDefaultStoragePath(t *testing.T) {
	t.Parallel()
	m := &machine.Machine{ConfigDir: "/etc/packhouse", DataDir: "/var/lib/packhouse"}
	for dir, want := range map[string]string{
		"/etc/packhouse":  "/var/lib/packhouse",
		"/etc/packhouse/": "/var/lib/packhouse",
		"/srv/trial":      "/srv/trial/data",
		"":                "/var/lib/packhouse",
	} {
		if got := m.DefaultStoragePath(dir); got != want {
			t.Errorf("defaultStoragePath(%q) = %q, want %q", dir, got, want)
		}
	}
}

func TestNamesAreFound(t *testing.T) {
	eth0 := machine.Address{Addr: netip.MustParseAddr("192.0.2.17"), Interface: "eth0", Global: true}
	for _, tc := range []struct {
		name string
		host machinetest.Host
		want []string
	}{
		{"full host name", machinetest.Host{Named: "a.example.com"}, []string{"a.example.com"}},
		{
			"hosts file",
			machinetest.Host{
				Named: "a",
				Files: map[string]string{"/etc/hosts": "127.0.0.1 localhost\n192.0.2.17 a.example.com a # me\n"},
			},
			[]string{"a.example.com", "a"},
		},
		{
			"reverse DNS",
			machinetest.Host{
				Named: "a", Interfaces: []machine.Address{eth0},
				Reverse: map[netip.Addr][]string{eth0.Addr: {"a.example.net."}},
			},
			[]string{"a.example.net", "a"},
		},
		{
			"hostname file",
			machinetest.Host{Named: "localhost", Files: map[string]string{"/etc/hostname": "box\n"}},
			[]string{"box"},
		},
		{"nothing usable", machinetest.Host{Named: "my_host"}, []string{"localhost"}},
		{"upper case", machinetest.Host{Named: "HOST.Example.Com"}, []string{"host.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := machinetest.New(t, &tc.host).Names; !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestResolverFailed(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("other"), false},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, false},
		{&net.DNSError{Err: "i/o timeout", IsTimeout: true}, true},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, true},
	} {
		if got := machine.ResolverFailed(tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
	if f := machine.NoResolver("a.example", &net.DNSError{Err: "i/o timeout"}); f.Code != check.CodeNoAnswer ||
		f.Severity != finding.Warning {
		t.Errorf("%+v", f)
	}
}
