package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packhouse/printable"
	"packhouse/server"
	"packhouse/server/config"
	"packhouse/setup/installation"
)

// newConfig returns the commands for configurations.
func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Verify, show and describe the configuration of the server",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigVerify(a), newConfigShow(a), newConfigSchema(a))
	return cmd
}

func newConfigVerify(a *app) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Report every reason why the server would not start with FILE",
		Long: `verify reads FILE and the REGISTRY_* variables as serve does, and looks at the files,
rights and ports they name; the ports of a server that runs on FILE are not tried. What it accepts starts. It exits
with 4 if it finds an error. Warnings alone do not prevent a start; check and status exit with 4 for them too.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := a.findConfig(dir, args)
			a.sayFound(found, args)
			loaded, problems := a.verifyConfig(cmd.Context(), found.Path)
			if asJSON {
				report := verifyReport{
					File: found.Path, Valid: loaded != nil && !hasErrors(problems),
					Findings: append([]config.Problem{}, problems...),
				}
				a.pasteableProblems(report.Findings)
				if err := a.printJSON(report); err != nil {
					return err
				}
			} else {
				for _, p := range problems {
					fmt.Fprintf(a.stdout, "%s: %s\n", p.Severity, a.pasteable(p.String()))
				}
			}
			if loaded == nil || hasErrors(problems) {
				return silent(exitFindings)
			}
			if !asJSON {
				fmt.Fprintf(a.stdout, "%s is valid\n", nameOf(found))
			}
			return nil
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// verifyReport is the JSON of config verify.
type verifyReport struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Findings []config.Problem `json:"findings"`
}

func newConfigShow(a *app) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the effective configuration, each value with its origin, secrets masked",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			found := a.findConfig(dir, args)
			a.sayFound(found, args)
			if err := trusted(found.Path); err != nil {
				return err
			}
			loaded, err := a.loadConfig(found.Path)
			if err != nil {
				return err
			}
			if asJSON {
				return loaded.ShowJSON(a.stdout)
			}
			return loaded.Show(a.stdout)
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newConfigSchema returns the command that prints the JSON schema for editors.
func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of the configuration, for editors",
		Long: `schema prints a JSON Schema (draft 2020-12) of the file. It is made from the same table as
docs/configuration.md. Editors with a YAML language server take it from a first line in the file:
# yaml-language-server: $schema=myconfig.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.SchemaJSON())
			return err
		},
	}
}

// nameOf returns the path of a configuration for display.
func nameOf(f config.Found) string {
	if f.Path == "" {
		return "the built-in default"
	}
	return f.Path
}

// sayFound reports which configuration was found, unless args name one, and which existing files
// are ignored.
func (a *app) sayFound(f config.Found, args []string) {
	if len(args) == 0 {
		a.say("configuration: %s, %s", nameOf(f), f.Reason)
	}
	for _, unused := range f.Unused {
		a.warn("%s exists, but is not read", unused)
	}
}

// loadConfig loads a configuration as serve does: the file, or the vendor's default if path is
// empty, then the environment variables.
func (a *app) loadConfig(path string) (*config.Loaded, error) {
	return config.Load(config.Source{Path: path, Env: a.env})
}

// verifyConfig loads a configuration and verifies the files and addresses in it. The result is nil
// if it does not load; problems contains the reason. Ports used by the configuration's own server
// are not reported; a server with another configuration on the same store is.
func (a *app) verifyConfig(ctx context.Context, path string) (*config.Loaded, []config.Problem) {
	if problems := unsafeProblems(path); len(problems) > 0 {
		return nil, problems
	}
	loaded, err := a.loadConfig(path)
	if err != nil {
		return nil, configProblems(path, err)
	}
	problems := loaded.Notices
	running := false
	client, err := a.findRunning(ctx, path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		running = true
		a.say("a server may run on it, which this user may not ask: its addresses are not tried")
	case err == nil:
		status, err := client.Status(ctx)
		client.Close()
		file, bad := filepath.Abs(path)
		switch {
		case err != nil || bad != nil:
		case path == "" && status.Config == "", path != "" && installation.SameFile(status.Config, file):
			running = true
			a.say("a server runs on it (pid %d): its addresses are not tried", status.PID)
		case loaded.Config.Storage.Driver == config.Filesystem:
			problems = append(problems, config.Problem{
				Code: config.CodeStorage, Severity: config.Error, File: path, Key: "storage.filesystem.rootdirectory",
				What: fmt.Sprintf(
					"storage.filesystem.rootdirectory belongs to a running server: pid %d, with the configuration %s",
					status.PID, status.Config,
				),
				Remedy: "stop that server, or name another directory",
			})
		}
	}
	probes := config.Probes{
		Running: running, MayRun: true, Users: a.serversOf(path), Now: a.now,
		Bucket: func(ctx context.Context, c *config.Config) ([]config.Problem, error) { return a.tryBucket(ctx, c) },
	}
	return loaded, append(problems, loaded.Verify(ctx, probes)...)
}

// bucketPatience is the timeout of testing a bucket.
const bucketPatience = 30 * time.Second

// tryBucket opens and closes the store in a bucket, as serve does, and returns what serve would log
// about its service.
func (a *app) tryBucket(ctx context.Context, c *config.Config) ([]config.Problem, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	once := *c
	once.Storage.S3.MaxRetries = 1 // the user is waiting
	store, err := server.OpenStore(ctx, &once, slog.New(slog.DiscardHandler), a.now)
	if err != nil {
		return nil, err
	}
	return lackingIn(store), store.Close()
}

// printJSON prints a result as JSON. It escapes terminal control characters.
func (a *app) printJSON(v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(printable.JSON(text.Bytes()))
	return err
}

// hasErrors reports whether a problem prevents the server from starting.
func hasErrors(problems []config.Problem) bool {
	return slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Severity == config.Error })
}

// configProblems converts a load error to problems.
func configProblems(path string, err error) []config.Problem {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems
	}
	return []config.Problem{{Code: config.CodeRead, Severity: config.Error, File: path, What: err.Error()}}
}
