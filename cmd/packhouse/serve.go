package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packhouse/server"
	"packhouse/server/config"
)

type serveOptions struct {
	dir string
}

// newServe runs the server in the foreground. It stands in for "registry serve /etc/…/myconfig.yml".
func newServe(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [CONFIG]",
		Short: "Run the server",
		Long: `serve runs the server on CONFIG, else on $REGISTRY_CONFIGURATION_PATH, else on the configuration of the
installation, else on the first of the files where other registries' images keep theirs, else on the
built-in document. REGISTRY_* variables are put on top.

SIGTERM and SIGINT let running requests finish and end it with 0. SIGHUP takes up a changed
configuration, except at a terminal, where it means leaving.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := a.configPath(o.dir, args)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), path)
		},
	}
	a.addDir(cmd, &o.dir)
	return cmd
}

func (a *app) serve(ctx context.Context, path string) error {
	s, err := a.newServer(ctx, path, a.stderr)
	if err != nil {
		return err
	}
	if !term.IsTerminal(int(a.stdin.Fd())) { // no terminal that could hang up: the daemon's meaning
		reload := func() { _ = s.Reload(ctx) } // the server logs what came of it
		a.hangup.Store(&reload)
		defer a.hangup.Store(nil)
	}
	return s.Run(ctx)
}

// newServer loads a configuration, verifies it and makes a server of it that logs to w.
func (a *app) newServer(ctx context.Context, path string, w io.Writer) (*server.Server, error) {
	load := func(ctx context.Context, probes config.Probes) (*config.Loaded, error) {
		loaded, err := a.loadConfig(path)
		if err != nil {
			return nil, err
		}
		if problems := loaded.Verify(ctx, probes); hasErrors(problems) {
			return nil, config.Problems(problems)
		}
		return loaded, nil
	}
	loaded, err := load(ctx, config.Probes{})
	if err != nil {
		return nil, err
	}
	return server.New(ctx, server.Options{
		Config:     &loaded.Config,
		ConfigPath: path,
		Version:    version,
		LogTo:      w,
		Load: func(ctx context.Context) (*config.Config, error) {
			loaded, err := load(ctx, config.Probes{Running: true})
			if err != nil {
				return nil, err
			}
			return &loaded.Config, nil
		},
	})
}

// start serves path in the background and logs to w. It returns once connections are accepted.
func (a *app) start(ctx context.Context, path string, w io.Writer) (*running, error) {
	s, err := a.newServer(ctx, path, w)
	if err != nil {
		return nil, err
	}
	if err := s.Listen(); err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	r := &running{Server: s, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(context.WithoutCancel(ctx))
	}()
	return r, nil
}

// running is a server in the background: a setup.Running.
type running struct {
	*server.Server
	done chan struct{}
	err  error // of Run; to be read after done is closed
}

func (r *running) Addr() string          { return r.Server.Addr().String() }
func (r *running) Done() <-chan struct{} { return r.done }
