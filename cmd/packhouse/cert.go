package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/certgen"
	"packhouse/setup/installation"
	"packhouse/spelling"
)

// newCert returns the commands for the server's certificate.
func newCert(a *app) *cobra.Command {
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

func newCertShow(a *app) *cobra.Command {
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
			installed, err := a.installation(dir)
			if err != nil {
				return err
			}
			if ordersCertificates(installed) {
				return a.showOrders(cmd.Context(), installed, asJSON)
			}
			if installed.Cert == nil {
				return noCertificate(installed)
			}
			report := certReport{
				Certificate: &installed.Cert.Info, DaysLeft: installed.Cert.Info.DaysLeft(a.now()),
				CloseToEnd: installed.Cert.CloseEnd,
			}
			if installed.CA != nil {
				report.CA = &installed.CA.Info
			}
			if asJSON {
				err = a.printJSON(report)
			} else {
				a.showCert(installed.Cert, report)
			}
			if err == nil && report.CloseToEnd {
				return silent(exitFindings)
			}
			return err
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) showCert(cert *installation.Certificate, r certReport) {
	const row = "%-12s %s\n"
	fmt.Fprintf(a.stdout, row, "file", cert.Path)
	fmt.Fprintf(a.stdout, row, "names", strings.Join(r.Certificate.Names.Strings(), ", "))
	fmt.Fprintf(
		a.stdout,
		row,
		"valid until",
		fmt.Sprintf(
			"%s, %s left", r.Certificate.NotAfter.UTC().Format("2006-01-02 15:04 MST"),
			spelling.Count(r.DaysLeft, "day"),
		),
	)
	fmt.Fprintf(a.stdout, row, "key", r.Certificate.KeyType)
	fmt.Fprintf(a.stdout, row, "fingerprint", r.Certificate.Fingerprint)
	fmt.Fprintf(a.stdout, row, "issuer", r.Certificate.Issuer)
	if r.CA != nil {
		fmt.Fprintf(a.stdout, row, "CA until", r.CA.NotAfter.UTC().Format("2006-01-02"))
		fmt.Fprintf(a.stdout, row, "CA print", r.CA.Fingerprint)
	}
	if cert.Problem != nil {
		a.warn("%v", cert.Problem)
	}
	if r.CloseToEnd {
		a.hint("packhouse cert rotate makes a new one")
	}
}
