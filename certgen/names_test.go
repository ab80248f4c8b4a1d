package certgen

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseNames(t *testing.T) {
	n, err := ParseNames([]string{
		"Registry.Example.COM.", "192.0.2.17", "registry.example.com", "[2001:DB8::17]", "2001:db8:0::17", "localhost", "::ffff:192.0.2.17",
		"xn--mnchen-3ya.example", "127.0.0.1", "fe80::1", "1.example", "a-b--c.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"registry.example.com", "localhost", "xn--mnchen-3ya.example", "1.example", "a-b--c.example", "192.0.2.17", "2001:db8::17", "127.0.0.1", "fe80::1"}
	if got := n.Strings(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if data, err := json.Marshal(mustNames(t, "a", "::1")); err != nil || string(data) != `{"dns":["a"],"ips":["::1"]}` {
		t.Errorf("JSON %s, %v", data, err)
	}
}

func TestParseNamesRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                                "empty",
		".":                               "empty",
		"*.example.com":                   "wildcard",
		"https://registry.example.com":    "URL",
		"registry.example.com:5000":       "port",
		"192.0.2.17:5000":                 "port",
		"[::1]:5000":                      "port",
		"[192.0.2.17]":                    "port",
		"[registry]":                      "port",
		"10.0.0.0/8":                      "slash",
		"admin@registry":                  "@",
		"a..b":                            "empty part",
		".a":                              "empty part",
		"-a.example":                      "hyphen",
		"a-.example":                      "hyphen",
		"my_registry":                     "underscore",
		"münchen.example":                 "U+00FC",
		"10.0.0.256":                      "looks like an IP",
		"10.0.0":                          "looks like an IP",
		"010.0.0.5":                       "looks like an IP",
		"12345":                           "looks like an IP",
		"0.0.0.0":                         "every address",
		"::":                              "every address",
		"224.0.0.1":                       "multicast",
		"255.255.255.255":                 "broadcast",
		"fe80::1%eth0":                    "zone",
		"a b":                             "U+0020",
		" a":                              "U+0020",
		"a\n":                             "U+000A",
		"a\x00":                           "U+0000",
		"a\u202eb":                        "U+202E",
		"a\u200bb":                        "U+200B",
		"a\xff":                           "UTF-8",
		"a;b":                             "';'",
		strings.Repeat("a", 64):           "63",
		strings.Repeat("abc.", 63) + "ab": "253",
	} {
		_, err := ParseNames([]string{"good.example", in})
		var nameErr *NameError
		if !errors.As(err, &nameErr) || nameErr.Name != in || !strings.Contains(nameErr.Reason, says) {
			t.Errorf("ParseNames(%q) = %v, want a reason that says %q", in, err, says)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00\u202e\u200b") {
			t.Errorf("%q shows what it should quote", err)
		}
	}
	if mustNames(t, strings.Repeat("abc.", 62)+"abcde").Empty() {
		t.Error("253 characters are allowed")
	}
	_, err := ParseNames([]string{"*.a", "ok", "b:1"})
	if err == nil || !strings.Contains(err.Error(), "*.a") || !strings.Contains(err.Error(), "b:1") {
		t.Errorf("got %v, want both bad names", err)
	}
}

func TestWithout(t *testing.T) {
	before, after := mustNames(t, "a", "b", "::1"), mustNames(t, "b", "c", "127.0.0.1")
	if got := after.Without(before).Strings(); !slices.Equal(got, []string{"c", "127.0.0.1"}) {
		t.Errorf("added %q", got)
	}
	if got := before.Without(after).Strings(); !slices.Equal(got, []string{"a", "::1"}) {
		t.Errorf("removed %q", got)
	}
	if !before.Without(before).Empty() {
		t.Error("something is left of nothing changed")
	}
}

func FuzzParseNames(f *testing.F) {
	for _, s := range []string{"registry.example.com", "192.0.2.17", "[::1]", "fe80::1%eth0", "*.a", "a_b", "a.", "::ffff:1.2.3.4", "xn--mnchen-3ya", "1.2.3"} {
		f.Add(s)
	}
	ca := mustCA(f)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNames([]string{s})
		if err != nil {
			var nameErr *NameError
			if !errors.As(err, &nameErr) || nameErr.Reason == "" {
				t.Errorf("error %v has no reason", err)
			}
			return
		}
		if len(n.DNS)+len(n.IPs) != 1 {
			t.Fatalf("%q became %v", s, n)
		}
		again, err := ParseNames(n.Strings())
		if err != nil || !slices.Equal(again.Strings(), n.Strings()) {
			t.Errorf("%v read again is %v, %v", n, again, err)
		}
		// Whatever is accepted can be certified, and clients accept it.
		if _, err := NewLeaf(ca, LeafOptions{Names: n, Now: today}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
