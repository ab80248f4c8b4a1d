package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/setup"
)

type rotateOptions struct {
	dir           string
	names, drop   []string
	keyType, days string
	subject       string
	newKey, newCA bool
	dropOldCA     bool
	caKey         string
}

func newCertRotate(a *app) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new certificate, for the same names or others",
		Long: `rotate makes a new certificate, signed by the same CA, so that nobody has to trust anything new. The names
and the key stay unless flags say otherwise. A running server serves it at once; no connection is dropped.

With --new-ca there is a new CA too. ca.crt then holds the new and the old one: hand it out to every
client. The server's certificate is signed by the new one from then on. When every client has it,
--drop-old-ca takes the old one out of ca.crt.

At the end the certificate is verified under each of its names as a client would that trusts what is
handed out and nothing else, and the running server is asked what it serves.`,
		Example: `  packhouse cert rotate
  packhouse cert rotate --san registry.internal --no-san 192.0.2.17
  packhouse cert rotate --ca-key /media/safe/ca.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			installed, err := a.installation(o.dir)
			if err != nil {
				return err
			}
			if err := rotatable(installed); err != nil {
				return err
			}
			if o.newCA && o.dropOldCA {
				return usageError(errors.New("--new-ca and --drop-old-ca: one at a time, with every client moved over in between"))
			}
			if err := a.apply(cmd.Context(), change{dir: o.dir, answers: o.answers()}); err != nil {
				return err
			}
			return a.proveCert(cmd.Context(), o.dir)
		},
	}
	a.addDir(cmd, &o.dir)
	f := cmd.Flags()
	f.StringArrayVar(&o.names, "san", nil, "further `NAME_OR_IP`")
	f.StringArrayVar(&o.drop, "no-san", nil, "`NAME_OR_IP` to leave out")
	f.StringVar(&o.days, "cert-days", "", "life in days, `N`")
	f.StringVar(&o.keyType, "key-type", "", "kind of key, `TYPE`: ecdsa-p256, rsa-2048 or rsa-4096")
	f.StringVar(&o.subject, "subject", "", "further parts of its `SUBJECT`: C=,ST=,L=,O=,OU=")
	f.BoolVar(&o.newKey, "new-key", false, "make a new key too")
	f.BoolVar(&o.newCA, "new-ca", false, "make a new CA too: clients have to trust it")
	f.BoolVar(&o.dropOldCA, "drop-old-ca", false, "after --new-ca: hand out the new CA only, now that every client trusts it")
	f.StringVar(&o.caKey, "ca-key", "", "`FILE` with the CA's key, where it was moved away")
	return cmd
}

// answers are the options as setup takes them.
func (o rotateOptions) answers() setup.Values {
	answers := setup.Values{"rotate-cert": {"true"}}
	for name, set := range map[string]bool{"new-key": o.newKey, "new-ca": o.newCA, "drop-old-ca": o.dropOldCA} {
		if set {
			answers[name] = []string{"true"}
		}
	}
	for name, value := range map[string]string{"cert-days": o.days, "key-type": o.keyType, "subject": o.subject, "ca-key": o.caKey} {
		if value != "" {
			answers[name] = []string{value}
		}
	}
	for name, values := range map[string][]string{"san": o.names, "no-san": o.drop} {
		if len(values) > 0 {
			answers[name] = values
		}
	}
	return answers
}

var errOff = errors.New("this installation has no certificate: TLS is off")

// rotatable tells why the certificate of an installation is not setup's to make.
func rotatable(in *setup.Installed) error {
	switch {
	case ordersCertificates(in):
		return withHint(errors.New("the server orders its certificates itself and renews them in time"), "packhouse cert show tells how it stands")
	case in.Config.HTTP.TLS.Certificate == "":
		return withHint(errOff, "packhouse setup --tls private-ca makes one")
	case in.Config.HTTP.TLS.Certificate != in.Dir+"/"+setup.CertFile:
		return withHint(fmt.Errorf("the certificate %s was not made here", in.Config.HTTP.TLS.Certificate),
			"put a new one in its place, the server notices by itself; packhouse setup --tls private-ca makes one here")
	}
	return nil
}
