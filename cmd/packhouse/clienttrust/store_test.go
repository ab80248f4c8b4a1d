package clienttrust

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"packhouse/certgen"
)

// TestTrustStore: each certificate in a file of its own, taken up by the system's command; where that fails everything is as before.
func TestTrustStore(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the stores are those of Linux")
	}
	var cas []*x509.Certificate
	for range 2 {
		ca, err := certgen.NewCA(certgen.CAOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cas = append(cas, ca.Leaf())
	}
	bin, root := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	command := func(name, script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := findTrustStore(root); !errors.Is(err, errNoTrustStore) {
		t.Errorf("an empty system: %v", err)
	}
	dir := filepath.Join(root, "etc/pki/ca-trust/source/anchors")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	command("update-ca-trust", "touch "+filepath.Join(root, "updated"))
	store, err := findTrustStore(root)
	if err != nil {
		t.Fatal(err)
	}
	undo, err := store.install(t.Context(), cas)
	if err != nil || !strings.HasSuffix(undo, "packhouse-2.crt && update-ca-trust") {
		t.Errorf("%q, %v", undo, err)
	}
	if _, err := os.Stat(filepath.Join(root, "updated")); err != nil {
		t.Errorf("the system was not told: %v", err)
	}
	for i, name := range []string{trustFile, "packhouse-2.crt"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != string(certgen.EncodeChain(cas[i])) {
			t.Errorf("%s: %v", name, err)
		}
	}

	if err := os.Remove(filepath.Join(dir, "packhouse-2.crt")); err != nil {
		t.Fatal(err)
	}
	command("update-ca-trust", "echo something is wrong >&2; exit 1")
	if _, err := store.install(t.Context(), []*x509.Certificate{cas[1], cas[0]}); err == nil || !strings.Contains(err.Error(), "something is wrong") {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, trustFile)); err != nil || string(data) != string(certgen.EncodeChain(cas[0])) {
		t.Errorf("not put back: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "packhouse-2.crt")); err == nil {
		t.Error("left behind")
	}
}
