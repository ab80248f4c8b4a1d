package question_test

import (
	"crypto/x509"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/machine/machinetest"
)

// TestOwnFilesAsTheyExist has chains as cert-manager, step-ca and Vault issue them, and wrong ones.
func TestOwnFilesAsTheyExist(t *testing.T) {
	root := answertest.Issue(t, nil, answertest.CA("root"))
	between := answertest.Issue(t, root, answertest.CA("between"))
	leaf := answertest.Issue(t, between, func(*x509.Certificate) {})
	direct := answertest.Issue(t, root, func(*x509.Certificate) {})
	other := answertest.Issue(t, nil, answertest.CA("other root"))
	client := answertest.Issue(
		t,
		between,
		func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
	)
	limited := answertest.Issue(
		t,
		root,
		func(c *x509.Certificate) {
			answertest.CA("limited")(c)
			c.PermittedDNSDomains = []string{"example.org"}
		},
	)
	outside := answertest.Issue(t, limited, func(*x509.Certificate) {})
	worst := answertest.Issue(t, limited, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.NotAfter = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, machinetest.Now.Add(-time.Minute)
		c.DNSNames = []string{"else.example.com"}
	})
	ca := answertest.ChainFile(t, root)
	for _, tc := range []struct {
		name     string
		key      *certgen.Pair
		cert, ca string
		refused  []string // codes, in order
		noted    []string
	}{
		{"without the root", leaf, answertest.ChainFile(t, leaf, between), "", nil, []string{certgen.CodeIncomplete}},
		{"without the root, which is named", leaf, answertest.ChainFile(t, leaf, between), ca, nil, []string{setup.CodePrivateRoot}},
		{"with the root", leaf, answertest.ChainFile(t, leaf, between, root), "", nil, []string{certgen.CodeUntrusted}},
		{"alone, below a root that is named", direct, answertest.ChainFile(t, direct), ca, nil, []string{setup.CodePrivateRoot}},
		{"alone", direct, answertest.ChainFile(t, direct), "", []string{certgen.CodeIncomplete}, nil},
		{"intermediate missing", leaf, answertest.ChainFile(t, leaf), ca, []string{certgen.CodeIncomplete}, nil},
		{"another root named", leaf, answertest.ChainFile(t, leaf, between, root), answertest.ChainFile(t, other), []string{certgen.CodeUntrusted}, nil},
		{"leaf twice", leaf, answertest.ChainFile(t, leaf, leaf, between), ca, nil, []string{setup.CodeRepeated, setup.CodePrivateRoot}},
		{"for clients", client, answertest.ChainFile(t, client, between), "", []string{certgen.CodePurpose}, nil},
		{"for clients, root named", client, answertest.ChainFile(t, client, between), ca, []string{certgen.CodePurpose}, nil},
		{"outside the limits of its CA", outside, answertest.ChainFile(t, outside, limited), "", []string{certgen.CodeRefused}, nil},
		{"everything wrong", leaf, answertest.ChainFile(t, worst, limited), "", []string{certgen.CodeExpired, certgen.CodePurpose, certgen.CodeRefused, certgen.CodeName, certgen.CodeKeyMismatch}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags := answer.Values{
				"dir":      {filepath.Join(t.TempDir(), "packhouse")},
				"tls":      {"files"},
				"tls-cert": {tc.cert},
				"tls-key":  {answertest.KeyFile(t, tc.key)},
			}
			if tc.ca != "" {
				flags["tls-ca"] = []string{tc.ca}
			}
			_, findings := answer.Resolve(
				t.Context(), machinetest.New(t, &machinetest.Host{}), nil, answer.Input{Flags: flags},
			)
			var refusals, notes []string
			for _, f := range findings {
				switch {
				case f.Severity == finding.Refused:
					refusals = append(refusals, f.Code)
				case slices.Contains([]string{"cert", "tls-ca", "key"}, f.Question):
					notes = append(notes, f.Code)
				}
			}
			if !slices.Equal(refusals, tc.refused) {
				t.Errorf("refused %q, want %q, in %v", refusals, tc.refused, findings)
			}
			for _, code := range tc.noted {
				if !slices.Contains(notes, code) {
					t.Errorf("no note %s in %v", code, findings)
				}
			}
		})
	}
}
