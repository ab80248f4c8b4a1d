package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/config"
	"packhouse/setup/check"
)

// checkOptions are the flags of check.
type checkOptions struct {
	*cli.App
	dir           string
	json          bool
	quick         bool
	url           string
	user          string
	passwordStdin bool
	caFile        string
}

// newCheck returns the command that checks an installation or a remote registry.
func newCheck(a *cli.App) *cobra.Command {
	o := &checkOptions{App: a}
	cmd := &cobra.Command{
		Use:   "check [CONFIG]",
		Short: "Prove an installation: files, certificate, server, users, a round trip",
		Long: `Check the files of an installation, and its server as clients reach it. A check that cannot be made, for
example without a user's password, is reported as "not proven". Exit with 4 if a check fails or warns.

With --url, check another registry from this machine as its clients see it: name, TLS, certificate chain, days
left, clock, health, and that it requires credentials. The chain is verified with the system's CAs, or with
--ca-file. With --user, also check a login and, if that user may delete it again, the push of a small artifact.

The check also lists packs on the running server that Palette does not install, for example if the tag differs
from the version in pack.json. This needs no password.

With --quick, skip checks that write or take long: roles, round trip, packs and bucket access.`,
		Example: `  packhouse check --quick --json
  echo "$PASSWORD" | packhouse check --url https://packs.example.com:5000 --ca-file ca.crt --user ci --password-stdin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("url") && o.url == "" {
				return cli.UsageError(errors.New("--url is empty"))
			}
			if err := o.validate(cmd.Flags().Changed("dir") || len(args) > 0); err != nil {
				return err
			}
			return o.run(cmd.Context(), args)
		},
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print the results as JSON")
	cmd.Flags().BoolVar(&o.quick, "quick", false, "leave out what writes or takes long")
	cmd.Flags().StringVar(&o.url, "url", "", "prove the registry at `URL` instead, as its clients see it")
	cmd.Flags().StringVarP(&o.user, "user", "u", "", "`NAME` of a user there")
	cmd.Flags().BoolVar(&o.passwordStdin, "password-stdin", false, "read the user's password from standard input")
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "`FILE` with the CA of that registry, PEM (default the CAs of the system)")
	return cmd
}

// checkReport is the JSON of check.
type checkReport struct {
	check.Report
	Findings config.Findings `json:"findings"` // as in status and config verify
}

// run runs the checks and prints their results to standard output. It returns an error with exit code
// 4 if a check failed or warned.
func (o *checkOptions) run(ctx context.Context, args []string) error {
	target, err := o.target(ctx, args)
	if err != nil {
		return err
	}
	report := check.Run(ctx, target, func(e check.Event) {
		if !o.json {
			deployment.PrintCheck(o.Stdout, e)
		}
	})
	if o.json {
		all := checkReport{Report: report, Findings: config.Findings{}}
		for _, result := range report.Results {
			all.Findings = append(all.Findings, findingsIn(result, target.Findings)...)
		}
		all.Findings = cli.PasteableFindings(o.App, all.Findings)
		if err := o.PrintJSON(all); err != nil {
			return err
		}
	}
	if report.NeedsAttention() {
		return cli.Silent(cli.ExitFindings)
	}
	return nil
}

// validate returns an error for mutually exclusive flags. here reports whether an installation on this
// machine was given.
func (o *checkOptions) validate(here bool) error {
	switch {
	case o.url != "" && here:
		return cli.UsageError(errors.New("--url proves a registry elsewhere, CONFIG and --dir one of this machine: leave one out"))
	case o.url == "" && (o.user != "" || o.passwordStdin || o.caFile != ""):
		return cli.UsageError(cli.WithHint(errors.New("--user, --password-stdin and --ca-file are for a registry elsewhere"), "--url names it; on this machine the server itself lends an identity for each role"))
	case o.passwordStdin && o.user == "":
		return cli.UsageError(errors.New("--password-stdin needs --user, whose password it is"))
	}
	return nil
}

// target returns the target of the checks: the registry at --url, the installation in --dir, or the
// configuration in args.
func (o *checkOptions) target(ctx context.Context, args []string) (check.Target, error) {
	if o.url != "" {
		return o.remote()
	}
	path, err := o.SomeConfig(o.dir, args)
	if err != nil {
		return check.Target{}, err
	}
	return deployment.TargetOf(ctx, o.App, deployment.Subject{Config: path, Quick: o.quick})
}
