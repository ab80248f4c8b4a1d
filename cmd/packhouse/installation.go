package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packhouse/server/config"
	"packhouse/setup"
)

// addDir gives a command the flag that names the installation.
func (a *app) addDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", a.defaultDir(), "`DIR` of the installation")
}

// defaultDir is where an installation lives when nobody says otherwise (design: /etc for root, the XDG base directories for others).
func (a *app) defaultDir() string {
	if os.Geteuid() == 0 {
		return "/etc/packhouse"
	}
	if base := a.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "packhouse")
	}
	return filepath.Join(a.getenv("HOME"), ".config", "packhouse")
}

// vendorPaths are where the vendor's and CNCF distribution's images keep their configuration.
var vendorPaths = []string{
	"/etc/spectropaxconfig/myconfig.yml",
	"/etc/spectro/config.yml",
	"/etc/distribution/config.yml",
}

// configPath returns the configuration a command means: its argument, else $REGISTRY_CONFIGURATION_PATH, else the installation's in dir
// (empty: the default one), else the first of the places where other images keep it. Empty means that there is none.
func (a *app) configPath(dir string, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	if path := a.getenv("REGISTRY_CONFIGURATION_PATH"); path != "" {
		return path, nil
	}
	if dir == "" {
		dir = a.defaultDir()
	}
	for _, path := range slices.Concat([]string{filepath.Join(dir, setup.ConfigFile)}, vendorPaths) {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// hasErrors tells whether a problem keeps the server from starting.
func hasErrors(problems []config.Problem) bool {
	return slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Severity == config.Error })
}

// configProblems turns an error of loading into problems.
func configProblems(path string, err error) []config.Problem {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems
	}
	return []config.Problem{{Code: config.CodeRead, Severity: config.Error, File: path, What: err.Error()}}
}

// interactive tells whether somebody sits at a terminal: both ends are one, it can move its cursor, and nothing says that this is CI.
func (a *app) interactive() bool {
	if a.getenv("CI") != "" || a.getenv("TERM") == "dumb" {
		return false
	}
	out, ok := a.stdout.(*os.File)
	return ok && term.IsTerminal(int(a.stdin.Fd())) && term.IsTerminal(int(out.Fd()))
}

// someConfig is configPath for commands that are about a registry there is: none is an error.
func (a *app) someConfig(dir string, args []string) (string, error) {
	path, err := a.configPath(dir, args)
	if err == nil && path == "" {
		return "", withHint(errors.New("no registry is installed here"), "packhouse setup makes one, --dir names another directory")
	}
	return path, err
}
