package templates

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"private-ca.yml": {
			LogLevel: "info", StoragePath: "/var/lib/packhouse", Addr: ":443", Certificate: "/etc/packhouse/certs/tls.crt", Key: "/etc/packhouse/certs/tls.key",
			RenewedBySetup: true, Realm: "packhouse", HtpasswdPath: "/etc/packhouse/auth/htpasswd-basic", Admins: []string{"admin"}, Writers: []string{"ci", "it's: me"},
		},
		"off.yml": {
			LogLevel: "debug", Addr: "127.0.0.1:5000", Insecure: true, Realm: "no", HtpasswdPath: "/srv/my dir/htpasswd", Admins: []string{"admin", "on"},
		},
	} {
		got, err := c.Render()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, got)
		var read struct {
			Auth struct {
				Htpasswd struct {
					Realm, Path string
					Roles       struct{ Admin, Writer []string }
				}
			}
			HTTP struct{ Addr string }
		}
		if err := yaml.Unmarshal(got, &read); err != nil {
			t.Fatal(err)
		}
		if h := read.Auth.Htpasswd; h.Realm != c.Realm || h.Path != c.HtpasswdPath || strings.Join(h.Roles.Admin, "|") != strings.Join(c.Admins, "|") ||
			strings.Join(h.Roles.Writer, "|") != strings.Join(c.Writers, "|") || read.HTTP.Addr != c.Addr {
			t.Errorf("%s reads back as %+v", name, read)
		}
	}
}

func TestHandoff(t *testing.T) {
	base := Handoff{
		URL: "https://registry.example.com:5000", Registry: "registry.example.com:5000", Admin: "admin", Users: []HandoffUser{{"admin", "admin"}, {"spectro", "reader"}},
		Passwords: "/etc/packhouse/initial-passwords", TLS: true, Names: []string{"registry.example.com", "192.0.2.17"}, Until: "2027-12-23", Port: "5000",
	}
	private := base
	private.CAFile, private.CAPEM, private.Fingerprint = "/etc/packhouse/certs/ca.crt", "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n", "3F:A2"
	plain := base
	plain.URL, plain.TLS, plain.Names, plain.Until, plain.InMemory = "http://registry.example.com:5000", false, nil, "", true
	for name, h := range map[string]Handoff{"private-ca.md": private, "public.md": base, "off.md": plain} {
		got, err := h.Render()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, got)
	}
}

// TestYAML: whatever goes in comes out again as the same string.
func TestYAML(t *testing.T) {
	for _, s := range []string{
		"", "a", "no", "NULL", "~", "0123", "1e5", "0x1f", "a: b", "a #b", "- a", "[a]", "{a}", "'", `"`, `\`, "a\nb", "\t", "ü", "…", ":5000", "/srv/data", "/srv/my dir",
		"2026-11-21", "@a", "`a`", "%a", "!a", "&a", "*a", "?", "a:", "yes", "12:30:45", "<a>&", "\u2028", "a/b", "=", "<<", ".", "..", "-", "--", "+1", ".inf",
	} {
		roundTrip(t, s)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add("a: b")
	f.Add("\u0085")
	f.Fuzz(func(t *testing.T, s string) { roundTrip(t, s) })
}

func roundTrip(t *testing.T, s string) {
	t.Helper()
	var back struct {
		Key  any
		List []any
	}
	if err := yaml.Unmarshal([]byte("key: "+YAML(s)+" # comment\nlist: "+list([]string{s, s})+"\n"), &back); err != nil {
		t.Fatalf("%q as %s: %v", s, YAML(s), err)
	}
	want := string([]rune(s)) // bytes that are not UTF-8 become U+FFFD
	if back.Key != any(want) || len(back.List) != 2 || back.List[1] != any(want) {
		t.Errorf("%q as %s comes back as %#v", s, YAML(s), back)
	}
}
