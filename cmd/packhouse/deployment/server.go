package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"slices"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/config/verify"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// NewServer loads and verifies a configuration and returns a server that logs to w, with additional
// options.
func NewServer(
	ctx context.Context, a *cli.App, found config.Found, w io.Writer, further ...func(*server.Options),
) (*server.Server, error) {
	collectEarly(a)
	l := &loader{App: a, path: found.Path}
	c, err := l.load(ctx, verify.Probes{})
	if err != nil {
		return nil, err
	}
	path := found.Path
	if absolute, err := trust.Abs(path); err == nil && path != "" {
		path = absolute // for status in other directories
	}
	o := server.Options{
		Config:       c,
		ConfigPath:   path,
		ConfigReason: found.Reason,
		ConfigUnused: found.Unused,
		Notices:      func() []finding.Finding { return l.notices },
		Version:      a.Version,
		LogTo:        w,
		Load: func(ctx context.Context) (*config.Config, error) {
			return l.load(ctx, verify.Probes{Running: true, Reload: true})
		},
	}
	for _, option := range further {
		option(&o)
	}
	return server.New(ctx, o)
}

// GCPercent is the default of GOGC for servers. A server's live heap is small, so collecting
// earlier than at Go's default of 100 has no measurable cost and saves about 4 MiB at the peak.
const GCPercent = 50

// collectEarly is called in every process that serves, in the foreground or behind the wizard.
func collectEarly(a *cli.App) {
	if a.Getenv("GOGC") == "" {
		debug.SetGCPercent(GCPercent)
	}
}

// loader loads and verifies one configuration repeatedly. The server does not call it concurrently.
type loader struct {
	*cli.App
	path    string
	notices []finding.Finding // of the last load
}

func (l *loader) load(ctx context.Context, probes verify.Probes) (*config.Config, error) {
	loaded, err := l.LoadConfig(l.path)
	if err != nil {
		return nil, err
	}
	problems := verify.Run(ctx, loaded, probes)
	isError := func(p finding.Finding) bool { return p.Severity == finding.Refused }
	wrong := slices.DeleteFunc(slices.Clone(problems), func(p finding.Finding) bool { return !isError(p) })
	if len(wrong) > 0 {
		return nil, config.Findings(wrong)
	}
	l.notices = slices.Concat(loaded.Notices, problems)
	return &loaded.Config, nil
}

// FindServer connects to the running server of a configuration that belongs to the installation in
// dir, which may be empty.
func FindServer(c *config.Config, dir string) (*admin.Client, error) {
	client, err := admin.Find(c, installation.ServerUsers(dir)...)
	if errors.Is(err, admin.ErrUntrusted) {
		err = cli.WithHint(err, "%s", UntrustedRemedy(err, ""))
	}
	return client, err
}

// ServerOn finds the running server of the store in root, for the installation in dir.
func ServerOn(ctx context.Context, dir, root string) machine.ServerOn {
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	client, err := admin.Find(c, installation.ServerUsers(dir)...)
	switch {
	case errors.Is(err, admin.ErrUntrusted):
		return machine.ServerOn{Doubt: err, Remedy: UntrustedRemedy(err, "")}
	case errors.Is(err, admin.ErrNotRunning):
		return machine.ServerOn{}
	case err != nil:
		return machine.ServerOn{Doubt: err, Remedy: NoAnswer(filepath.Join(dir, installation.ConfigFile))}
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return machine.ServerOn{Doubt: err, Remedy: NoAnswer(filepath.Join(dir, installation.ConfigFile))}
	}
	return machine.ServerOn{Up: true, PID: status.PID, Config: status.Config}
}

// UntrustedRemedy returns what to do about an admin.ErrUntrusted. command is what the server's user
// runs instead; empty: the same command.
func UntrustedRemedy(err error, command string) string {
	if fault := trust.Unsafe(err); fault != nil {
		if as := asOwner(fault, command); as != "" {
			return fmt.Sprintf("if %s runs your server, run %s; if not, %s", fault.Owner, as, fault.Otherwise)
		}
		return fault.Fix
	}
	return "if that user runs your server, run the command as that user; " +
		"if not, stop the process (ss -xlp names it) and remove the socket"
}

// asOwner returns a command as root runs it for the owner of a path who may run the server, or "".
func asOwner(fault *trust.Error, command string) string {
	if fault.Otherwise == "" || command == "" || os.Geteuid() != 0 {
		return ""
	}
	owner := check.OwnerOf(fault.Path)
	if owner == nil {
		return ""
	}
	if _, err := user.Lookup(owner.Name); err != nil { // runuser needs a name
		return ""
	}
	return "runuser -u " + setup.Shell(owner.Name) + " -- " + command
}

// ServersOf returns the IDs of the users that run a configuration's server, if known.
func ServersOf(path string) []int {
	dir := ""
	if path != "" {
		dir = filepath.Dir(path)
	}
	return installation.ServerUsers(dir)
}
