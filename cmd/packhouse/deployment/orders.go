package deployment

import (
	"context"
	"crypto/x509"
	"log/slog"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/server/acme"
	"packhouse/server/certificates"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// OrdersCertificates reports whether an installation's server orders its certificates from an ACME
// directory.
func OrdersCertificates(in *installation.Installed) bool {
	return in.Config != nil && in.Config.HTTP.TLS.LetsEncrypt.Enabled()
}

// Orders returns the state of the orders for the names in a configuration, from the servers' cache.
func Orders(ctx context.Context, a *cli.App, c *config.Config) ([]acme.State, error) {
	cache, err := certificates.OpenCache(ctx, c)
	if err != nil {
		return nil, err
	}
	return ordersIn(ctx, a, c, cache)
}

func ordersIn(ctx context.Context, a *cli.App, c *config.Config, cache acme.Cache) ([]acme.State, error) {
	l := c.HTTP.TLS.LetsEncrypt
	m, err := acme.New(
		ctx,
		acme.Options{
			Hosts: l.Hosts, Directory: l.DirectoryURL, Cache: cache, Log: slog.New(slog.DiscardHandler), Now: a.Now,
		},
	)
	if err != nil {
		return nil, err
	}
	return m.States(), nil
}

// OrderedTrust returns the certificates that clients must trust for an ordered certificate, or nil
// for the system's roots. A private ACME directory often signs with the CA that also signed its own
// certificate.
func OrderedTrust(c *config.Config, chain []*x509.Certificate, now time.Time) []*x509.Certificate {
	data, err := trust.ReadConfigured(c.HTTP.TLS.LetsEncrypt.CAFile, LargestFile)
	if err != nil {
		return nil
	}
	roots, err := certgen.ParseChain(data)
	if err != nil {
		return nil
	}
	for _, p := range certgen.Verify(chain, nil, roots, certgen.NamesOf(chain[0]), now) {
		if p.Code == certgen.CodeIncomplete || p.Code == certgen.CodeUntrusted {
			return nil
		}
	}
	return roots
}

// orderPatience is how long a check waits for the first certificates.
const orderPatience = 2 * time.Minute

// awaitOrders waits until the configuration's server has a certificate for each name, or its order
// failed.
func awaitOrders(ctx context.Context, a *cli.App, path string) {
	loaded, err := a.LoadConfig(path)
	if err != nil || !loaded.Config.HTTP.TLS.LetsEncrypt.Enabled() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	cache, err := certificates.OpenCache(ctx, &loaded.Config)
	if err != nil {
		return
	}
	for ctx.Err() == nil {
		states, err := ordersIn(ctx, a, &loaded.Config, cache)
		waiting := slices.ContainsFunc(states, func(s acme.State) bool {
			return s.Leaf == nil && s.Unread == "" && (s.Failure == "" || s.Ordering)
		})
		if err != nil || !waiting {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}
