package setupcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"

	"golang.org/x/term"

	"packhouse/cmd/packhouse/certcmd"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/tui"
	"packhouse/tui/logview"
	"packhouse/tui/session"
)

// logLines is the number of lines of the server's log that the wizard keeps.
const logLines = 500

// asked is an interactive session. The wizard, the manager and the line mode share its methods. A
// canceled operation may still be running when the next one starts.
type asked struct {
	*Run
	quiet    *cli.App // prints to the screen while it is open
	ring     *logview.Ring
	found    atomic.Pointer[machine.Machine]
	shown    atomic.Pointer[installation.Installed] // installation on the screen, which the answers are based on
	starting chan struct{}                          // holds a token while a server starts or applies a plan
	proof    atomic.Pointer[deployment.Proof]       // for the current or last server
}

func (s *Run) newAsked() *asked {
	ring := logview.New(logLines)
	quiet := s.Clone()
	quiet.Stdout, quiet.Stderr = ring, ring
	return &asked{Run: s, ring: ring, quiet: quiet, starting: make(chan struct{}, 1)}
}

// wizard runs setup interactively on the terminal.
func (s *Run) wizard(ctx context.Context) error {
	a := s.newAsked()
	return a.run(ctx, a.options())
}

// options returns the dependencies of the terminal interface.
func (a *asked) options() tui.Options {
	return tui.Options{
		Options: session.Options{
			Begin: a.begin, Plan: a.plan, Apply: a.apply, Reread: a.reread, Rollback: a.planRollback,
			Observe: a.observe, Start: a.start, Stop: a.stopServer, Pasteable: a.Pasteable,
			Editor: a.editor, Uninstall: a.uninstaller,
			Prove: func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
				return a.proof.Load().Check(ctx, report)
			},
		},
		In: a.Stdin, Log: a.ring, Now: a.Now,
	}
}

// run opens the screen, and prints the outcome after it is closed.
func (a *asked) run(ctx context.Context, o tui.Options) error {
	screen, err := a.screen()
	if err != nil {
		return err
	}
	o.Out = screen
	outcome, err := tui.Run(ctx, o)
	return a.concluded(outcome, err)
}

// concluded prints the outcome of the wizard and returns the error to exit with. err is the error
// of the terminal.
func (a *asked) concluded(outcome session.Outcome, err error) error {
	err = a.conclude(outcome, err)
	if outcome.Applied != nil {
		return deployment.AfterChange(err)
	}
	return err
}

func (a *asked) conclude(outcome session.Outcome, err error) error {
	if outcome.Removed {
		return err
	}
	if outcome.Stage == session.Applied {
		a.Say("the installation in %s is written and stays; its checks were not completed", a.o.dir)
		a.Hint(
			"%s completes them, %s goes back", a.Command("check", "--dir", a.o.dir),
			a.Command("rollback", "--dir", a.o.dir),
		)
	}
	if len(outcome.Unseen) > 0 && outcome.Plan != nil {
		outcome.Plan.Passwords = outcome.Unseen
		lock, busy := a.Hold(context.Background(), outcome.Plan.Dir)
		if busy != nil {
			a.Warn("%v", busy) // save the passwords anyway: nothing else keeps them
		}
		path, kept := outcome.Plan.KeepPasswords()
		lock.Release()
		if kept != nil {
			return errors.Join(err, kept)
		}
		a.Say("the generated passwords have not been shown: they are in %s", path)
		if slices.ContainsFunc(outcome.Unseen, func(p plan.Password) bool { return p.User == outcome.Card.User }) {
			outcome.Card.Password = "in " + path
		}
	}
	proven := outcome.Stage >= session.Proved && outcome.Report.Worst() != check.Failed
	if proven && outcome.Applied != nil && outcome.Plan != nil {
		moved := certcmd.MoveCAKey(context.Background(), a.App, outcome.Plan.Dir, a.o.moveCAKey)
		if moved != nil {
			return errors.Join(err, moved)
		}
		if a.o.moveCAKey != "" {
			outcome.Card.MoveCAKey = nil
		}
	}
	if outcome.Stage >= session.Proved && (!outcome.Managed || outcome.Applied != nil) {
		a.showCard(outcome.Card)
	}
	if err != nil {
		return err
	}
	if code := outcome.ExitCode(); code != cli.ExitOK {
		return cli.Silent(code)
	}
	return nil
}

func (a *asked) begin(ctx context.Context) (session.Beginning, error) {
	return a.beginWith(ctx, Run{App: a.App, o: a.o})
}

// beginWith detects the machine and loads the installation.
func (a *asked) beginWith(ctx context.Context, seen Run) (session.Beginning, error) {
	if err := seen.look(ctx); err != nil {
		return session.Beginning{}, err
	}
	a.found.Store(seen.machine)
	a.shown.Store(seen.installed)
	input := a.input
	input.Quick = true // probes run step by step
	resolved, findings := answer.Resolve(ctx, seen.machine, seen.installed, input)
	return session.Beginning{Machine: seen.machine, Installed: seen.installed, Resolved: resolved, Findings: findings}, nil
}

func (a *asked) plan(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
	installed, err := installation.Load(a.o.dir)
	if err != nil {
		return nil, err
	}
	if err := installed.VerifyUnchanged(a.shown.Load()); err != nil {
		return nil, err
	}
	return plan.Make(ctx, a.found.Load(), installed, resolved, plan.Options{Now: a.Now(), HashCost: a.HashCost})
}

// apply acquires the lock when the review is confirmed, and applies the plan if the files it is
// based on are unchanged.
func (a *asked) apply(ctx context.Context, plan *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
	lock, err := a.quiet.Hold(ctx, plan.Dir)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	return deployment.ApplyPlan(ctx, plan, lock, progress)
}

// reread loads the installation for the screen, after a change or an edit.
func (a *asked) reread(context.Context) (*installation.Installed, error) {
	installed, err := installation.Load(a.o.dir)
	if err == nil {
		a.shown.Store(installed)
	}
	return installed, err
}

// observe returns the state of storage and certificate, without contacting the server.
func (a *asked) observe(ctx context.Context) *installation.State {
	installed, err := installation.Load(a.o.dir)
	if err != nil || ctx.Err() != nil {
		return nil
	}
	return installation.StateOf(a.found.Load(), installed, "")
}

func (a *asked) planRollback(ctx context.Context) (*plan.Plan, error) {
	installed, err := installation.Load(a.o.dir)
	if err != nil {
		return nil, err
	}
	return plan.Rollback(ctx, installed)
}

// editor returns the command that edits a file: VISUAL or EDITOR, else an installed editor, or nil
// if there is none.
func (a *asked) editor(path string) *exec.Cmd {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if line := a.Getenv(variable); line != "" { // a command line, as for git and crontab
			return exec.Command("sh", "-c", line+` "$1"`, "sh", path) //nolint:gosec // it is the user's own
		}
	}
	for _, name := range []string{"editor", "nano", "vi"} {
		if program, err := exec.LookPath(name); err == nil {
			return exec.Command(program, path) //nolint:gosec // found in PATH, as a shell would
		}
	}
	return nil
}

// start makes a server use the plan: the one started before, another one that is running, or a new
// one. It waits for a canceled start to end, because two servers would conflict.
func (a *asked) start(ctx context.Context, plan *plan.Plan) (installation.Running, error) {
	select {
	case a.starting <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.starting }()
	before := a.proof.Load()
	if before != nil && before.Started != nil &&
		plan.Resolved.Answers.Service == setup.Systemd { // stop it in favor of the service
		if err := before.Started.Shutdown(ctx); err != nil {
			return before.Started, fmt.Errorf("make way for the service: %w", err)
		}
	} else if before != nil && before.Started != nil {
		kept, err := a.keep(ctx, before, plan)
		if err != nil || kept {
			return before.Started, err
		}
	}
	proof, err := deployment.NewProof(ctx, a.quiet, plan, a.ring)
	if err != nil {
		return nil, err
	}
	if before != nil {
		proof.Known = before.Passwords()
	}
	a.proof.Store(proof)
	if proof.Started == nil {
		return nil, nil
	}
	return proof.Started, nil
}

// keep makes the server that was started before use the plan. It reports whether that server is
// kept: if it needs a restart, keep stops it, so that another can replace it.
func (a *asked) keep(ctx context.Context, before *deployment.Proof, plan *plan.Plan) (bool, error) {
	server := before.Started
	select {
	case <-server.Done():
		return false, nil
	default:
	}
	if len(plan.Restart) == 0 {
		if err := server.Reload(ctx); err != nil {
			return true, fmt.Errorf("the server keeps its old state: %w", err)
		}
		a.proof.Store(&deployment.Proof{App: a.quiet, Plan: plan, Started: server, Known: before.Passwords()})
		return true, nil
	}
	if err := server.Shutdown(ctx); err != nil {
		return true, fmt.Errorf("restart the server: %w", err)
	}
	<-server.Done()
	return false, nil
}

// screen returns the terminal to draw on. Results go to stdout, so it is stderr, or the terminal
// itself if stderr is redirected.
func (s *Run) screen() (*os.File, error) {
	if file, ok := s.Stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file, nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("open the terminal: %w", err), "packhouse setup --yes asks nothing")
	}
	return tty, nil
}
