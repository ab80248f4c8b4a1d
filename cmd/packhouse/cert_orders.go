package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"packhouse/certgen"
	"packhouse/server/acme"
	"packhouse/setup"
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

// orders reads how it stands with the names of an installation, as its server left it in the cache.
func (a *app) orders(ctx context.Context, in *setup.Installed) ([]acme.State, error) {
	l := in.Config.HTTP.TLS.LetsEncrypt
	m, err := acme.New(ctx, acme.Options{
		Hosts: l.Hosts, Directory: l.DirectoryURL, Cache: acme.Directory(l.CacheFile), Log: slog.New(slog.DiscardHandler), Now: a.now,
	})
	if err != nil {
		return nil, err
	}
	return m.States(), nil
}

// showOrders describes the certificates that the server ordered. It ends with 4 where one is missing or could not be renewed.
func (a *app) showOrders(ctx context.Context, in *setup.Installed, asJSON bool) error {
	states, err := a.orders(ctx, in)
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
