package setupcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// before is the state that setup must restore, besides the plan's files, if a trial start fails.
type before struct {
	existed bool     // an installation existed
	missing []string // missing directories, up to the installation directory, outermost first
	store   bool     // the storage directory had content
}

// noteBefore records the state before a plan is applied.
func noteBefore(installed *installation.Installed, planned *plan.Plan) before {
	b := before{existed: installed.Exists() || !installed.Backup.IsZero(), store: len(plan.PlannedTrees(planned)) > 0}
	for dir := planned.Dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return b
		}
		b.missing = append([]string{dir}, b.missing...)
	}
}

// clear removes what a failed first installation leaves after its rollback: the trial server's
// store, the backup, and empty directories. It leaves an installation that another command created
// in the meantime.
func (s *Run) clear(ctx context.Context, planned *plan.Plan, served bool) error {
	b := s.before
	if b.existed {
		return nil
	}
	installed, lock, err := deployment.ToReview(ctx, s.App, planned.Dir, false)
	if err != nil {
		return err
	}
	defer lock.Release()
	if installed.Exists() {
		return nil
	}
	var errs []error
	if !b.store && !served { // no client can have pushed anything
		errs = append(errs, plan.RemovePlannedStore(planned))
	}
	_, err = apply.Forget(planned.Dir, lock)
	errs = append(errs, err)
	for _, dir := range slices.Backward(b.missing) {
		_ = os.Remove(dir) // fails if it is not empty
	}
	return errors.Join(errs...)
}

// undo ends a setup that failed after it wrote files. It restores the previous files and checks
// them again, so that exit code 1 means that nothing changed. served reports whether a server ran
// on the new files.
func (s *Run) undo(ctx context.Context, report *setupReport, plan *plan.Plan, served bool, cause error) error {
	if !report.Applied {
		return s.finish(*report, cause)
	}
	report.Card = nil
	report.Findings = append(report.Findings, setup.Refuse(setup.CodeFailed, cause.Error(), cli.RemedyOf(cause)))
	ctx = context.WithoutCancel(ctx) // complete the rollback even after ctrl+c
	again, rolled, err := deployment.RollBackAfter(
		ctx, s.App, s.o.dir, s.applied, &cli.TrialLog{To: io.Discard}, s.checkPrinter())
	report.RolledBack = rolled
	if err == nil {
		err = s.clear(ctx, plan, served)
	}
	if err != nil {
		if !rolled { // a second rollback would install the files that failed
			s.Hint("packhouse rollback --dir %s restores the files from before", setup.Shell(s.o.dir))
		}
		return s.finish(*report, cli.ExitWith(cli.ExitFindings, errors.Join(cause, fmt.Errorf("roll back: %w", err))))
	}
	report.ChecksAfter = again
	if again != nil && again.Worst() == check.Failed {
		s.Warn("the restored files do not pass the checks either")
	}
	return s.finish(*report, cli.ExitWith(cli.ExitFailed, cause))
}
