package certcmd

import (
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
)

func newExport(a *cli.App) *cobra.Command {
	var o clienttrust.ExportOptions
	cmd := &cobra.Command{
		Use:   "export [chain|ca|kubernetes|docker]",
		Short: "Export the certificate for clients and clusters",
		Long: `Write the certificate for clients and clusters, to standard output or to --out:

  chain       the certificate that the server uses, with its chain (PEM)
  ca          the certificate that clients must trust (PEM)
  kubernetes  a Secret with ca.crt; with --with-key one of type kubernetes.io/tls that holds the server's
              certificate and its private key too
  docker      a tree certs.d/HOST:PORT/ca.crt below --out, as docker, podman and containerd read it

The default is ca, or chain if clients trust the certificate already. What is written is read back and verified
as a client would.`,
		Example: `  packhouse cert export -o ca.crt
  packhouse cert export kubernetes --namespace registry | kubectl apply -f -
  packhouse cert export docker --out /etc/docker`,
		ValidArgs: []string{"chain", "ca", "kubernetes", "docker"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := clienttrust.Load(cmd.Context(), a, o.Dir)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"ca"}
				if h.Trust == nil {
					args[0] = "chain"
				}
			}
			if err := clienttrust.Export(a, h, args[0], o); err != nil {
				return err
			}
			if err := h.Verify(a.Now()); err != nil {
				return cli.ExitWith(cli.ExitFindings, err)
			}
			a.Say("verified as a client would: %s", strings.Join(h.Names.Strings(), ", "))
			return nil
		},
	}
	a.AddDir(cmd, &o.Dir)
	f := cmd.Flags()
	f.StringVarP(&o.Out, "out", "o", "", "`PATH` to write to, instead of standard output")
	f.StringVar(&o.Name, "name", "packhouse-tls", "`NAME` of the Secret")
	f.StringVar(&o.Namespace, "namespace", "", "`NAMESPACE` of the Secret")
	f.BoolVar(&o.WithKey, "with-key", false, "put the private key into the Secret")
	return cmd
}
