package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/certgen"
	"packhouse/pattern"
	"packhouse/setup"
)

type exportOptions struct {
	dir, out        string
	name, namespace string
	withKey         bool
}

func newCertExport(a *app) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export [chain|ca|kubernetes|docker]",
		Short: "Export the certificate for clients and clusters",
		Long: `export writes the certificate for clients and clusters, to standard output or to --out:

  chain       the certificate that the server uses, with its chain (PEM)
  ca          the certificate that clients must trust (PEM)
  kubernetes  a Secret with ca.crt; with --with-key one of type kubernetes.io/tls that holds the server's
              certificate and its private key too
  docker      a tree certs.d/HOST:PORT/ca.crt below --out, as docker, podman and containerd read it

Without an argument it is ca, or chain if clients trust the certificate already. What is written is read
back and verified as a client would.`,
		Example: `  packhouse cert export -o ca.crt
  packhouse cert export kubernetes --namespace registry | kubectl apply -f -
  packhouse cert export docker --out /etc/docker`,
		ValidArgs: []string{"chain", "ca", "kubernetes", "docker"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.certificate(cmd.Context(), o.dir)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"ca"}
				if h.trust == nil {
					args[0] = "chain"
				}
			}
			if err := a.export(h, args[0], o); err != nil {
				return err
			}
			if err := h.verify(a.now()); err != nil {
				return exitWith(exitFindings, err)
			}
			a.say("verified as a client would: %s", strings.Join(h.names.Strings(), ", "))
			return nil
		},
	}
	a.addDir(cmd, &o.dir)
	f := cmd.Flags()
	f.StringVarP(&o.out, "out", "o", "", "`PATH` to write to, instead of standard output")
	f.StringVar(&o.name, "name", "packhouse-tls", "`NAME` of the Secret")
	f.StringVar(&o.namespace, "namespace", "", "`NAMESPACE` of the Secret")
	f.BoolVar(&o.withKey, "with-key", false, "put the private key into the Secret")
	return cmd
}

var (
	errNoTrust = errors.New("clients need nothing: their systems trust the certificate already, or its root is not known here")
	errNoTree  = errors.New("a tree needs a place: say --out DIR")
)

func (a *app) export(h handedOut, what string, o exportOptions) error {
	if h.trust == nil && (what == "ca" || what == "docker") {
		return errNoTrust
	}
	ca := certgen.EncodeChain(h.trust...)
	switch what {
	case "chain":
		return a.handOut(o.out, certgen.EncodeChain(h.chain...), 0o644)
	case "ca":
		return a.handOut(o.out, ca, 0o644)
	case "docker":
		if o.out == "" {
			return usageError(errNoTree)
		}
		return a.handOut(filepath.Join(o.out, "certs.d", h.host, "ca.crt"), ca, 0o644)
	}
	secret, err := h.secret(o)
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if o.withKey {
		mode = 0o600
		if o.out == "" && a.stdoutIsTerminal() {
			return usageError(errors.New("a private key does not belong on a terminal: say --out FILE, or pipe it on"))
		}
	}
	return a.handOut(o.out, secret, mode)
}

// handOut writes content to a file and verifies it, or writes it to standard output if path is
// empty.
func (a *app) handOut(path string, content []byte, mode os.FileMode) error {
	if path == "" {
		_, err := a.stdout.Write(content)
		return err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return withHint(fmt.Errorf("write %s: is a directory", path), "name a file in it: --out %s", setup.Shell(filepath.Join(path, "ca.crt")))
	}
	if err := trustedOutput(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // certificates are for everybody
		return err
	}
	if err := replaceFile(path, content, mode); err != nil {
		return err
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("verify %s: its content differs from what was written (%v)", path, err) //nolint:errorlint // it may be nil
	}
	a.say("written: %s", path)
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
func (h handedOut) secret(o exportOptions) ([]byte, error) {
	for _, name := range []string{o.name, o.namespace} {
		if name != "" && !secretName().MatchString(name) {
			return nil, usageError(fmt.Errorf("%q is not a name for an object of Kubernetes", name))
		}
	}
	var b bytes.Buffer
	kind := "Opaque"
	if o.withKey {
		kind = "kubernetes.io/tls"
	}
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n", o.name)
	if o.namespace != "" {
		fmt.Fprintf(&b, "  namespace: %s\n", o.namespace)
	}
	fmt.Fprintf(&b, "type: %s\ndata:\n", kind)
	entry := func(key string, data []byte) {
		fmt.Fprintf(&b, "  %s: %s\n", key, base64.StdEncoding.EncodeToString(data))
	}
	if h.trust != nil {
		entry("ca.crt", certgen.EncodeChain(h.trust...))
	} else if !o.withKey {
		return nil, errNoTrust
	}
	if o.withKey {
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
