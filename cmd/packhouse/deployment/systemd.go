package deployment

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/trust"
)

// upWithin is how long systemd may take until the server responds.
const upWithin = 20 * time.Second

// servedBySystemd returns the installation of a configuration if systemd runs its server, or nil.
func servedBySystemd(path string) *installation.Installed {
	if filepath.Base(path) != installation.ConfigFile {
		return nil
	}
	installed, err := installation.Load(filepath.Dir(path))
	if err != nil || !installed.Supervised() {
		return nil
	}
	return installed
}

// ServerOf returns how a configuration's server is started, for remedies. pid is that of the running
// server, or 0. In the foreground root starts it as the user that it runs as, or else that owns its
// store.
func ServerOf(path string, pid int) check.Server {
	absolute, err := trust.Abs(path)
	if path == "" || err != nil {
		return check.ServerOf(path)
	}
	s := check.ServerOf(absolute)
	if servedBySystemd(absolute) != nil {
		s.Unit = setup.Unit
	}
	if os.Geteuid() != 0 || s.Unit != "" {
		return s
	}
	as := check.OwnerOf(config.Glimpse(config.Source{Path: absolute}).Storage.Filesystem.RootDirectory)
	if pid != 0 {
		as = cmp.Or(check.OwnerOf("/proc/"+strconv.Itoa(pid)), as)
	}
	if as == nil || as.UID == 0 {
		return s
	}
	if _, err := user.Lookup(as.Name); err == nil { // runuser needs a name
		s.User = as.Name
	}
	return s
}

// StartHint returns how to start the server of a configuration, or how to create one that does not
// exist.
func StartHint(path string) string {
	if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
		command := "packhouse setup"
		if filepath.Base(path) == installation.ConfigFile {
			command += " --dir " + setup.Shell(filepath.Dir(path))
		}
		return "run " + command + " to create the configuration"
	}
	return "start it: " + ServerOf(path, 0).Start()
}

// LeftToSystemd returns an error if root is about to run a server that systemd runs as another
// user, who could not read files that root writes.
func LeftToSystemd(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	as := servedBySystemd(path).ServiceUser()
	if as == "" || as == "root" {
		return nil
	}
	return cli.WithHint(
		fmt.Errorf("systemd runs the server of this installation, as %s, who could not read what root writes", as),
		"run %s; in the foreground: run %s", ServerOf(path, 0).Start(), check.Server{Config: path, User: as}.Start(),
	)
}

// Systemctl runs one command of the service manager.
func Systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput() //nolint:gosec // the arguments are ours
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n") // the caller adds where to look further
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, first)
	}
	return nil
}

// unitChange returns the change of a plan to the unit, or nil.
func unitChange(planned *plan.Plan) *plan.Change {
	i := slices.IndexFunc(
		planned.Changes,
		func(c plan.Change) bool { return c.Path == setup.UnitFile && c.Kind != setup.Keep },
	)
	if i < 0 {
		return nil
	}
	return &planned.Changes[i]
}

// ApplyPlan applies a plan under a lock. If the plan removes the unit, it first stops the service,
// because systemd cannot find it afterwards.
func ApplyPlan(
	ctx context.Context,
	plan *plan.Plan,
	lock *apply.Lock,
	progress func(verb, path string),
) (*apply.Applied, error) {
	unit := unitChange(plan)
	if unit != nil && unit.Kind == setup.Remove {
		if err := plan.VerifyUnchanged(); err != nil {
			return nil, err
		}
		if err := Systemctl(ctx, "disable", "--now", setup.Unit); err != nil {
			return nil, fmt.Errorf("stop the service: %w", err)
		}
	}
	applied, err := apply.Apply(ctx, plan, apply.Options{Progress: progress, Lock: lock})
	if err != nil || unit == nil {
		return applied, err
	}
	if err := Systemctl(ctx, "daemon-reload"); err != nil {
		return applied, err
	}
	if unit.Kind == setup.Remove {
		_ = Systemctl(ctx, "reset-failed", setup.Unit) // clear a failed state
	}
	return applied, nil
}

// Supervise makes systemd run the server of an applied plan: enabled at boot, and restarted if the
// plan requires it. It returns once the server responds, and reports whether the server is fresh:
// whether it has loaded what the plan wrote.
func Supervise(ctx context.Context, a *cli.App, plan *plan.Plan) (bool, error) {
	installed, err := installation.Load(plan.Dir)
	if err != nil || !installed.Supervised() {
		return false, err
	}
	loaded, err := config.Load(config.Source{Path: configOf(plan)}) // systemd's environment differs from this one
	if err != nil {
		return false, err
	}
	if err := Systemctl(ctx, "enable", setup.Unit); err != nil {
		return false, err
	}
	active := Systemctl(ctx, "is-active", "--quiet", setup.Unit) == nil
	if unfit := question.Unfit(installed); unfit != nil && !active {
		return false, cli.WithHint(
			fmt.Errorf("the service is not started: %s", unfit.What), "%s, then run %s", unfit.Remedy,
			ServerOf(configOf(plan), 0).Start(),
		)
	}
	done := "started"
	switch {
	case active && len(plan.Restart) == 0 && unitChange(plan) == nil:
		return false, nil
	case active:
		done, err = "restarted", Systemctl(ctx, "restart", setup.Unit)
	default:
		err = refuseOther(&loaded.Config, plan.Dir, Systemctl(ctx, "start", setup.Unit))
	}
	if err == nil {
		err = awaitServer(ctx, &loaded.Config, plan.Dir)
	}
	if err != nil {
		return false, cli.WithHint(withLastWords(ctx, err), "%s", ServerOf(configOf(plan), 0).ReadLog())
	}
	a.Say("systemd has %s the server, and starts it with the machine", done)
	return true, nil
}

// withLastWords adds the server's last log messages, without routine ones, to the error of a failed
// start, if they are available.
func withLastWords(ctx context.Context, err error) error {
	//nolint:gosec // the arguments are constants
	show := exec.CommandContext(ctx, "systemctl", "show", "--property", "InvocationID", "--value", setup.Unit)
	run, failure := show.Output()
	if failure != nil || len(bytes.TrimSpace(run)) == 0 {
		return err
	}
	// The journal stores messages with a delay. After the timeout, use those it has.
	patience, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = exec.CommandContext(patience, "journalctl", "--sync").Run()
	// Only the program's messages: those of systemd about it are in another field.
	of := "_SYSTEMD_INVOCATION_ID=" + string(bytes.TrimSpace(run))
	//nolint:gosec // systemd made the number
	journal := exec.CommandContext(ctx, "journalctl", of, "--output", "cat", "--no-pager", "--lines", "10")
	out, failure := journal.Output()
	if failure != nil {
		return err
	}
	var words []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, " level=INFO ") {
			words = append(words, strings.TrimPrefix(line, "error: "))
		}
	}
	if len(words) == 0 {
		return err
	}
	return fmt.Errorf("systemd has not brought the server up: %s\n%w", strings.Join(words, "\n"), err)
}

// refuseOther explains a start that failed because the server runs outside of systemd.
func refuseOther(c *config.Config, dir string, err error) error {
	if err == nil {
		return nil
	}
	client, found := FindServer(c, dir)
	if found != nil {
		return err
	}
	defer client.Close()
	return fmt.Errorf("a server runs on this installation already, and not under systemd: stop that one first: %w", err)
}

// awaitServer waits until a configuration's server responds.
func awaitServer(ctx context.Context, c *config.Config, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	for {
		client, err := FindServer(c, dir)
		if err == nil {
			_, err = client.Status(ctx)
			client.Close()
			if err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("systemd started the server, and it does not answer"), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
