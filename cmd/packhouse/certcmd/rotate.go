package certcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/clienttrust"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// rotateOptions are the flags of "cert rotate".
type rotateOptions struct {
	*cli.App
	dir           string
	names, drop   []string
	keyType, days string
	subject       string
	permit        []string
	rotation      answer.Rotation
	caKey         string
	moveCAKey     string
	expiresIn     int // days; 0: always rotate
	json          bool
}

func newRotate(a *cli.App) *cobra.Command {
	o := &rotateOptions{App: a}
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Issue a new certificate, for the same names or others",
		Long: `Issue a new certificate, signed by the same CA, so that clients need no new trust. Names and key stay unless
flags change them. A running server uses the new certificate at once and drops no connection.

With --new-ca, packhouse also creates a new CA, which signs the new certificate. ca.crt then holds the new and
the old CA: hand it out to every client. When every client has it, --drop-old-ca removes the old CA.

Finally, packhouse verifies the certificate under each of its names, as a client that trusts ca.crt alone does,
and checks what the running server serves.

With --expires-in, a certificate that is valid for more than that many days stays, so that scripts can run the
command daily. The last line of output is "changed" or "unchanged".`,
		Example: `  packhouse cert rotate
  packhouse cert rotate --san registry.internal --no-san 192.0.2.17
  packhouse cert rotate --ca-key /media/safe/ca.key
  packhouse cert rotate --expires-in 30 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	a.AddDir(cmd, &o.dir)
	f := cmd.Flags()
	f.StringArrayVar(&o.names, "san", nil, "add `NAME_OR_IP` to the certificate")
	f.StringArrayVar(&o.drop, "no-san", nil, "remove `NAME_OR_IP` from the certificate")
	f.StringVar(&o.days, "cert-days", "", "validity of the certificate in days, `N`")
	f.StringVar(&o.keyType, "key-type", "", "`TYPE` of a new key: ecdsa-p256, rsa-2048 or rsa-4096")
	f.StringVar(&o.subject, "subject", "", "`SUBJECT` of the certificate: C=,ST=,L=,O=,OU=")
	f.BoolVar(&o.rotation.NewKey, "new-key", false, "also generate a new key")
	f.BoolVar(&o.rotation.NewCA, "new-ca", false, "also create a new CA, which every client must trust")
	f.StringArrayVar(
		&o.permit, "ca-permit", nil,
		"with --new-ca: limit the CA to names below or addresses in `NAME_OR_CIDR` (default the limits of the old CA)",
	)
	f.BoolVar(&o.rotation.DropOldCA, "drop-old-ca", false, "after --new-ca: remove the old CA from ca.crt")
	f.StringVar(&o.caKey, "ca-key", "", "`FILE` with the CA's key, if you keep it elsewhere")
	f.StringVar(&o.moveCAKey, "move-ca-key", "", "afterwards, move the CA's key to `FILE`, a new file")
	f.IntVar(&o.expiresIn, "expires-in", 0, "rotate only if the certificate expires within `DAYS` days")
	deployment.AddJSON(cmd, &o.json)
	return cmd
}

func (o *rotateOptions) validate() error {
	switch {
	case o.expiresIn < 0:
		return cli.UsageError(fmt.Errorf("--expires-in: %d is not a number of days", o.expiresIn))
	case o.caKey != "" && o.moveCAKey != "":
		return cli.UsageError(
			errors.New("--ca-key and --move-ca-key exclude each other: the key is not in the installation"))
	case o.rotation.NewCA && o.rotation.DropOldCA:
		return cli.UsageError(
			errors.New("--new-ca and --drop-old-ca: one at a time, with every client moved over in between"))
	}
	return VerifyKeyTarget(o.moveCAKey)
}

func (o *rotateOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	changed, err := deployment.ApplyChange(ctx, o.App, deployment.Change{
		Dir: o.dir, Answers: o.answers(), Decide: o.decide, JSON: o.json, Flags: flags,
		Edit: func(setup.Secret) answer.Edit { return answer.Rotate(o.rotation) },
	})
	if err != nil || !changed {
		return err
	}
	if err := clienttrust.Prove(ctx, o.App, o.dir); err != nil {
		return deployment.AfterChange(err)
	}
	if o.moveCAKey != "" {
		return deployment.AfterChange(MoveCAKey(ctx, o.App, o.dir, o.moveCAKey))
	}
	dir, err := trust.Abs(o.dir)
	if err == nil {
		if c := plan.CAKeyAdvice(dir); c != nil {
			o.Hint("%s: %s", c.Title, c.Line)
		}
	}
	return err
}

// decide keeps a certificate that is valid for longer than --expires-in.
func (o *rotateOptions) decide(in *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
	if err := rotatable(in); err != nil {
		return "", err
	}
	if in.Cert == nil || o.expiresIn == 0 {
		return "", nil
	}
	if left := in.Cert.Info.DaysLeft(o.Now()); left > o.expiresIn {
		return fmt.Sprintf("the certificate is valid for %d more days", left), nil
	}
	return "", nil
}

// answers returns the flags that setup has too.
func (o *rotateOptions) answers() answer.Values {
	answers := answer.Values{}
	given := map[string]string{"cert-days": o.days, "key-type": o.keyType, "subject": o.subject, "ca-key": o.caKey}
	for name, value := range given {
		if value != "" {
			answers[name] = []string{value}
		}
	}
	for name, values := range map[string][]string{"san": o.names, "no-san": o.drop, "ca-permit": o.permit} {
		if len(values) > 0 {
			answers[name] = values
		}
	}
	return answers
}

// rotatable returns an error if setup did not issue the certificate of an installation.
func rotatable(in *installation.Installed) error {
	switch {
	case deployment.OrdersCertificates(in):
		return cli.WithHint(
			errors.New("the server orders its certificates itself and renews them in time"),
			"packhouse cert show reports the state",
		)
	case in.Config.HTTP.TLS.Certificate == "":
		return clienttrust.NoCertificate(in)
	case in.Config.HTTP.TLS.Certificate != in.Dir+"/"+installation.CertFile:
		return cli.WithHint(
			fmt.Errorf("the certificate %s was not made here", in.Config.HTTP.TLS.Certificate),
			"replace the file, and the server loads it automatically; packhouse setup --tls private-ca creates one here",
		)
	}
	return nil
}
