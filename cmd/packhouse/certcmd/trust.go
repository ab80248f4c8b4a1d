package certcmd

import (
	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
)

type trustOptions struct {
	dir     string
	install bool
}

func newCertTrust(a *cli.App) *cobra.Command {
	var o trustOptions
	cmd := &cobra.Command{
		Use:   "trust [CLIENT...]",
		Short: "Say how clients come to trust the certificate",
		Long: `trust prints what to do on each kind of client, or on those that are named. It changes nothing.

With --install this machine's own store takes the certificate; what was done, and how to undo it, is said.
At the end this machine verifies the certificate with what it trusts now.`,
		Example: `  packhouse cert trust docker curl
  sudo packhouse cert trust --install`,
		ValidArgs: clienttrust.ClientNames(),
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := clienttrust.Load(cmd.Context(), a, o.dir)
			if err != nil {
				return err
			}
			if h.Trust == nil {
				a.Say("nothing has to be installed anywhere: %s", clienttrust.ErrNoTrust)
				return clienttrust.TrustedHere(a, h)
			}
			if o.install {
				return clienttrust.InstallTrust(cmd.Context(), a, h)
			}
			return clienttrust.PrintSteps(a, h, args)
		},
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.install, "install", false, "install it on this machine")
	return cmd
}
