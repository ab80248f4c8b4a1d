package clienttrust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
)

// clientKind is a type of client, with the steps to make it trust the registry. {{.Host}} is
// host[:port], {{.URL}} the URL, {{.Place}} the path of the certificate on this machine.
type clientKind struct {
	name, title, steps string
}

// clientKinds are in output order.
var clientKinds = []clientKind{
	{"docker", "docker", "sudo install -D -m 0644 ca.crt /etc/docker/certs.d/{{.Host}}/ca.crt\ndocker login {{.Host}}"},
	{
		"podman", "podman, skopeo, buildah", "sudo install -D -m 0644 ca.crt /etc/containers/certs.d/{{.Host}}/ca.crt\n" +
			"podman login {{.Host}}",
	},
	{"containerd", "containerd, nerdctl, Kubernetes nodes", "" +
		"sudo install -D -m 0644 ca.crt /etc/containerd/certs.d/{{.Host}}/ca.crt\n" +
		"printf 'server = \"{{.URL}}\"\\n\\n[host.\"{{.URL}}\"]\\n  ca = \"ca.crt\"\\n' | " +
		"sudo tee /etc/containerd/certs.d/{{.Host}}/hosts.toml\n" +
		"# /etc/containerd/config.toml must name the directory: config_path = \"/etc/containerd/certs.d\""},
	{"oras", "oras", "oras login --ca-file ca.crt {{.Host}}"},
	{"helm", "helm", "helm registry login --ca-file ca.crt {{.Host}}"},
	{"curl", "curl", "curl --cacert ca.crt -u USER {{.URL}}/v2/"},
	{"go", "crane and other programs in Go", "export SSL_CERT_FILE=$PWD/ca.crt   # in place of what the system trusts"},
	{"node", "node", "export NODE_EXTRA_CA_CERTS=$PWD/ca.crt"},
	{"python", "python", "export REQUESTS_CA_BUNDLE=$PWD/ca.crt"},
	{
		"debian", "the whole system: Debian, Ubuntu, Alpine",
		"sudo install -m 0644 ca.crt /usr/local/share/ca-certificates/packhouse.crt && " +
			"sudo update-ca-certificates",
	},
	{
		"redhat", "the whole system: Red Hat, Fedora",
		"sudo install -m 0644 ca.crt /etc/pki/ca-trust/source/anchors/packhouse.crt && " +
			"sudo update-ca-trust",
	},
	{
		"suse", "the whole system: SUSE",
		"sudo install -m 0644 ca.crt /etc/pki/trust/anchors/packhouse.crt && " +
			"sudo update-ca-certificates",
	},
	{
		"macos", "the whole system: macOS",
		"sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt",
	},
	{"windows", "the whole system: Windows, as administrator", "certutil -addstore -f Root ca.crt"},
	{
		"firefox", "Firefox, which has a store of its own",
		"Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import: ca.crt, for websites",
	},
	{
		"palette", "Palette", "Tenant Settings > Certificates > Add A New Certificate: the content of ca.crt;\n" +
			"and in the registry's own form under Certificate. Insecure Skip TLS Verify stays off",
	},
}

// ClientNames returns the types of clients that PrintSteps knows, in output order.
func ClientNames() []string {
	names := make([]string, 0, len(clientKinds))
	for _, c := range clientKinds {
		names = append(names, c.name)
	}
	return names
}

// PrintSteps prints the steps for some clients, or for all if names is empty.
func PrintSteps(a *cli.App, h Certificate, names []string) error {
	place := h.in.Config.HTTP.TLS.LetsEncrypt.CAFile
	if h.in.Cert != nil {
		place = h.in.Cert.Path
	}
	if h.in.CA != nil && slices.EqualFunc(h.Trust, h.in.CA.Chain, (*x509.Certificate).Equal) {
		place = h.in.CA.Path
	}
	fmt.Fprintf(a.Stdout, "ca.crt is %s of this machine, also printed by: %s\n",
		place, a.Pasteable("packhouse cert export ca"))
	for _, c := range h.Trust {
		fmt.Fprintf(a.Stdout, "its fingerprint, to compare after copying it: %s\n", certgen.Fingerprint(c))
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
		fmt.Fprintf(a.Stdout, "\n# %s\n%s\n", c.title, b.String())
	}
	if err := h.Verify(a.Now()); err != nil {
		return cli.ExitWith(cli.ExitFindings, err)
	}
	a.Say("\nverified as a client would: %s", strings.Join(h.Names.Strings(), ", "))
	return nil
}

var errNotTrusted = errors.New("this machine does not trust the certificate")

// TrustedHere verifies the certificate with the roots of this machine.
func TrustedHere(a *cli.App, h Certificate) error {
	h.Trust = nil
	if err := h.Verify(a.Now()); err != nil {
		return cli.ExitWith(cli.ExitFindings, fmt.Errorf("%w: %w", errNotTrusted, err))
	}
	a.Say("verified with what this machine trusts: %s", strings.Join(h.Names.Strings(), ", "))
	return nil
}

// InstallTrust adds the certificates that clients must trust to this machine's store.
func InstallTrust(ctx context.Context, a *cli.App, h Certificate) error {
	store, err := findTrustStore("/")
	if err != nil {
		return cli.WithHint(err, "packhouse cert trust prints the steps")
	}
	undo, err := store.install(ctx, h.Trust)
	if err != nil {
		return err
	}
	a.Say("installed in %s", store.name)
	a.Say("to undo it: %s", undo)
	return TrustedHere(a, h)
}
