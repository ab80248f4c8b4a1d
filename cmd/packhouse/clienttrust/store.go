package clienttrust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/setup/check"
)

// trustStore is a system's store of trusted certificates.
type trustStore struct {
	name   string
	root   string // root of the file system
	dir    string // for files of the operator
	update string // command that updates the store
	found  string // path of the store
	forget string // extra argument after a certificate was removed; empty: none
}

// trustStores are the stores of Linux systems, distinguished by their directories. SUSE comes
// first: it has update-ca-certificates too.
var trustStores = []trustStore{
	{name: "the store of SUSE", dir: "etc/pki/trust/anchors", update: "update-ca-certificates", forget: " --fresh"},
	{name: "the store of Red Hat and Fedora", dir: "etc/pki/ca-trust/source/anchors", update: "update-ca-trust"},
	{
		name: "the store of Debian, Ubuntu and Alpine", dir: "usr/local/share/ca-certificates",
		update: "update-ca-certificates", forget: " --fresh",
	},
	{name: "the store of Arch", dir: "etc/ca-certificates/trust-source/anchors", update: "update-ca-trust"},
}

// trustFile is the file name of the certificate in the store. Debian requires the suffix .crt.
const trustFile = "packhouse.crt"

var errNoTrustStore = errors.New("no known store of trusted certificates is on this machine")

// findTrustStore finds the system's store by its directories and its command.
func findTrustStore(root string) (*trustStore, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%w: %s is served by hand", errNoTrustStore, runtime.GOOS)
	}
	for _, s := range trustStores {
		if info, err := os.Stat(filepath.Join(root, s.dir)); err != nil || !info.IsDir() {
			continue
		}
		program, err := check.FindProgram(s.update)
		if err != nil {
			continue
		}
		s.root, s.found = root, program
		return &s, nil
	}
	return nil, errNoTrustStore
}

// install adds certificates to the store, each in its own file because Debian skips bundles,
// updates the store, and returns the command that undoes this. If the update fails, it restores the
// previous files.
func (s *trustStore) install(ctx context.Context, certs []*x509.Certificate) (undo string, err error) {
	var paths []string
	var back []func() error
	rollback := func(err error) error {
		for _, undo := range back {
			err = errors.Join(err, undo())
		}
		return fmt.Errorf("install certificate: %w", err)
	}
	for i, c := range certs {
		name := trustFile
		if i > 0 {
			name = fmt.Sprintf("packhouse-%d.crt", i+1)
		}
		path := filepath.Join(s.root, s.dir, name)
		before, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", rollback(err)
		}
		if err := replaceFile(path, certgen.EncodeChain(c), 0o644); err != nil {
			return "", rollback(err)
		}
		paths = append(paths, path)
		back = append(back, func() error {
			if before != nil {
				return replaceFile(path, before, 0o644)
			}
			return os.Remove(path)
		})
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.found) //nolint:gosec // one of the commands above
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", rollback(fmt.Errorf("%s: %w: %s", s.update, err, strings.TrimSpace(string(said))))
	}
	return fmt.Sprintf("rm %s && %s%s", strings.Join(paths, " "), s.update, s.forget), nil
}
