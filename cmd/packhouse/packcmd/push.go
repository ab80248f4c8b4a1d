package packcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/packs"
	"packhouse/printable"
	"packhouse/spelling"
)

// pushFlags are the flags of pack push.
type pushFlags struct {
	registry registryOptions
	push     packs.PushOptions
	jobs     int
	json     bool
}

func newPackPush(a *cli.App) *cobra.Command {
	var o pushFlags
	cmd := &cobra.Command{
		Use:   "push DIR...",
		Short: "Push the packs in folders",
		Long: `Push packs to packhouse or any other OCI registry, as the artifact that Palette reads:
[BASE/]spectro-packs/archive/NAME:VERSION. A pack with errors is not pushed.

Pushing a pack again is safe: a version that exists with the same content is left as it is and
reported as unchanged. One with other content is overwritten only with --force, because clusters
remember its digest. The old content can still be pulled by that digest.

The digest depends on the content alone. To set the time that the manifest contains (1970-01-01),
set SOURCE_DATE_EPOCH to seconds since 1970.

With several folders, packs are pushed in parallel, a failure does not stop the others, and a table
lists the results. The exit code is 1 if a push failed, 4 if a pack has errors, 0 otherwise.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPush(a, &o); err != nil {
				return err
			}
			if len(args) == 1 {
				o.push.Dir = args[0]
				return pushOne(cmd.Context(), a, o)
			}
			return pushMany(cmd.Context(), a, args, o)
		},
	}
	o.registry.add(cmd)
	cmd.Flags().StringVarP(&o.push.Group, "group", "g", "", "`GROUP` of the version, instead of the one in pack.json")
	cmd.Flags().BoolVarP(&o.push.Force, "force", "f", false, "overwrite a version that exists with other content")
	cmd.Flags().StringVarP(&o.push.Message, "message", "m", "", "`TEXT` with the reason for --force")
	cmd.Flags().BoolVar(&o.push.SkipDigestCheck, "skip-digest-check", false,
		"with --force, write the manifest of the same content again, to change its message or time")
	cmd.Flags().IntVar(&o.jobs, "jobs", 0, "`NUMBER` of packs to push in parallel, up to 64; 0: one per CPU, at least 2")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: an object for one folder, a list for several")
	return cmd
}

// checkPush checks flags and environment before anything is read.
func checkPush(a *cli.App, o *pushFlags) error {
	switch {
	case o.push.Message != "" && !o.push.Force:
		err := errors.New("--message requires --force")
		return cli.UsageError(cli.WithHint(err, "the message explains why a version is overwritten: add --force"))
	case o.push.SkipDigestCheck && !o.push.Force:
		return cli.UsageError(errors.New("--skip-digest-check requires --force"))
	case o.jobs < 0 || o.jobs > 64:
		return cli.UsageError(fmt.Errorf("--jobs is %d, and must be between 1 and 64", o.jobs))
	case o.jobs == 0:
		o.jobs = min(max(2, runtime.NumCPU()), 64)
	}
	if epoch := a.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || seconds < 0 || seconds > 253402300799 { // the end of the year 9999
			return cli.UsageError(fmt.Errorf("SOURCE_DATE_EPOCH is %q, and must be a number of seconds since 1970", epoch))
		}
		o.push.Created = time.Unix(seconds, 0)
	}
	return nil
}

// pushOne pushes the pack in o.push.Dir and prints its reference.
func pushOne(ctx context.Context, a *cli.App, o pushFlags) error {
	client, err := packClient(a, o.registry)
	if err != nil {
		return err
	}
	bar := cli.NewProgress(a)
	o.push.Archiving = bar.Show("archiving")
	o.push.Progress = bar.Show("pushing")
	o.push.Lint = func(problems []finding.Finding) { sayProblems(a, problems) }
	o.push.Validate = pushValidation(o.push.Dir)
	pushed, err := client.Push(ctx, o.push)
	bar.End()
	if _, ok := errors.AsType[*packs.Refused](err); ok {
		a.Say("error: the pack in %q has errors and was not pushed", o.push.Dir)
		return cli.Silent(cli.ExitFindings)
	}
	if err != nil {
		return commandError(err)
	}
	warnPushed(a, client, pushed)
	if pushed.Unchanged {
		a.Say("unchanged: %s:%s already has this content", pushed.Name, pushed.Tag)
	}
	if o.json {
		return a.PrintJSON(pushed)
	}
	fmt.Fprintf(a.Stdout, "%s/%s:%s@%s\n", client.Server(), pushed.Repository, pushed.Tag, pushed.Digest)
	return nil
}

// warnPushed prints what a user needs to know about a successful push.
func warnPushed(a *cli.App, client *packs.Client, pushed *packs.Pushed) {
	if pushed.FolderErr != nil {
		a.Warn("the empty artifact %s/%s could not be pushed: %v", client.Server(), packs.ArchiveFolder, pushed.FolderErr)
	}
	if pushed.Replaced != "" {
		a.Warn("this replaces %s@%s: do not delete that digest while clusters use it", pushed.Name, pushed.Replaced)
	}
}

// Results of a push in a list.
const (
	pushedNow     = "pushed"
	pushUnchanged = "unchanged"
	pushRefused   = "refused" // the pack has errors
	pushFailed    = "failed"
)

// pushResult is the result of one push of several, as --json prints it.
type pushResult struct {
	Dir      string         `json:"dir"`
	Result   string         `json:"result"` // pushed, unchanged, refused or failed
	Pushed   *packs.Pushed  `json:"pack,omitempty"`
	Problems packs.Findings `json:"problems"`
	Error    string         `json:"error,omitempty"`
	Remedy   string         `json:"remedy,omitempty"`
}

// pushMany pushes several packs in parallel and prints a table of the results. It fails if one of
// the pushes does, after all have ended.
func pushMany(ctx context.Context, a *cli.App, dirs []string, o pushFlags) error {
	client, err := packClient(a, o.registry)
	if err != nil {
		return err
	}
	var (
		results = make([]pushResult, len(dirs))
		board   = cli.NewBoard(a, len(dirs))
		group   errgroup.Group
	)
	group.SetLimit(o.jobs)
	for i, dir := range dirs {
		group.Go(func() error {
			line := board.Start(filepath.Base(filepath.Clean(dir)))
			results[i] = pushListed(ctx, client, dir, o.push, line)
			line.End(results[i].Result)
			return nil
		})
	}
	_ = group.Wait() // results hold the errors
	board.End()
	code := cli.ExitOK
	for _, r := range results {
		if r.Pushed != nil {
			warnPushed(a, client, r.Pushed)
		}
		switch r.Result {
		case pushFailed:
			code = cli.ExitFailed
		case pushRefused:
			code = cmp.Or(code, cli.ExitFindings)
		}
	}
	if o.json {
		err = a.PrintJSON(results)
	} else {
		err = printResults(a, results)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case code != cli.ExitOK:
		return cli.Silent(code)
	}
	return nil
}

// pushListed pushes one pack of several.
func pushListed(
	ctx context.Context, client *packs.Client, dir string, o packs.PushOptions, line *cli.BoardLine,
) pushResult {
	result := pushResult{Dir: dir, Problems: packs.Findings{}}
	o.Dir, o.Validate = dir, pushValidation(dir)
	o.Archiving, o.Progress = line.Show("archiving"), line.Show("pushing")
	o.Lint = func(problems []finding.Finding) { result.Problems = append(result.Problems, problems...) }
	pushed, err := client.Push(ctx, o)
	switch refused, _ := errors.AsType[*packs.Refused](err); {
	case refused != nil:
		result.Result, result.Error = pushRefused, "the pack has errors"
	case err != nil:
		result.Result, result.Error = pushFailed, err.Error()
		if failure, ok := errors.AsType[*packs.Failure](err); ok {
			result.Remedy = failure.Remedy
		}
	case pushed.Unchanged:
		result.Result, result.Pushed = pushUnchanged, pushed
	default:
		result.Result, result.Pushed = pushedNow, pushed
	}
	printable.Value(&result)
	return result
}

// printResults prints a row per pack, and on stderr what is wrong with those that were not pushed.
func printResults(a *cli.App, results []pushResult) error {
	table := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	count := map[string]int{}
	for _, r := range results {
		count[r.Result]++
		name, detail := filepath.Base(filepath.Clean(r.Dir)), r.Error
		if r.Pushed != nil {
			name, detail = r.Pushed.Name+":"+r.Pushed.Tag, r.Pushed.Digest
		}
		if warnings := packs.Count(r.Problems, finding.Warning); r.Pushed != nil && warnings > 0 {
			detail += "  " + spelling.Count(warnings, "warning")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", printable.Line(name), r.Result, printable.Line(detail))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.Pushed != nil {
			continue
		}
		a.Say("%s: %s", printable.Line(r.Dir), printable.Line(r.Error))
		if r.Remedy != "" {
			a.Hint("%s", r.Remedy)
		}
		sayProblems(a, r.Problems)
	}
	a.Say("%d packs: %d pushed, %d unchanged, %d refused, %d failed", len(results),
		count[pushedNow], count[pushUnchanged], count[pushRefused], count[pushFailed])
	return nil
}
