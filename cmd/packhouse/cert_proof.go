package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// handedOut holds the certificate of an installation and what its clients trust.
type handedOut struct {
	in    *installation.Installed
	chain []*x509.Certificate // presented by the server, leaf first
	trust []*x509.Certificate // nil: the system's roots
	names certgen.Names
	host  string // host[:port] of the URL for clients
}

// certificate loads the certificate that an installation's clients see.
func (a *app) certificate(ctx context.Context, dir string) (handedOut, error) {
	in, err := a.installation(dir)
	if err != nil {
		return handedOut{}, err
	}
	h := handedOut{in: in}
	switch {
	case ordersCertificates(in):
		states, err := a.orders(ctx, in.Config)
		if err != nil {
			return handedOut{}, err
		}
		if h.chain = states[0].Chain; len(h.chain) == 0 {
			return handedOut{}, errors.New(states[0].Fault())
		}
		h.trust = orderedTrust(in.Config, h.chain, a.now())
	case in.Cert == nil:
		return handedOut{}, noCertificate(in)
	default:
		h.chain, h.trust = in.Cert.Chain, in.Trust()
	}
	h.names = certgen.NamesOf(h.chain[0])
	resolved, _ := answer.Resolve(ctx, machine.Detect(ctx, machine.ThisMachine()), in, answer.Input{Quick: true})
	u, err := url.Parse(resolved.Answers.URL())
	if err != nil {
		return handedOut{}, fmt.Errorf("read the URL that clients use: %w", err)
	}
	h.host = u.Host
	return h, nil
}

// verify verifies the chain for each name, as clients do that trust the exported certificates.
func (h handedOut) verify(now time.Time) error {
	var key any
	if h.in.Cert != nil && h.in.Cert.Pair != nil {
		key = h.in.Cert.Pair.Key.Public()
	}
	var worst []string
	for _, p := range certgen.Verify(h.chain, key, h.trust, h.names, now) {
		if p.Severity == finding.Refused {
			worst = append(worst, p.What+": "+p.Remedy)
		}
	}
	if len(worst) > 0 {
		return fmt.Errorf("clients refuse the certificate: %s", strings.Join(worst, "; "))
	}
	return nil
}

// proveCert verifies the certificate of an installation and compares it with the one that its
// running server presents.
func (a *app) proveCert(ctx context.Context, dir string) error {
	h, err := a.certificate(ctx, dir)
	if err != nil {
		return err
	}
	if err := h.verify(a.now()); err != nil {
		return exitWith(exitFindings, err)
	}
	a.say("verified as a client would: %s", strings.Join(h.names.Strings(), ", "))
	client, err := findServer(h.in.Config, h.in.Dir)
	if errors.Is(err, admin.ErrNotRunning) {
		a.say("no server of this installation is running: the certificate that it serves is not proven")
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
	if err := h.served(ctx, dialable(status.Address)); err != nil {
		return exitWith(exitFindings, err)
	}
	a.say("served at %s: fingerprint %s", status.Address, certgen.Fingerprint(h.chain[0]))
	return nil
}

// served connects to each name as a client and compares the presented certificate.
func (h handedOut) served(ctx context.Context, address string) error {
	var roots *x509.CertPool
	if h.trust != nil {
		roots = x509.NewCertPool()
		for _, c := range h.trust {
			roots.AddCert(c)
		}
	}
	for _, name := range h.names.Strings() {
		if strings.HasPrefix(name, "*.") {
			name = "packhouse" + name[1:]
		}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		conn, err := (&tls.Dialer{NetDialer: new(net.Dialer), Config: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}).DialContext(
			limited, "tcp", address,
		)
		cancel()
		if err != nil {
			return fmt.Errorf("a client of %s is refused at %s: %w", name, address, err)
		}
		shown := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_ = conn.Close() // nothing was sent
		if !shown.Equal(h.chain[0]) {
			return withHint(
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
