// Package configcmd has the commands below "packhouse config".
package configcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/server/config/verify"
	"packhouse/server/storage/drivers"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// New returns the commands for configurations.
func New(a *cli.App) *cobra.Command {
	return cli.Group("config", "Verify, show and describe the configuration of the server",
		newConfigVerify(a), newConfigShow(a), newConfigSchema(a))
}

// options are the flags of the commands that read a configuration.
type options struct {
	*cli.App
	dir  string
	json bool
}

// add adds the flags.
func (o *options) add(cmd *cobra.Command, usage string) *cobra.Command {
	o.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, usage)
	return cmd
}

// find returns the configuration that args or the flags name, and reports which one it is.
func (o *options) find(args []string) config.Found {
	found := o.FindConfig(o.dir, args)
	if len(args) == 0 {
		o.Say("configuration: %s, %s", cli.NameOf(found), found.Reason)
	}
	for _, unused := range found.Unused {
		o.Warn("%s exists, but is not read", unused)
	}
	return found
}

func newConfigVerify(a *cli.App) *cobra.Command {
	o := &options{App: a}
	return o.add(&cobra.Command{
		Use:   "verify [FILE]",
		Short: "Report every reason why the server would not start with FILE",
		Long: `Read FILE and the REGISTRY_* variables as serve does, and check the files, permissions and ports in
them. Ports in use by a server with the same FILE are skipped. The server starts with a configuration
without errors. Exit with 4 if there is an error. Warnings do not prevent a start; check and status
exit with 4 for warnings too.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.verify(cmd.Context(), o.find(args)) },
	}, "print the findings as JSON")
}

func (o *options) verify(ctx context.Context, found config.Found) error {
	loaded, problems := verifyConfig(ctx, o.App, found.Path)
	valid := loaded != nil && !finding.AnyRefused(problems)
	if o.json {
		err := o.PrintJSON(verifyReport{
			File: found.Path, Valid: valid,
			Findings: cli.PasteableFindings(o.App, append(config.Findings{}, problems...)),
		})
		if err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			fmt.Fprintf(o.Stdout, "%s: %s\n", config.Label(p.Severity), o.Pasteable(p.String()))
		}
	}
	if !valid {
		return cli.Silent(cli.ExitFindings)
	}
	if !o.json {
		fmt.Fprintf(o.Stdout, "%s is valid\n", cli.NameOf(found))
	}
	return nil
}

// verifyReport is the JSON of config verify.
type verifyReport struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Findings config.Findings `json:"findings"`
}

func newConfigShow(a *cli.App) *cobra.Command {
	o := &options{App: a}
	return o.add(&cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the effective configuration, each value with its origin, secrets masked",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return o.show(o.find(args)) },
	}, "print JSON")
}

func (o *options) show(found config.Found) error {
	if err := cli.Trusted(found.Path); err != nil {
		return err
	}
	loaded, err := o.LoadConfig(found.Path)
	if err != nil {
		return err
	}
	if o.json {
		return loaded.ShowJSON(o.Stdout)
	}
	return loaded.Show(o.Stdout)
}

func newConfigSchema(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of the configuration, for editors",
		Long: `Print a JSON Schema (draft 2020-12) of the configuration. Editors with a YAML language server use it
if the file begins with this line:
# yaml-language-server: $schema=myconfig.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.Stdout.Write(config.SchemaJSON())
			return err
		},
	}
}

// verifyConfig loads a configuration and verifies the files and addresses in it. The result is nil
// if it does not load; problems contains the reason. Ports used by the configuration's own server
// are not reported; a server with another configuration on the same store is.
func verifyConfig(ctx context.Context, a *cli.App, path string) (*config.Loaded, []finding.Finding) {
	if problems := cli.UnsafeProblems(path); len(problems) > 0 {
		return nil, problems
	}
	loaded, err := a.LoadConfig(path)
	if err != nil {
		return nil, config.FindingsOf(path, err)
	}
	problems := loaded.Notices
	running := false
	client, err := deployment.FindRunning(ctx, a, path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		running = true
		a.Say("a server may run on it, which this user may not ask: its addresses are not tried")
	case err == nil:
		status, err := client.Status(ctx)
		client.Close()
		file, bad := trust.Abs(path)
		switch {
		case err != nil || bad != nil:
		case path == "" && status.Config == "", path != "" && installation.SameFile(status.Config, file):
			running = true
			a.Say("a server runs on it (pid %d): its addresses are not tried", status.PID)
		case loaded.Config.Storage.Driver == config.Filesystem:
			problems = append(problems, finding.Finding{
				Code: config.CodeStorage, Severity: finding.Refused,
				Subject: finding.Subject{File: path, Key: "storage.filesystem.rootdirectory"},
				What: fmt.Sprintf(
					"storage.filesystem.rootdirectory belongs to a running server: pid %d, with the configuration %s",
					status.PID, status.Config,
				),
				Remedy: "stop that server, or name another directory",
			})
		}
	}
	probes := verify.Probes{
		Running: running, MayRun: true, Users: deployment.ServersOf(path), Now: a.Now,
		Bucket: func(ctx context.Context, c *config.Config) ([]finding.Finding, error) { return tryBucket(ctx, a, c) },
	}
	problems = append(problems, verify.Run(ctx, loaded, probes)...)
	for _, f := range deployment.ExposedFiles(path, loaded) {
		reported := func(p finding.Finding) bool { return strings.Contains(p.What, f.File) }
		if !slices.ContainsFunc(problems, reported) {
			problems = append(problems, f)
		}
	}
	return loaded, problems
}

// tryBucket opens and closes the store in a bucket, as serve does, and returns what serve would log
// about its service.
func tryBucket(ctx context.Context, a *cli.App, c *config.Config) ([]finding.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, deployment.BucketPatience)
	defer cancel()
	once := *c
	once.Storage.S3.MaxRetries = 1 // the user is waiting
	store, err := drivers.Open(ctx, &once, drivers.Options{Log: slog.New(slog.DiscardHandler), Now: a.Now})
	if err != nil {
		return nil, err
	}
	return deployment.StoreFindings(store), store.Close()
}
