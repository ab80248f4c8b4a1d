package certcmd

import (
	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
)

// trustOptions are the flags of "cert trust".
type trustOptions struct {
	dir     string
	install bool
}

func newTrust(a *cli.App) *cobra.Command {
	var o trustOptions
	cmd := &cobra.Command{
		Use:   "trust [CLIENT...]",
		Short: "Print how to make clients trust the certificate",
		Long: `Print the steps for each type of client, or only for those given as arguments. This changes nothing.

With --install, add the certificate to the trust store of this machine, print how to undo that, and verify the
certificate with what this machine trusts then.`,
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
				a.Say("%v", clienttrust.ErrNoTrust)
				return clienttrust.TrustedHere(a, h)
			}
			if o.install {
				return clienttrust.InstallTrust(cmd.Context(), a, h)
			}
			return clienttrust.PrintSteps(a, h, args)
		},
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.install, "install", false, "add the certificate to the trust store of this machine")
	return cmd
}
