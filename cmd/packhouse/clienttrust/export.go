package clienttrust

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/pattern"
	"packhouse/setup"
	"packhouse/trust"
)

// ExportOptions select where and how a certificate is exported.
type ExportOptions struct {
	Dir, Out        string
	Name, Namespace string
	WithKey         bool
}

var (
	// ErrNoTrust is the error if there is no certificate that clients have to install.
	ErrNoTrust = errors.New(
		"clients need no certificate: their systems trust it already, or its root is not known here")
	errNoTree = errors.New("docker writes a directory tree: name its directory with --out DIR")
)

// Export writes one form of a certificate, "chain", "ca", "docker" or "kubernetes", to a file or to
// standard output. It returns an error with exit code 2 if the options do not fit.
func Export(a *cli.App, h Certificate, what string, o ExportOptions) error {
	if h.Trust == nil && (what == "ca" || what == "docker") {
		return ErrNoTrust
	}
	ca := certgen.EncodeChain(h.Trust...)
	switch what {
	case "chain":
		return writeOut(a, o.Out, certgen.EncodeChain(h.chain...), 0o644)
	case "ca":
		return writeOut(a, o.Out, ca, 0o644)
	case "docker":
		if o.Out == "" {
			return cli.UsageError(errNoTree)
		}
		return writeOut(a, filepath.Join(o.Out, "certs.d", h.host, "ca.crt"), ca, 0o644)
	}
	secret, err := h.secret(o)
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if o.WithKey {
		mode = 0o600
		if o.Out == "" && a.StdoutIsTerminal() {
			return cli.UsageError(cli.WithHint(
				errors.New("a private key is not printed on a terminal"), "name a file with --out, or use a pipe"))
		}
	}
	return writeOut(a, o.Out, secret, mode)
}

// writeOut writes content to a file and verifies it, or writes it to standard output if path is
// empty.
func writeOut(a *cli.App, path string, content []byte, mode os.FileMode) error {
	if path == "" {
		_, err := a.Stdout.Write(content)
		return err
	}
	path, err := trust.Abs(path)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return cli.WithHint(fmt.Errorf("write %s: is a directory", path),
			"name a file in it: --out %s", setup.Shell(filepath.Join(path, "ca.crt")))
	}
	if err := cli.TrustedOutput(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // certificates are for everybody
		return err
	}
	if err := replaceFile(path, content, mode); err != nil {
		return err
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		//nolint:errorlint // it may be nil
		return fmt.Errorf("verify %s: its content differs from what was written (%v)", path, err)
	}
	a.Say("written: %s", path)
	return nil
}

// replaceFile replaces a file atomically.
func replaceFile(path string, content []byte, mode os.FileMode) error {
	staged, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = staged.Write(content)
	err = errors.Join(err, staged.Chmod(mode), staged.Sync(), staged.Close())
	if err == nil {
		err = os.Rename(staged.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged.Name()))
	}
	return nil
}

// secretName matches names of Kubernetes objects and namespaces (RFC 1123 subdomains).
var secretName = pattern.Lazy(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// secret returns a Kubernetes Secret.
func (h Certificate) secret(o ExportOptions) ([]byte, error) {
	for _, name := range []string{o.Name, o.Namespace} {
		if name != "" && !secretName().MatchString(name) {
			return nil, cli.UsageError(fmt.Errorf("%q is not a name for an object of Kubernetes", name))
		}
	}
	var b bytes.Buffer
	kind := "Opaque"
	if o.WithKey {
		kind = "kubernetes.io/tls"
	}
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n", o.Name)
	if o.Namespace != "" {
		fmt.Fprintf(&b, "  namespace: %s\n", o.Namespace)
	}
	fmt.Fprintf(&b, "type: %s\ndata:\n", kind)
	entry := func(key string, data []byte) {
		fmt.Fprintf(&b, "  %s: %s\n", key, base64.StdEncoding.EncodeToString(data))
	}
	if h.Trust != nil {
		entry("ca.crt", certgen.EncodeChain(h.Trust...))
	} else if !o.WithKey {
		return nil, ErrNoTrust
	}
	if o.WithKey {
		if h.in.Cert == nil || h.in.Cert.Pair == nil {
			return nil, errors.New("the private key cannot be read, or is not in a file of its own")
		}
		key, err := h.in.Cert.Pair.KeyPEM()
		if err != nil {
			return nil, err
		}
		entry("tls.crt", certgen.EncodeChain(h.chain...))
		entry("tls.key", key)
	}
	return b.Bytes(), nil
}
