package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"packhouse/packs"
	"packhouse/printable"
)

// lintReport is the JSON of pack lint.
type lintReport struct {
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	Problems []packs.Problem `json:"problems"`
}

func newPackLint(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint DIR",
		Short: "Judge the pack in a folder",
		Long: `lint tells what is wrong with a pack, in the order in which it is best fixed. Errors keep it from being pushed, warnings do not.
It exits with 4 where it finds anything. docs/palette.md explains the codes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			pack, err := openPack(args[0])
			if err != nil {
				return err
			}
			report := lintReport{Problems: pack.Lint()}
			if pack.Metadata != nil {
				report.Name, report.Version = pack.Metadata.Name, pack.Metadata.Version
			}
			switch {
			case asJSON:
				if report.Problems == nil {
					report.Problems = []packs.Problem{}
				}
				err = a.printJSON(report)
			case len(report.Problems) == 0:
				fmt.Fprintf(a.stdout, "%s %s is fine: %d files\n", report.Name, report.Version, len(pack.Files))
			default:
				writeProblems(a.stdout, report.Problems)
			}
			if err == nil && len(report.Problems) > 0 {
				return silent(exitFindings)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// openPack reads the pack in a folder.
func openPack(dir string) (*packs.Pack, error) {
	pack, err := packs.OpenDir(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case err != nil:
		return nil, withHint(err, "a pack is a folder with pack.json in it; packhouse pack build makes one")
	}
	return pack, nil
}

// sayProblems prints the problems of a pack to standard error.
func (a *app) sayProblems(problems []packs.Problem) { writeProblems(a.stderr, problems) }

func writeProblems(w io.Writer, problems []packs.Problem) {
	for _, p := range problems {
		printable.Value(&p) // names and values come from the pack
		where := p.Where()
		if where != "" {
			where += ": "
		}
		fmt.Fprintf(w, "%s: %s  [%s]\n", p.Severity, printable.Line(where+p.What), p.Code)
		if p.Remedy != "" {
			fmt.Fprintf(w, "    remedy: %s\n", printable.Line(p.Remedy))
		}
	}
}
