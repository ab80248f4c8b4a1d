package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
)

// ordersCertificates tells whether the server of an installation has its certificates from an ACME directory.
func ordersCertificates(in *setup.Installed) bool {
	return in.Config != nil && in.Config.HTTP.TLS.LetsEncrypt.Enabled()
}

// ordered is one name in the JSON of cert show.
type ordered struct {
	Host        string        `json:"host"`
	Certificate *certgen.Info `json:"certificate,omitempty"` // absent: none yet, and a stand-in is served
	DaysLeft    int           `json:"daysLeft"`
	Failure     string        `json:"failure,omitempty"` // of the last order
	NextTry     time.Time     `json:"nextTry,omitzero"`
}

// orders reads how it stands with the names of a configuration, as its server left it in the cache.
func (a *app) orders(ctx context.Context, c *config.Config) ([]acme.State, error) {
	l := c.HTTP.TLS.LetsEncrypt
	m, err := acme.New(ctx, acme.Options{
		Hosts: l.Hosts, Directory: l.DirectoryURL, Cache: acme.Directory(l.CacheFile), Log: slog.New(slog.DiscardHandler), Now: a.now,
	})
	if err != nil {
		return nil, err
	}
	return m.States(), nil
}

// orderedTrust returns what clients of a certificate that was ordered have to trust; nil: what their systems do. A private directory often
// signs with the CA that its own address is trusted by.
func orderedTrust(c *config.Config, chain []*x509.Certificate, now time.Time) []*x509.Certificate {
	data, err := os.ReadFile(c.HTTP.TLS.LetsEncrypt.CAFile)
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

// addOrders tells the checks what is known of certificates that the server orders.
func (a *app) addOrders(ctx context.Context, t *check.Target) {
	states, err := a.orders(ctx, t.Config)
	if err != nil {
		return // the check of the configuration tells
	}
	if t.Chain = states[0].Chain; len(t.Chain) > 0 {
		t.Roots = orderedTrust(t.Config, t.Chain, a.now())
		a.believe(t)
	}
	for _, s := range states {
		t.Names.DNS = append(t.Names.DNS, s.Host)
		if fault := s.Fault(); fault != "" {
			t.Findings = append(t.Findings, config.Problem{
				Code: certgen.CodeMissing, Severity: config.Error, File: t.ConfigPath, Key: "http.tls.letsencrypt", What: fault,
				Remedy: "see that the CA reaches this server under that name: TLS-ALPN-01 comes to port 443, HTTP-01 to port 80",
			})
		}
	}
}

// believe lets the checks go on where an authority has signed that this machine does not know, one for staging say: everything else can be
// proven with what it handed out itself. That this machine does not trust it is told.
func (a *app) believe(t *check.Target) {
	if t.Roots != nil {
		return
	}
	for _, p := range certgen.Verify(t.Chain, nil, nil, certgen.NamesOf(t.Chain[0]), a.now()) {
		if p.Code != certgen.CodeIncomplete && p.Code != certgen.CodeUntrusted {
			continue
		}
		top := t.Chain[len(t.Chain)-1]
		t.Roots = []*x509.Certificate{top}
		t.Findings = append(t.Findings, config.Problem{
			Code: certgen.CodeUntrusted, Severity: config.Warning, File: t.ConfigPath, Key: "http.tls.letsencrypt.directoryurl",
			What:   fmt.Sprintf("this machine does not trust who signs for that directory: %s", top.Issuer),
			Remedy: "clients need its root certificate; of a directory for staging nobody has it",
		})
		return
	}
}

// showOrders describes the certificates that the server ordered. It ends with 4 where one is missing or could not be renewed.
func (a *app) showOrders(ctx context.Context, in *setup.Installed, asJSON bool) error {
	states, err := a.orders(ctx, in.Config)
	if err != nil {
		return err
	}
	var list []ordered
	findings := false
	for _, s := range states {
		o := ordered{Host: s.Host, Failure: s.Failure, NextTry: s.NextTry}
		if s.Leaf != nil {
			info := certgen.Inspect(s.Leaf)
			o.Certificate, o.DaysLeft = &info, info.DaysLeft(a.now())
		}
		findings = findings || s.Fault() != ""
		list = append(list, o)
	}
	if asJSON {
		err = a.printJSON(map[string]any{"orders": list})
	} else {
		a.sayOrders(in, states, list)
	}
	if err == nil && findings {
		return silent(exitFindings)
	}
	return err
}

func (a *app) sayOrders(in *setup.Installed, states []acme.State, list []ordered) {
	const row = "%-12s %s\n"
	directory := in.Config.HTTP.TLS.LetsEncrypt.DirectoryURL
	if directory == "" {
		directory = acme.LetsEncrypt
	}
	fmt.Fprintf(a.stdout, row, "directory", directory)
	fmt.Fprintf(a.stdout, row, "cache", in.Config.HTTP.TLS.LetsEncrypt.CacheFile)
	for i, o := range list {
		fmt.Fprintf(a.stdout, "\n"+row, "name", o.Host)
		if o.Certificate != nil {
			fmt.Fprintf(a.stdout, row, "valid until", until(o.Certificate, o.DaysLeft))
			fmt.Fprintf(a.stdout, row, "fingerprint", o.Certificate.Fingerprint)
			fmt.Fprintf(a.stdout, row, "issuer", o.Certificate.Issuer)
		}
		if fault := states[i].Fault(); fault != "" {
			a.warn("%s", fault)
		}
	}
}

// until tells when a certificate ends.
func until(info *certgen.Info, left int) string {
	return fmt.Sprintf("%s, %d days left", info.NotAfter.UTC().Format("2006-01-02 15:04 MST"), left)
}

// orderPatience is how long a proof waits for the first certificates.
const orderPatience = 2 * time.Minute

// awaitOrders waits until the server of a configuration has a certificate for each name, or was refused one.
func (a *app) awaitOrders(ctx context.Context, path string) {
	loaded, err := a.loadConfig(path)
	if err != nil || !loaded.Config.HTTP.TLS.LetsEncrypt.Enabled() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	for ctx.Err() == nil {
		states, err := a.orders(ctx, &loaded.Config)
		waiting := slices.ContainsFunc(states, func(s acme.State) bool { return s.Leaf == nil && (s.Failure == "" || s.Ordering) })
		if err != nil || !waiting {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}
