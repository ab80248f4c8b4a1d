// Package clienttrust brings the certificate of an installation to its clients: what they must
// trust, the steps for each type of client, exports, and the trust store of this machine.
package clienttrust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// Certificate holds the certificate of an installation and what its clients trust.
type Certificate struct {
	in    *installation.Installed
	chain []*x509.Certificate // presented by the server, leaf first
	Trust []*x509.Certificate // nil: the system's roots
	Names certgen.Names
	host  string // host[:port] of the URL for clients
}

// Load loads the certificate that an installation's clients see.
func Load(ctx context.Context, a *cli.App, dir string) (Certificate, error) {
	in, err := a.Installation(dir)
	if err != nil {
		return Certificate{}, err
	}
	h := Certificate{in: in}
	switch {
	case deployment.OrdersCertificates(in):
		states, err := deployment.Orders(ctx, a, in.Config)
		if err != nil {
			return Certificate{}, err
		}
		if h.chain = states[0].Chain; len(h.chain) == 0 {
			return Certificate{}, errors.New(states[0].Fault())
		}
		h.Trust = deployment.OrderedTrust(in.Config, h.chain, a.Now())
	case in.Cert == nil:
		return Certificate{}, NoCertificate(in)
	default:
		h.chain, h.Trust = in.Cert.Chain, in.Trust()
	}
	h.Names = certgen.NamesOf(h.chain[0])
	u, err := url.Parse(deployment.URLOf(ctx, in))
	if err != nil {
		return Certificate{}, fmt.Errorf("read the URL that clients use: %w", err)
	}
	h.host = u.Host
	return h, nil
}

// Verify verifies the chain for each name, as clients do that trust the exported certificates.
func (h Certificate) Verify(now time.Time) error {
	var key any
	if h.in.Cert != nil && h.in.Cert.Pair != nil {
		key = h.in.Cert.Pair.Key.Public()
	}
	var worst []string
	for _, p := range certgen.Verify(h.chain, key, h.Trust, h.Names, now) {
		if p.Severity == finding.Refused {
			worst = append(worst, p.What+": "+p.Remedy)
		}
	}
	if len(worst) > 0 {
		return fmt.Errorf("clients refuse the certificate: %s", strings.Join(worst, "; "))
	}
	return nil
}

// Prove verifies the certificate of an installation and compares it with that of its
// running server.
func Prove(ctx context.Context, a *cli.App, dir string) error {
	h, err := Load(ctx, a, dir)
	if err != nil {
		return err
	}
	if err := h.Verify(a.Now()); err != nil {
		return cli.ExitWith(cli.ExitFindings, err)
	}
	a.Say("verified as a client would: %s", strings.Join(h.Names.Strings(), ", "))
	client, err := deployment.FindServer(h.in.Config, h.in.Dir)
	if errors.Is(err, admin.ErrNotRunning) {
		a.Say("no server of this installation is running: the certificate that it serves is not proven")
		return nil
	}
	if err != nil {
		return fmt.Errorf("query the running server: %w", err)
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return fmt.Errorf("query the running server: %w", err)
	}
	if err := h.served(ctx, deployment.Dialable(status.Address)); err != nil {
		return cli.ExitWith(cli.ExitFindings, err)
	}
	a.Say("served at %s: fingerprint %s", status.Address, certgen.Fingerprint(h.chain[0]))
	return nil
}

// served connects to each name as a client and compares the presented certificate.
func (h Certificate) served(ctx context.Context, address string) error {
	var roots *x509.CertPool
	if h.Trust != nil {
		roots = x509.NewCertPool()
		for _, c := range h.Trust {
			roots.AddCert(c)
		}
	}
	for _, name := range h.Names.Strings() {
		if strings.HasPrefix(name, "*.") {
			name = "packhouse" + name[1:]
		}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		client := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
		conn, err := client.DialContext(limited, "tcp", address)
		cancel()
		if err != nil {
			return fmt.Errorf("a client of %s is refused at %s: %w", name, address, err)
		}
		shown := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_ = conn.Close() // nothing was sent
		if !shown.Equal(h.chain[0]) {
			return cli.WithHint(
				fmt.Errorf(
					"the running server still serves another certificate, fingerprint %s",
					certgen.Fingerprint(shown),
				),
				"packhouse status reports the reason",
			)
		}
	}
	return nil
}

var errOff = errors.New("this installation has no certificate: TLS is off")

// NoCertificate returns the error for an installation whose certificate does not exist or cannot be
// read.
func NoCertificate(in *installation.Installed) error {
	const rotate = "packhouse cert rotate"
	switch {
	case in.CertProblem == nil:
		return cli.WithHint(errOff, "packhouse setup --tls private-ca makes one")
	case in.Config.HTTP.TLS.Certificate != filepath.Join(in.Dir, installation.CertFile):
		return cli.WithHint(in.CertProblem, "put a certificate chain in PEM format in its place")
	case errors.Is(in.CertProblem, syscall.EISDIR):
		return cli.WithHint(in.CertProblem, "%s, then run %s", trust.MoveAway(in.Config.HTTP.TLS.Certificate), rotate)
	}
	return cli.WithHint(in.CertProblem, "%s issues a new one", rotate)
}
