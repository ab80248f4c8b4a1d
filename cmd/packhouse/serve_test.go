package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/config"
)

// TestCollectsEarly holds that whatever makes a server collects garbage early: serve makes one, and so does setup.
func TestCollectsEarly(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	nowhere := config.Found{Path: filepath.Join(t.TempDir(), "none.yml")}
	for _, test := range []struct {
		env   []string
		start func(a *cli.App) error
		want  int
	}{
		{nil, func(a *cli.App) error { return runServe(t.Context(), a, nowhere) }, deployment.GCPercent},
		{nil, func(a *cli.App) error {
			_, err := deployment.Start(t.Context(), a, nowhere.Path, io.Discard)
			return err
		}, deployment.GCPercent},
		{[]string{"GOGC=100"}, func(a *cli.App) error { return runServe(t.Context(), a, nowhere) }, 100},
		{[]string{"GOGC=off"}, func(a *cli.App) error {
			_, err := deployment.Start(t.Context(), a, nowhere.Path, io.Discard)
			return err
		}, 100},
	} {
		debug.SetGCPercent(100) // what Go does by itself, whatever the variable says here
		if err := test.start(&cli.App{Stdin: os.Stdin, Stdout: io.Discard, Stderr: io.Discard, Env: test.env}); err == nil {
			t.Fatal("there is a server without a configuration")
		}
		if got := debug.SetGCPercent(100); got != test.want {
			t.Errorf("with %v: collects at %d %%, not %d", test.env, got, test.want)
		}
	}
}
