package packcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/packs"
	"packhouse/packs/lint"
	"packhouse/printable"
	"packhouse/spelling"
	"packhouse/trust"
)

// lintReport is the JSON of pack lint for one pack. Several packs are a list of them.
type lintReport struct {
	Dir      string         `json:"dir"`
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Problems packs.Findings `json:"problems"`
	Ignored  []lint.Ignored `json:"ignored"`

	files int
}

// lintFlags are the flags of pack lint.
type lintFlags struct {
	severity string
	config   string
	json     bool
}

// lintConfigFile is the configuration of pack lint in the current directory.
const lintConfigFile = ".packhouse-lint.yaml"

func newPackLint(a *cli.App) *cobra.Command {
	var o lintFlags
	cmd := &cobra.Command{
		Use:   "lint DIR...",
		Short: "Validate packs in folders",
		Long: `lint reports what is wrong with packs, in the order in which to fix it: errors prevent a push, warnings are likely
mistakes, and notes may be intended. It reads values, charts, manifests, schema and presets, and compares the images
that the charts deploy with those that the pack declares. It exits with 4 if there is an error; --severity sets what
counts. A comment "# packhouse:ignore CODE reason" in a YAML file silences the finding of the same or the next line; a
configuration file silences findings anywhere: {severity: warning, ignore: [{code: CODE, reason: TEXT}]}, where
an item of ignore can also have pack, path and match.`,
		Example: `  packhouse pack lint ./nginx-1.2.3
  packhouse pack lint packs/* --severity warning --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := readLintConfig(o.config)
			if err != nil {
				return err
			}
			severity := cmp.Or(config.Severity, finding.Refused)
			if o.severity != "" {
				if severity, err = lint.ParseSeverity(o.severity); err != nil {
					return cli.UsageError(fmt.Errorf("--severity: %w", err))
				}
			}
			reports, err := lintAll(cmd.Context(), args, config)
			if err != nil {
				return err
			}
			if err := printLint(a, reports, o.json); err != nil {
				return err
			}
			for _, r := range reports {
				if lint.AtLeast(r.Problems, severity) > 0 {
					return cli.Silent(cli.ExitFindings)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.severity, "severity", "",
		"exit with 4 if there are findings of this `SEVERITY` or above: error, warning, note (default error)")
	cmd.Flags().StringVar(&o.config, "config", "",
		"`FILE` with findings to ignore (default "+lintConfigFile+", if it exists)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// readLintConfig reads a configuration: the named file, else the one in the current directory, if any.
func readLintConfig(name string) (*lint.Config, error) {
	text, err := trust.ReadInput(cmp.Or(name, lintConfigFile), trust.MaxInput)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "":
		return &lint.Config{}, nil
	case err != nil:
		return nil, fmt.Errorf("read configuration of lint: %w", err)
	}
	config, err := lint.ParseConfig(text)
	if err != nil {
		return nil, cli.WithHint(err, "write it like {severity: warning, ignore: [{code: CODE, reason: TEXT}]}")
	}
	return config, nil
}

// lintAll validates several packs in parallel.
func lintAll(ctx context.Context, dirs []string, config *lint.Config) ([]lintReport, error) {
	reports := make([]lintReport, len(dirs))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, dir := range dirs {
		group.Go(func() error {
			report, err := lintFolder(ctx, dir, config)
			if err == nil {
				reports[i] = report
			}
			return err
		})
	}
	return reports, group.Wait()
}

// lintFolder validates the pack in a folder.
func lintFolder(ctx context.Context, dir string, config *lint.Config) (lintReport, error) {
	report := lintReport{Dir: dir, Problems: packs.Findings{}, Ignored: []lint.Ignored{}}
	pack, err := openPack(dir)
	if err != nil {
		return report, err
	}
	problems, ignored, err := lintPack(dir, pack, config, func(r *lint.Rendered) bool {
		return rendered(ctx, dir, r)
	})
	if err != nil {
		return report, err
	}
	if ctx.Err() != nil {
		return report, ctx.Err()
	}
	report.files = len(pack.Files)
	report.Problems, report.Ignored = append(report.Problems, problems...), append(report.Ignored, ignored...)
	if pack.Metadata != nil {
		report.Name, report.Version = pack.Metadata.Name, pack.Metadata.Version
	}
	return report, nil
}

// lintPack returns the findings of a pack in a folder, without and with those that are ignored.
func lintPack(
	dir string, pack *packs.Pack, config *lint.Config, render func(*lint.Rendered) bool,
) ([]finding.Finding, []lint.Ignored, error) {
	root, err := trust.OpenFolder(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open pack: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	problems := lint.Pack(root.FS(), pack, lint.Options{Now: time.Now(), Rendered: render})
	left, ignored := config.Apply(root.FS(), pack, problems)
	return left, ignored, nil
}

// pushValidation returns what validates a pack before a push: the findings that every registry has,
// and the errors of pack lint that are not ignored.
func pushValidation(dir string) func(*packs.Pack) []finding.Finding {
	return func(pack *packs.Pack) []finding.Finding {
		problems := pack.Lint()
		config, err := readLintConfig("")
		if err != nil {
			config = &lint.Config{} // pack lint reports it
		}
		found, _, err := lintPack(dir, pack, config, nil)
		if err != nil {
			return problems // the push reports it
		}
		for _, p := range found {
			if p.Severity == finding.Refused && !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
		return problems
	}
}

// rendered fills in what the templates of a pack deploy. A pack that cannot be rendered is a finding.
func rendered(ctx context.Context, dir string, r *lint.Rendered) bool {
	failure := func(path, what string) finding.Finding {
		return packs.About(finding.Warning, packs.CodeChartRender, path,
			"it cannot be rendered with the pack's values: "+what, "set the values that it needs, or users have to")
	}
	result, err := renderPack(ctx, dir)
	if err != nil {
		r.Failures = append(r.Failures, failure("", err.Error()))
		return true
	}
	for _, f := range result.Failures {
		r.Failures = append(r.Failures, failure(f.Path, f.What))
	}
	r.Images = result.Images
	return true
}

// printLint prints the findings of packs.
func printLint(a *cli.App, reports []lintReport, asJSON bool) error {
	switch {
	case asJSON && len(reports) == 1:
		return a.PrintJSON(reports[0])
	case asJSON:
		return a.PrintJSON(reports)
	}
	var errs, warnings, notes int
	for _, r := range reports {
		if len(reports) > 1 && len(r.Problems) > 0 {
			fmt.Fprintf(a.Stdout, "%s:\n", printable.Line(r.Dir))
		}
		if len(r.Problems) == 0 {
			fmt.Fprintf(a.Stdout, "%s is fine: %s\n", printable.Line(r.Name+" "+r.Version), spelling.Count(r.files, "file"))
		}
		writeProblems(a.Stdout, r.Problems)
		if len(r.Ignored) > 0 {
			a.Say("%s: ignored %s", printable.Line(r.Dir), spelling.Count(len(r.Ignored), "finding"))
		}
		errs += packs.Count(r.Problems, finding.Refused)
		warnings += packs.Count(r.Problems, finding.Warning)
		notes += packs.Count(r.Problems, finding.Note)
	}
	if len(reports) > 1 {
		a.Say("%d packs: %s, %s, %s", len(reports),
			spelling.Count(errs, "error"), spelling.Count(warnings, "warning"), spelling.Count(notes, "note"))
	}
	return nil
}

// openPack reads the pack in a folder.
func openPack(dir string) (*packs.Pack, error) {
	pack, err := packs.OpenDir(dir)
	switch {
	case errors.Is(err, fs.ErrPermission) || trust.Unsafe(err) != nil: // which have hints of their own
		return nil, err
	case err != nil:
		return nil, cli.WithHint(err, "a pack is a folder with pack.json in it; packhouse pack build makes one")
	}
	return pack, nil
}

// openWholePack is like openPack, but refuses a pack with files that are not read, such as links:
// a list of what is in it would be incomplete.
func openWholePack(a *cli.App, dir string) (*packs.Pack, error) {
	pack, err := openPack(dir)
	if err != nil {
		return nil, err
	}
	if unread := pack.Unread(); len(unread) > 0 {
		sayProblems(a, unread)
		a.Say("error: the pack in %q cannot be read completely", dir)
		return nil, cli.Silent(cli.ExitFindings)
	}
	return pack, nil
}

// sayProblems prints the problems of a pack to standard error.
func sayProblems(a *cli.App, problems []finding.Finding) { writeProblems(a.Stderr, problems) }

// warnProblems prints the problems of a pack that did not keep the command from succeeding, all of
// them as warnings.
func warnProblems(a *cli.App, problems []finding.Finding) {
	problems = slices.Clone(problems)
	for i := range problems {
		problems[i].Severity = finding.Warning
	}
	sayProblems(a, problems)
}

func writeProblems(w io.Writer, problems []finding.Finding) {
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
