package main

import (
	"context"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packhouse/server"
	"packhouse/server/config"
)

type serveOptions struct {
	dir string
}

// newServe returns the command that runs the server in the foreground. It replaces "registry serve
// /etc/…/myconfig.yml".
func newServe(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [CONFIG]",
		Short: "Run the server",
		// Names in other registries; the second is a misspelling in the vendor's documentation.
		SuggestFor: []string{"registry", "registy", "start", "run"},
		Long: `Run the server. The first configuration found applies:

  1. CONFIG
  2. myconfig.yml in the directory given with --dir
  3. the file that $REGISTRY_CONFIGURATION_PATH names
  4. the configuration of the installation in its default directory
  5. a configuration at a default path of other registries' images
  6. the built-in default

The first line of the log names it; a warning lists existing files that are ignored. REGISTRY_* variables
override its values.

SIGTERM and SIGINT stop the server: it finishes running requests and exits with 0. SIGHUP reloads the
configuration; at a terminal, it stops the server. With $NOTIFY_SOCKET, the server notifies the service
manager when it is ready and when it drains, and feeds its watchdog.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := a.findConfig(o.dir, args)
			if err := trustedInstallation(found, len(args) > 0); err != nil {
				return err
			}
			return a.serve(cmd.Context(), found)
		},
	}
	a.addDir(cmd, &o.dir)
	return cmd
}

func (a *app) serve(ctx context.Context, found config.Found) error {
	if err := leftToSystemd(found.Path); err != nil {
		return err
	}
	s, err := a.newServer(ctx, found, a.stderr, func(o *server.Options) { a.announce(o) })
	if err != nil {
		return err
	}
	defer a.feedWatchdog(s)()
	if !term.IsTerminal(int(a.stdin.Fd())) { // without a terminal, SIGHUP means reload, as for daemons
		reload := func() { _ = s.Reload(ctx) } // the server logs the outcome
		a.hangup.Store(&reload)
		defer a.hangup.Store(nil)
	}
	if err := s.Run(ctx); err != nil {
		return exitWith(exitFailed, err) // also if a signal started the shutdown: requests may have been cut off
	}
	return nil
}

// newServer loads and verifies a configuration and returns a server that logs to w, with additional
// options.
func (a *app) newServer(ctx context.Context, found config.Found, w io.Writer, further ...func(*server.Options)) (*server.Server, error) {
	a.collectEarly()
	l := &loader{app: a, path: found.Path}
	c, err := l.load(ctx, config.Probes{})
	if err != nil {
		return nil, err
	}
	path := found.Path
	if absolute, err := filepath.Abs(path); err == nil && path != "" {
		path = absolute // for status in other directories
	}
	o := server.Options{
		Config:       c,
		ConfigPath:   path,
		ConfigReason: found.Reason,
		ConfigUnused: found.Unused,
		Notices:      func() []config.Problem { return l.notices },
		Version:      a.version,
		LogTo:        w,
		Load: func(ctx context.Context) (*config.Config, error) {
			return l.load(ctx, config.Probes{Running: true, Reload: true})
		},
	}
	for _, option := range further {
		option(&o)
	}
	return server.New(ctx, o)
}

// gcPercent is the default of GOGC for servers. A server's live heap is small, so collecting
// earlier than at Go's default of 100 has no measurable cost and saves about 4 MiB at the peak.
const gcPercent = 50

// collectEarly is called in every process that serves, in the foreground or behind the wizard.
func (a *app) collectEarly() {
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// loader loads and verifies one configuration repeatedly. The server does not call it concurrently.
type loader struct {
	*app
	path    string
	notices []config.Problem // of the last load
}

func (l *loader) load(ctx context.Context, probes config.Probes) (*config.Config, error) {
	loaded, err := l.loadConfig(l.path)
	if err != nil {
		return nil, err
	}
	problems := loaded.Verify(ctx, probes)
	isError := func(p config.Problem) bool { return p.Severity == config.Error }
	if wrong := slices.DeleteFunc(slices.Clone(problems), func(p config.Problem) bool { return !isError(p) }); len(wrong) > 0 {
		return nil, config.Problems(wrong)
	}
	l.notices = slices.Concat(loaded.Notices, problems)
	return &loaded.Config, nil
}
