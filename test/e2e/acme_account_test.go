package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestACMEExternalAccount has a CA that signs for its customers only. Without
// an account the server reports the CA's own reason; with the key ID and the
// HMAC key it gets a certificate, and keeps its account after a restart.
func TestACMEExternalAccount(t *testing.T) {
	t.Parallel()
	const keyID, key = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	o, ca := installOrdering(t, false, []string{acmeHost}, func(tlsAddr, httpAddr string) *acmeCA {
		return startCA(t, tlsAddr, httpAddr, time.Hour, map[string]any{
			"externalAccountBindingRequired": true, "externalAccountMACKeys": map[string]string{keyID: key},
		})
	})
	s := o.serve()
	eventually(t, "the refusal is reported", 2*time.Minute, func() bool {
		return strings.Contains(s.log.String(), "(externalAccountRequired)")
	})
	says, err := exec.Command(binary(t), "check", "--quick", o.configuration()).CombinedOutput()
	for _, words := range []string{"--acme-eab-kid ID --acme-eab-key-file FILE", "must include a value for the 'externalAccountBinding' field"} {
		if err == nil || !strings.Contains(string(says), words) {
			t.Errorf("check does not say %q (%v):\n%s", words, err, says)
		}
	}
	s.stop()

	file := filepath.Join(o.dir, "eab.key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(o.configuration())
	if err != nil {
		t.Fatal(err)
	}
	after := bytes.Replace(before, []byte("      cachefile:"), []byte("      eabkid: "+keyID+"\n      eabkeyfile: "+file+"\n      cachefile:"), 1)
	if err := os.WriteFile(o.configuration(), after, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(o.cache); err != nil { // the refusal is remembered there
		t.Fatal(err)
	}
	roots := ca.roots()
	s = o.serve()
	eventually(t, "a certificate is ordered and served", 2*time.Minute, func() bool { return o.healthy(roots) })
	ca.counts(1)
	s.stop()
}
