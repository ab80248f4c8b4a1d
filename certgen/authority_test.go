package certgen

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"packhouse/finding"
)

func TestCheckCA(t *testing.T) {
	const day = 24 * time.Hour
	until := func(end time.Time) *x509.Certificate {
		return foreign(t, nil, func(c *x509.Certificate) { authority("root")(c); c.NotAfter = end }).Leaf()
	}
	leaf := foreign(t, nil, func(c *x509.Certificate) { c.NotAfter = today.Add(100 * day) }).Leaf()
	for _, tc := range []struct {
		name string
		ca   *x509.Certificate
		leaf *x509.Certificate
		code string
	}{
		{"outlives its certificate", until(today.Add(200 * day)), leaf, ""},
		{"ends with its certificate", until(leaf.NotAfter), leaf, ""},
		{"ends before its certificate", until(today.Add(99 * day)), leaf, CodeCAEndsFirst},
		{"31 days left", until(today.Add(31 * day)), nil, ""},
		{"30 days left", until(today.Add(30 * day)), leaf, CodeCACloseEnd},
		{"expired", until(today.Add(-time.Minute)), leaf, CodeCAExpired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			problems := CheckCA(tc.ca, tc.leaf, today)
			if tc.code == "" {
				if len(problems) > 0 {
					t.Errorf("problems %v, want none", problems)
				}
				return
			}
			severity := finding.Warning
			if tc.code == CodeCAExpired {
				severity = finding.Refused
			}
			if len(problems) != 1 || problems[0].Code != tc.code || problems[0].Severity != severity {
				t.Fatalf("problems %+v, want %s", problems, tc.code)
			}
			if !strings.Contains(problems[0].Remedy, "packhouse cert rotate --new-ca") {
				t.Errorf("the remedy %q does not name the command", problems[0].Remedy)
			}
		})
	}
}

// TestVerifyReportsEverything verifies that one problem does not hide another.
func TestVerifyReportsEverything(t *testing.T) {
	root := foreign(t, nil, authority("root"))
	limited := foreign(t, root, func(c *x509.Certificate) { authority("limited")(c); c.PermittedDNSDomains = []string{".example.org"} })
	leaf := foreign(t, limited, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		c.DNSNames = []string{"a.example.com", "b.example.org", "c.example.com"}
		c.NotBefore, c.NotAfter = today.Add(-900*24*time.Hour), today.Add(-time.Hour)
	})
	chain := []*x509.Certificate{leaf.Leaf(), limited.Leaf()}
	problems := Verify(chain, nil, []*x509.Certificate{}, mustNames(t, "d.example.com"), today)
	want := []string{CodeExpired, CodePurpose, CodeRefused, CodeIncomplete, CodeName, CodeLongLife}
	if got := strings.Join(codes(problems), " "); got != strings.Join(want, " ") {
		t.Fatalf("codes %s, want %s", got, strings.Join(want, " "))
	}
	if says := problems[2].What; !strings.Contains(says, "a.example.com, c.example.com") || strings.Contains(says, "b.example.org") {
		t.Errorf("%q does not name the names outside the limits", says)
	}
}

// TestConstraintsOfOneKind verifies that limits of names do not concern addresses.
func TestConstraintsOfOneKind(t *testing.T) {
	root := foreign(t, nil, authority("root"))
	limited := foreign(t, root, func(c *x509.Certificate) { authority("limited")(c); c.PermittedDNSDomains = []string{"example.com"} })
	leaf := foreign(t, limited, func(c *x509.Certificate) { c.IPAddresses = mustNames(t, "192.0.2.1").netIPs() })
	if problems := Verify(leaf.Chain, nil, []*x509.Certificate{root.Leaf()}, Names{}, today); len(problems) > 0 {
		t.Errorf("problems %v, want none", problems)
	}
}

func TestParseChainDropsRepetitions(t *testing.T) {
	root := foreign(t, nil, authority("root"))
	between := foreign(t, root, authority("between"))
	leaf := foreign(t, between, func(*x509.Certificate) {})
	file := EncodeChain(leaf.Leaf(), leaf.Leaf(), between.Leaf(), leaf.Leaf())
	chain, err := ParseChain(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) != 2 || Repeated(file) != 2 || Repeated(EncodeChain(chain...)) != 0 {
		t.Errorf("%d certificates, %d repeated", len(chain), Repeated(file))
	}
	if problems := Verify(chain, leaf.Key.Public(), []*x509.Certificate{root.Leaf()}, Names{}, today); len(problems) > 0 {
		t.Errorf("problems %v, want none", problems)
	}
}
