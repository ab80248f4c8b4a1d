package apply

import (
	"os/user"
	"path/filepath"
	"testing"

	"packhouse/setup/machine"
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
		{
			"no HOME", 1000, nil,
			filepath.Join(home, ".config/packhouse"), filepath.Join(home, ".local/share/packhouse"),
		},
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
