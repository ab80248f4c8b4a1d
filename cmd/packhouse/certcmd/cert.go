// Package certcmd has the commands below "packhouse cert".
package certcmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup/installation"
)

// New returns the commands for the server's certificate.
func New(a *cli.App) *cobra.Command {
	return cli.Group("cert", "Show, rotate and distribute the server's certificate",
		newShow(a), newRotate(a), newExport(a), newTrust(a))
}

// certReport is the JSON of cert show.
type certReport struct {
	Certificate *certgen.Info `json:"certificate"`
	CA          *certgen.Info `json:"ca,omitempty"`
	DaysLeft    int           `json:"daysLeft"`
	CloseToEnd  bool          `json:"closeToEnd"`
}

// showOptions are the flags of "cert show".
type showOptions struct {
	*cli.App
	dir  string
	json bool
}

func newShow(a *cli.App) *cobra.Command {
	o := &showOptions{App: a}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the certificate: names, expiry, fingerprint",
		Long:  "Describe the certificate that the server uses. Exit with 4 if it should be renewed.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (o *showOptions) run(ctx context.Context) error {
	in, err := o.Installation(o.dir)
	if err != nil {
		return err
	}
	if deployment.OrdersCertificates(in) {
		return showOrders(ctx, o.App, in, o.json)
	}
	if in.Cert == nil {
		return clienttrust.NoCertificate(in)
	}
	report := certReport{
		Certificate: &in.Cert.Info, DaysLeft: in.Cert.Info.DaysLeft(o.Now()), CloseToEnd: in.Cert.CloseEnd,
	}
	if in.CA != nil {
		report.CA = &in.CA.Info
	}
	if o.json {
		err = o.PrintJSON(report)
	} else {
		showCert(o.App, in.Cert, report)
	}
	if err == nil && report.CloseToEnd {
		return cli.Silent(cli.ExitFindings)
	}
	return err
}

func showCert(a *cli.App, cert *installation.Certificate, r certReport) {
	const row = "%-12s %s\n"
	fmt.Fprintf(a.Stdout, row, "file", cert.Path)
	fmt.Fprintf(a.Stdout, row, "names", strings.Join(r.Certificate.Names.Strings(), ", "))
	fmt.Fprintf(a.Stdout, row, "valid until", until(r.Certificate, r.DaysLeft))
	fmt.Fprintf(a.Stdout, row, "key", r.Certificate.KeyType)
	fmt.Fprintf(a.Stdout, row, "fingerprint", r.Certificate.Fingerprint)
	fmt.Fprintf(a.Stdout, row, "issuer", r.Certificate.Issuer)
	if r.CA != nil {
		fmt.Fprintf(a.Stdout, row, "CA until", r.CA.NotAfter.UTC().Format("2006-01-02"))
		fmt.Fprintf(a.Stdout, row, "CA print", r.CA.Fingerprint)
	}
	if cert.Problem != nil {
		a.Warn("%v", cert.Problem)
	}
	if r.CloseToEnd {
		a.Hint("packhouse cert rotate issues a new one")
	}
}
