package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"packhouse/certgen"
)

// clientKind is a type of client, with the steps to make it trust the registry. {{.Host}} is
// host[:port], {{.URL}} the URL, {{.Place}} the path of the certificate on this machine.
type clientKind struct {
	name, title, steps string
}

// clientKinds are in output order.
var clientKinds = []clientKind{
	{"docker", "docker", "sudo install -D -m 0644 ca.crt /etc/docker/certs.d/{{.Host}}/ca.crt\ndocker login {{.Host}}"},
	{"podman", "podman, skopeo, buildah", "sudo install -D -m 0644 ca.crt /etc/containers/certs.d/{{.Host}}/ca.crt\npodman login {{.Host}}"},
	{"containerd", "containerd, nerdctl, Kubernetes nodes", "sudo install -D -m 0644 ca.crt /etc/containerd/certs.d/{{.Host}}/ca.crt\n" +
		"printf 'server = \"{{.URL}}\"\\n\\n[host.\"{{.URL}}\"]\\n  ca = \"ca.crt\"\\n' | sudo tee /etc/containerd/certs.d/{{.Host}}/hosts.toml\n" +
		"# /etc/containerd/config.toml must name the directory: config_path = \"/etc/containerd/certs.d\""},
	{"oras", "oras", "oras login --ca-file ca.crt {{.Host}}"},
	{"helm", "helm", "helm registry login --ca-file ca.crt {{.Host}}"},
	{"curl", "curl", "curl --cacert ca.crt -u USER {{.URL}}/v2/"},
	{"go", "crane and other programs in Go", "export SSL_CERT_FILE=$PWD/ca.crt   # in place of what the system trusts"},
	{"node", "node", "export NODE_EXTRA_CA_CERTS=$PWD/ca.crt"},
	{"python", "python", "export REQUESTS_CA_BUNDLE=$PWD/ca.crt"},
	{"debian", "the whole system: Debian, Ubuntu, Alpine", "sudo install -m 0644 ca.crt /usr/local/share/ca-certificates/packhouse.crt && sudo update-ca-certificates"},
	{"redhat", "the whole system: Red Hat, Fedora", "sudo install -m 0644 ca.crt /etc/pki/ca-trust/source/anchors/packhouse.crt && sudo update-ca-trust"},
	{"suse", "the whole system: SUSE", "sudo install -m 0644 ca.crt /etc/pki/trust/anchors/packhouse.crt && sudo update-ca-certificates"},
	{"macos", "the whole system: macOS", "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt"},
	{"windows", "the whole system: Windows, as administrator", "certutil -addstore -f Root ca.crt"},
	{"firefox", "Firefox, which has a store of its own", "Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import: ca.crt, for websites"},
	{"palette", "Palette", "Tenant Settings > Certificates > Add A New Certificate: the content of ca.crt;\nand in the registry's own form under Certificate. Insecure Skip TLS Verify stays off"},
}

func clientNames() []string {
	names := make([]string, 0, len(clientKinds))
	for _, c := range clientKinds {
		names = append(names, c.name)
	}
	return names
}

type trustOptions struct {
	dir     string
	install bool
}

func newCertTrust(a *app) *cobra.Command {
	var o trustOptions
	cmd := &cobra.Command{
		Use:   "trust [CLIENT...]",
		Short: "Say how clients come to trust the certificate",
		Long: `trust prints what to do on each kind of client, or on those that are named. It changes nothing.

With --install this machine's own store takes the certificate; what was done, and how to undo it, is said.
At the end this machine verifies the certificate with what it trusts now.`,
		Example: `  packhouse cert trust docker curl
  sudo packhouse cert trust --install`,
		ValidArgs: clientNames(),
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.certificate(cmd.Context(), o.dir)
			if err != nil {
				return err
			}
			if h.trust == nil {
				a.say("nothing has to be installed anywhere: %s", errNoTrust)
				return a.trustedHere(h)
			}
			if o.install {
				return a.installTrust(cmd.Context(), h)
			}
			return a.printSteps(h, args)
		},
	}
	a.addDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.install, "install", false, "install it on this machine")
	return cmd
}

// printSteps prints the steps for some clients, or for all if names is empty.
func (a *app) printSteps(h handedOut, names []string) error {
	place := h.in.Config.HTTP.TLS.LetsEncrypt.CAFile
	if h.in.Cert != nil {
		place = h.in.Cert.Path
	}
	if h.in.CA != nil && slices.EqualFunc(h.trust, h.in.CA.Chain, (*x509.Certificate).Equal) {
		place = h.in.CA.Path
	}
	fmt.Fprintf(a.stdout, "ca.crt is %s of this machine, also printed by: %s\n", place, a.pasteable("packhouse cert export ca"))
	for _, c := range h.trust {
		fmt.Fprintf(a.stdout, "its fingerprint, to compare after copying it: %s\n", certgen.Fingerprint(c))
	}
	for _, c := range clientKinds {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		text, err := template.New(c.name).Parse(c.steps)
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := text.Execute(&b, map[string]string{"Host": h.host, "URL": "https://" + h.host}); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "\n# %s\n%s\n", c.title, b.String())
	}
	if err := h.verify(a.now()); err != nil {
		return exitWith(exitFindings, err)
	}
	a.say("\nverified as such a client would: %s", strings.Join(h.names.Strings(), ", "))
	return nil
}

var errNotTrusted = errors.New("this machine does not trust the certificate")

// trustedHere verifies the certificate with the roots of this machine.
func (a *app) trustedHere(h handedOut) error {
	h.trust = nil
	if err := h.verify(a.now()); err != nil {
		return exitWith(exitFindings, fmt.Errorf("%w: %w", errNotTrusted, err))
	}
	a.say("verified with what this machine trusts: %s", strings.Join(h.names.Strings(), ", "))
	return nil
}

// installTrust adds the certificates that clients must trust to this machine's store.
func (a *app) installTrust(ctx context.Context, h handedOut) error {
	store, err := findTrustStore("/")
	if err != nil {
		return withHint(err, "packhouse cert trust prints the steps")
	}
	undo, err := store.install(ctx, h.trust)
	if err != nil {
		return err
	}
	a.say("installed in %s", store.name)
	a.say("to undo it: %s", undo)
	return a.trustedHere(h)
}
