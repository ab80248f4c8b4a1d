package main

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

func newPackPush(a *app) *cobra.Command {
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
			if err := a.checkPush(&o); err != nil {
				return err
			}
			if len(args) == 1 {
				o.push.Dir = args[0]
				return a.pushOne(cmd.Context(), o)
			}
			return a.pushMany(cmd.Context(), args, o)
		},
	}
	o.registry.add(cmd)
	cmd.Flags().StringVarP(&o.push.Group, "group", "g", "", "`GROUP` of the version, instead of the one in pack.json")
	cmd.Flags().BoolVarP(&o.push.Force, "force", "f", false, "overwrite a version that exists with other content")
	cmd.Flags().StringVarP(&o.push.Message, "message", "m", "", "`TEXT` with the reason for --force")
	cmd.Flags().BoolVar(&o.push.SkipDigestCheck, "skip-digest-check", false, "with --force, write the manifest of the same content again, to change its message or time")
	cmd.Flags().IntVar(&o.jobs, "jobs", 0, "`NUMBER` of packs to push in parallel, up to 64; 0: one per CPU, at least 2")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: an object for one folder, a list for several")
	return cmd
}

// checkPush checks flags and environment before anything is read.
func (a *app) checkPush(o *pushFlags) error {
	switch {
	case o.push.Message != "" && !o.push.Force:
		err := errors.New("--message requires --force")
		return usageError(withHint(err, "the message explains why a version is overwritten: add --force"))
	case o.push.SkipDigestCheck && !o.push.Force:
		return usageError(errors.New("--skip-digest-check requires --force"))
	case o.jobs < 0 || o.jobs > 64:
		return usageError(fmt.Errorf("--jobs is %d, and must be between 1 and 64", o.jobs))
	case o.jobs == 0:
		o.jobs = min(max(2, runtime.NumCPU()), 64)
	}
	if epoch := a.getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || seconds < 0 || seconds > 253402300799 { // the end of the year 9999
			return usageError(fmt.Errorf("SOURCE_DATE_EPOCH is %q, and must be a number of seconds since 1970", epoch))
		}
		o.push.Created = time.Unix(seconds, 0)
	}
	return nil
}

// pushOne pushes the pack in o.push.Dir and prints its reference.
func (a *app) pushOne(ctx context.Context, o pushFlags) error {
	client, err := a.packClient(o.registry)
	if err != nil {
		return err
	}
	bar := a.newProgress()
	o.push.Archiving = bar.show("archiving")
	o.push.Progress = bar.show("pushing")
	o.push.Lint = func(problems []packs.Problem) { a.sayProblems(problems) }
	o.push.Validate = pushValidation(o.push.Dir)
	pushed, err := client.Push(ctx, o.push)
	bar.end()
	if _, ok := errors.AsType[*packs.Refused](err); ok {
		a.say("error: the pack in %q has errors and was not pushed", o.push.Dir)
		return silent(exitFindings)
	}
	if err != nil {
		return told(err)
	}
	a.warnPushed(client, pushed)
	if pushed.Unchanged {
		a.say("unchanged: %s:%s already has this content", pushed.Name, pushed.Tag)
	}
	if o.json {
		return a.printJSON(pushed)
	}
	fmt.Fprintf(a.stdout, "%s/%s:%s@%s\n", client.Server(), pushed.Repository, pushed.Tag, pushed.Digest)
	return nil
}

// warnPushed prints what a user needs to know about a successful push.
func (a *app) warnPushed(client *packs.Client, pushed *packs.Pushed) {
	if pushed.FolderErr != nil {
		a.warn("the empty artifact %s/%s could not be pushed: %v", client.Server(), packs.ArchiveFolder, pushed.FolderErr)
	}
	if pushed.Replaced != "" {
		a.warn("this replaces %s@%s: do not delete that digest while clusters use it", pushed.Name, pushed.Replaced)
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
	Dir      string          `json:"dir"`
	Result   string          `json:"result"` // pushed, unchanged, refused or failed
	Pushed   *packs.Pushed   `json:"pack,omitempty"`
	Problems []packs.Problem `json:"problems"`
	Error    string          `json:"error,omitempty"`
	Remedy   string          `json:"remedy,omitempty"`
}

// pushMany pushes several packs in parallel and prints a table of the results. It fails if one of
// the pushes does, after all have ended.
func (a *app) pushMany(ctx context.Context, dirs []string, o pushFlags) error {
	client, err := a.packClient(o.registry)
	if err != nil {
		return err
	}
	var (
		results = make([]pushResult, len(dirs))
		board   = a.newBoard(len(dirs))
		group   errgroup.Group
	)
	group.SetLimit(o.jobs)
	for i, dir := range dirs {
		group.Go(func() error {
			line := board.start(filepath.Base(filepath.Clean(dir)))
			results[i] = a.pushListed(ctx, client, dir, o.push, line)
			line.end(results[i].Result)
			return nil
		})
	}
	_ = group.Wait() // results hold the errors
	board.end()
	code := exitOK
	for _, r := range results {
		if r.Pushed != nil {
			a.warnPushed(client, r.Pushed)
		}
		switch r.Result {
		case pushFailed:
			code = exitFailed
		case pushRefused:
			code = cmp.Or(code, exitFindings)
		}
	}
	if o.json {
		err = a.printJSON(results)
	} else {
		err = a.printResults(results)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case code != exitOK:
		return silent(code)
	}
	return nil
}

// pushListed pushes one pack of several.
func (a *app) pushListed(
	ctx context.Context, client *packs.Client, dir string, o packs.PushOptions, line *boardLine,
) pushResult {
	result := pushResult{Dir: dir, Problems: []packs.Problem{}}
	o.Dir, o.Validate = dir, pushValidation(dir)
	o.Archiving, o.Progress = line.show("archiving"), line.show("pushing")
	o.Lint = func(problems []packs.Problem) { result.Problems = append(result.Problems, problems...) }
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
func (a *app) printResults(results []pushResult) error {
	table := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	count := map[string]int{}
	for _, r := range results {
		count[r.Result]++
		name, detail := filepath.Base(filepath.Clean(r.Dir)), r.Error
		if r.Pushed != nil {
			name, detail = r.Pushed.Name+":"+r.Pushed.Tag, r.Pushed.Digest
		}
		if warnings := packs.Count(r.Problems, packs.Warning); r.Pushed != nil && warnings > 0 {
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
		a.say("%s: %s", printable.Line(r.Dir), printable.Line(r.Error))
		if r.Remedy != "" {
			a.hint("%s", r.Remedy)
		}
		a.sayProblems(r.Problems)
	}
	a.say("%d packs: %d pushed, %d unchanged, %d refused, %d failed", len(results),
		count[pushedNow], count[pushUnchanged], count[pushRefused], count[pushFailed])
	return nil
}
