package certgen

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
)

func mustPermit(t *testing.T, list ...string) Permitted {
	t.Helper()
	p, err := ParsePermitted(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCAIsForServersOnly verifies the purpose of every new CA.
func TestCAIsForServersOnly(t *testing.T) {
	ca, err := NewCA(CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := ca.Leaf()
	if !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero {
		t.Errorf("EKU %v, CA %t, path length %d", c.ExtKeyUsage, c.IsCA, c.MaxPathLen)
	}
	if _, limited := PermittedBy(c); limited {
		t.Error("it is limited by default")
	}
}

func TestParsePermitted(t *testing.T) {
	for _, test := range []struct {
		list, want string
		ok         bool
	}{
		{"example.com", "example.com", true},
		{".example.com", "example.com", true},
		{"*.Example.COM.", "example.com", true},
		{"10.0.0.0/8", "10.0.0.0/8", true},
		{"10.1.2.3/8", "10.0.0.0/8", true},
		{"192.0.2.7", "192.0.2.7", true},
		{"2001:db8::/32", "2001:db8::/32", true},
		{"internal example.com 10.0.0.0/8", "internal example.com 10.0.0.0/8", true},
		{"example.com a.example.com", "example.com", true},
		{"10.0.0.0/33", "", false},
		{"example.com/path", "", false},
		{"https://example.com", "", false},
		{"*", "", false},
		{"a..b", "", false},
		{"::ffff:10.0.0.0/104", "", false},
	} {
		p, err := ParsePermitted(strings.Fields(test.list))
		if got := strings.Join(p.Strings(), " "); (err == nil) != test.ok || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.list, got, err, test.want)
		}
	}
}

// TestLimitedCA verifies what a limited CA signs, by crypto/x509 as a client, and that every other
// name is refused with the limits in the error.
func TestLimitedCA(t *testing.T) {
	names := mustNames(t, "registry.example.com", "registry", "localhost", "10.1.2.3", "127.0.0.1", "::1")
	ca, err := NewCA(CAOptions{Permit: mustPermit(t, "example.com", "10.0.0.0/8").With(names)})
	if err != nil {
		t.Fatal(err)
	}
	if !ca.Leaf().PermittedDNSDomainsCritical {
		t.Error("the constraints are not critical")
	}
	for _, test := range []struct {
		names []string
		ok    bool
	}{
		{names.Strings(), true},
		{[]string{"other.example.com", "127.0.0.9"}, true},
		{[]string{"10.200.0.1"}, true},
		{[]string{"example.com"}, true},
		{[]string{"example.org"}, false},
		{[]string{"badexample.com"}, false},
		{[]string{"registry.example.com", "192.0.2.7"}, false},
		{[]string{"2001:db8::1"}, false},
	} {
		leaf, err := NewLeaf(ca, LeafOptions{Names: mustNames(t, test.names...)})
		if (err == nil) != test.ok {
			t.Errorf("%v: %v, want success %t", test.names, err, test.ok)
		}
		if err != nil && !strings.Contains(err.Error(), "limited to example.com") {
			t.Errorf("%v: the error does not name the limits: %v", test.names, err)
		}
		if err == nil && len(leaf.Chain) != 2 {
			t.Errorf("%v: chain of %d", test.names, len(leaf.Chain))
		}
	}
	got, limited := PermittedBy(ca.Leaf())
	if want := "example.com registry localhost 10.0.0.0/8 127.0.0.1 ::1 127.0.0.0/8"; !limited || strings.Join(got.Strings(), " ") != want {
		t.Errorf("PermittedBy: %v, want %s", got.Strings(), want)
	}
}

// TestEveryNameIsNotPermitted verifies that a limit without a name is refused with the text that was
// given.
func TestEveryNameIsNotPermitted(t *testing.T) {
	for _, text := range []string{"*", "*.", ""} {
		_, err := ParsePermitted([]string{text})
		name, ok := errors.AsType[*NameError](err)
		if !ok || name.Name != text || !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
