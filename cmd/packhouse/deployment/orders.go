package deployment

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/server"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/trust"
)

// OrdersCertificates reports whether an installation's server orders its certificates from an ACME
// directory.
func OrdersCertificates(in *installation.Installed) bool {
	return in.Config != nil && in.Config.HTTP.TLS.LetsEncrypt.Enabled()
}

// ordered is one name in the JSON of cert show.
type ordered struct {
	Host        string        `json:"host"`
	Certificate *certgen.Info `json:"certificate,omitempty"` // nil: none yet, and the server presents a placeholder
	DaysLeft    int           `json:"daysLeft"`
	Failure     string        `json:"failure,omitempty"` // of the last order, or of reading the cache
	NextTry     time.Time     `json:"nextTry,omitzero"`
}

// Orders returns the state of the orders for the names in a configuration, from the servers' cache.
func Orders(ctx context.Context, a *cli.App, c *config.Config) ([]acme.State, error) {
	cache, err := server.CertificateCache(ctx, c)
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

// ShowOrders describes the certificates that the server ordered. It returns exit code 4 if one is
// missing or could not be renewed.
func ShowOrders(ctx context.Context, a *cli.App, in *installation.Installed, asJSON bool) error {
	states, err := Orders(ctx, a, in.Config)
	if err != nil {
		return err
	}
	var list []ordered
	findings := false
	for _, s := range states {
		o := ordered{Host: s.Host, Failure: cmp.Or(s.Unread, s.Failure), NextTry: s.NextTry}
		if s.Leaf != nil {
			info := certgen.Inspect(s.Leaf)
			o.Certificate, o.DaysLeft = &info, info.DaysLeft(a.Now())
		}
		findings = findings || s.Fault() != ""
		list = append(list, o)
	}
	if asJSON {
		err = a.PrintJSON(map[string]any{"orders": list})
	} else {
		sayOrders(a, in, states, list)
	}
	if err == nil && findings {
		return cli.Silent(cli.ExitFindings)
	}
	return err
}

func sayOrders(a *cli.App, in *installation.Installed, states []acme.State, list []ordered) {
	const row = "%-12s %s\n"
	directory := in.Config.HTTP.TLS.LetsEncrypt.DirectoryURL
	if directory == "" {
		directory = acme.LetsEncrypt
	}
	fmt.Fprintf(a.Stdout, row, "directory", directory)
	fmt.Fprintf(a.Stdout, row, "cache", in.Config.HTTP.TLS.LetsEncrypt.CacheFile)
	for i, o := range list {
		fmt.Fprintf(a.Stdout, "\n"+row, "name", o.Host)
		if o.Certificate != nil {
			fmt.Fprintf(a.Stdout, row, "valid until", until(o.Certificate, o.DaysLeft))
			fmt.Fprintf(a.Stdout, row, "fingerprint", o.Certificate.Fingerprint)
			fmt.Fprintf(a.Stdout, row, "issuer", o.Certificate.Issuer)
		}
		if fault := states[i].Fault(); fault != "" {
			a.Warn("%s", fault)
		}
	}
}

// until describes when a certificate expires.
func until(info *certgen.Info, left int) string {
	return fmt.Sprintf("%s, %s left", info.NotAfter.UTC().Format("2006-01-02 15:04 MST"), spelling.Count(left, "day"))
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
	cache, err := server.CertificateCache(ctx, &loaded.Config)
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
