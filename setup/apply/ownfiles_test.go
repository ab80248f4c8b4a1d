package apply

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// TestOwnRootIsHandedOut verifies that the installation keeps the root, hands it out, and removes it.
func TestOwnRootIsHandedOut(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	root := answertest.Issue(t, nil, answertest.CA("root"))
	between := answertest.Issue(t, root, answertest.CA("between"))
	leaf := answertest.Issue(t, between, func(*x509.Certificate) {})
	install(
		t,
		m,
		dir,
		answer.Values{
			"tls":      {"files"},
			"tls-cert": {answertest.ChainFile(t, leaf, between)},
			"tls-key":  {answertest.KeyFile(t, leaf)},
			"tls-ca":   {answertest.ChainFile(t, root)},
		},
	)
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if trust := in.Trust(); len(trust) != 1 || !trust[0].Equal(root.Leaf()) || in.Unrooted(machinetest.Now) != nil {
		t.Errorf("clients trust %v", trust)
	}
	if card, err := os.ReadFile(in.Path(installation.HandoffFile)); err != nil ||
		!strings.Contains(string(card), string(root.CertPEM())) {
		t.Errorf("the handoff lacks the root: %v", err)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}
	install(t, m, dir, answer.Values{"tls-ca": {""}})
	if in, err = installation.Load(dir); err != nil || in.Trust() != nil ||
		!in.Unrooted(machinetest.Now).Equal(between.Leaf()) {
		t.Errorf("%v: clients trust %v, checks %v", err, in.Trust(), in.Unrooted(machinetest.Now))
	}
}

// TestEncryptedKeyIsDecrypted verifies the copy that the server reads.
func TestEncryptedKeyIsDecrypted(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	cert, _, pair := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	der, err := pkcs8.MarshalPrivateKey(pair.Key, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := answertest.WriteFile(t, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), 0o600)
	flags := answer.Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}}
	refusal := func(change answer.Values) string {
		t.Helper()
		given := answer.Values{"dir": {dir}}
		maps.Copy(given, flags)
		maps.Copy(given, change)
		_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: given})
		var codes []string
		for _, f := range findings {
			if f.Severity == finding.Refused {
				codes = append(codes, f.Flag+" "+f.Code)
			}
			if strings.Contains(f.String(), "secret") {
				t.Errorf("%v holds the password", f)
			}
		}
		return strings.Join(codes, ", ")
	}
	const flag = "--tls-key-password-file "
	if got := refusal(nil); got != flag+certgen.CodeKeyEncrypted {
		t.Errorf("without a password: %s", got)
	}
	if got := refusal(answer.Values{"tls-key-password-file": {answertest.WriteFile(t, []byte("wrong\n"), 0o600)}}); got != flag+certgen.CodeKeyEncrypted {
		t.Errorf("with a wrong password: %s", got)
	}
	if got := refusal(answer.Values{"tls-key-password-file": {answertest.WriteFile(t, []byte("secret\n"), 0o644)}}); got != flag+setup.CodeOpenKey {
		t.Errorf("with a password for everyone: %s", got)
	}
	flags["tls-key-password-file"] = []string{answertest.WriteFile(t, []byte("secret\n"), 0o600)}
	install(t, m, dir, flags)
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if in.Cert.Pair == nil || in.Config.HTTP.TLS.Key != in.Path(installation.OwnKeyFile) {
		t.Fatalf("the server reads %s: %v", in.Config.HTTP.TLS.Key, in.Cert.Problem)
	}
	if info, err := os.Stat(in.Path(installation.OwnKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}
}

// TestCertificateShorterThanAsked verifies the warning about a CA that ends first.
func TestCertificateShorterThanAsked(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for _, tc := range []struct {
		name  string
		years int
		flags answer.Values
		code  string
		sev   finding.Severity
	}{
		{"long before its end", 8, answer.Values{"rotate-cert": {"true"}}, "", ""},
		{"in its last year", 9, answer.Values{"rotate-cert": {"true"}, "cert-days": {"397"}}, setup.CodeShortLife, finding.Warning},
		{"with a new CA", 9, answer.Values{"rotate-cert": {"true"}, "cert-days": {"397"}, "new-ca": {"true"}}, "", ""},
		{"after its end", 11, answer.Values{"rotate-cert": {"true"}}, certgen.CodeCAExpired, finding.Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m.Now = func() time.Time { return machinetest.Now.AddDate(tc.years, 0, 0) }
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: tc.flags})
			i := slices.IndexFunc(findings, func(f finding.Finding) bool {
				return f.Flag == "--new-ca" && f.Severity == tc.sev && f.Code == tc.code &&
					strings.Contains(f.Remedy, "packhouse cert rotate --new-ca")
			})
			if some := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Flag == "--new-ca" }); (i < 0) != (tc.code == "") ||
				tc.code == "" && some {
				t.Errorf("findings %v", findings)
			}
		})
	}
}
