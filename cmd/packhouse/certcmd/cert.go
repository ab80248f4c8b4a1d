// Package certcmd has the commands below "packhouse cert".
package certcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup/installation"
	"packhouse/spelling"
)

// New returns the commands for the server's certificate.
func New(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Show, rotate and distribute the server's certificate",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertShow(a), newCertRotate(a), newCertExport(a), newCertTrust(a))
	return cmd
}

// certReport is the JSON of cert show.
type certReport struct {
	Certificate *certgen.Info `json:"certificate"`
	CA          *certgen.Info `json:"ca,omitempty"`
	DaysLeft    int           `json:"daysLeft"`
	CloseToEnd  bool          `json:"closeToEnd"`
}

func newCertShow(a *cli.App) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the certificate: names, end, fingerprint",
		Long:  `show describes the certificate that the server uses. It exits with 4 where the certificate should be renewed.`,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			installed, err := a.Installation(dir)
			if err != nil {
				return err
			}
			if deployment.OrdersCertificates(installed) {
				return deployment.ShowOrders(cmd.Context(), a, installed, asJSON)
			}
			if installed.Cert == nil {
				return clienttrust.NoCertificate(installed)
			}
			report := certReport{
				Certificate: &installed.Cert.Info, DaysLeft: installed.Cert.Info.DaysLeft(a.Now()),
				CloseToEnd: installed.Cert.CloseEnd,
			}
			if installed.CA != nil {
				report.CA = &installed.CA.Info
			}
			if asJSON {
				err = a.PrintJSON(report)
			} else {
				showCert(a, installed.Cert, report)
			}
			if err == nil && report.CloseToEnd {
				return cli.Silent(cli.ExitFindings)
			}
			return err
		},
	}
	a.AddDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func showCert(a *cli.App, cert *installation.Certificate, r certReport) {
	const row = "%-12s %s\n"
	fmt.Fprintf(a.Stdout, row, "file", cert.Path)
	fmt.Fprintf(a.Stdout, row, "names", strings.Join(r.Certificate.Names.Strings(), ", "))
	fmt.Fprintf(
		a.Stdout,
		row,
		"valid until",
		fmt.Sprintf(
			"%s, %s left", r.Certificate.NotAfter.UTC().Format("2006-01-02 15:04 MST"),
			spelling.Count(r.DaysLeft, "day"),
		),
	)
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
		a.Hint("packhouse cert rotate makes a new one")
	}
}
