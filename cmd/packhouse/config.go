package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/server/config"
)

// newConfig groups what reads configurations.
func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Verify and show the configuration of the server",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigVerify(a), newConfigShow(a))
	return cmd
}

func newConfigVerify(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Tell every reason why the server would not start with FILE",
		Long: `verify reads FILE and the REGISTRY_* variables as serve does, and looks at the files,
rights and ports they name. What it accepts starts. It exits with 4 where it finds something.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := a.configPath("", args)
			if err != nil {
				return err
			}
			loaded, problems := a.verifyConfig(cmd.Context(), path)
			if asJSON {
				if err := a.printJSON(verifyReport{File: path, Valid: loaded != nil && !hasErrors(problems), Problems: append([]config.Problem{}, problems...)}); err != nil {
					return err
				}
			} else {
				for _, p := range problems {
					fmt.Fprintf(a.stdout, "%s: %s\n", p.Severity, p)
				}
			}
			if loaded == nil || hasErrors(problems) {
				return silent(exitFindings)
			}
			if !asJSON {
				fmt.Fprintf(a.stdout, "%s is valid\n", path)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// verifyReport is the JSON of config verify.
type verifyReport struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Problems []config.Problem `json:"problems"`
}

func newConfigShow(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the effective configuration, each value with its origin, secrets masked",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.configPath("", args)
			if err != nil {
				return err
			}
			loaded, err := a.loadConfig(path)
			if err != nil {
				return err
			}
			if asJSON {
				return loaded.ShowJSON(a.stdout)
			}
			return loaded.Show(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// loadConfig reads a configuration as serve does: the file (empty: the vendor's default document), then the variables.
func (a *app) loadConfig(path string) (*config.Loaded, error) {
	return config.Load(config.Source{Path: path, Env: a.env})
}

// verifyConfig loads a configuration and looks at what it names. The result is nil where it does not load; problems say why.
func (a *app) verifyConfig(ctx context.Context, path string) (*config.Loaded, []config.Problem) {
	loaded, err := a.loadConfig(path)
	if err != nil {
		return nil, configProblems(path, err)
	}
	return loaded, append(loaded.Notices, loaded.Verify(ctx, config.Probes{})...)
}

// printJSON writes a result for programs.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
