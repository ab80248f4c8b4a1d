package certcmd

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/acme"
	"packhouse/setup/installation"
	"packhouse/spelling"
)

// ordered is one name in the JSON of cert show.
type ordered struct {
	Host        string        `json:"host"`
	Certificate *certgen.Info `json:"certificate,omitempty"` // nil: none yet, and the server presents a placeholder
	DaysLeft    int           `json:"daysLeft"`
	Failure     string        `json:"failure,omitempty"` // of the last order, or of reading the cache
	NextTry     time.Time     `json:"nextTry,omitzero"`
}

// showOrders describes the certificates that the server ordered. It returns exit code 4 if one is
// missing or could not be renewed.
func showOrders(ctx context.Context, a *cli.App, in *installation.Installed, asJSON bool) error {
	states, err := deployment.Orders(ctx, a, in.Config)
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
