package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"packhouse/server/config"
)

// TestCollectsEarly holds that whatever makes a server collects garbage early: serve makes one, and so does setup.
func TestCollectsEarly(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	nowhere := config.Found{Path: filepath.Join(t.TempDir(), "none.yml")}
	for _, test := range []struct {
		env   []string
		start func(a *app) error
		want  int
	}{
		{nil, func(a *app) error { return a.serve(t.Context(), nowhere) }, gcPercent},
		{nil, func(a *app) error { _, err := a.start(t.Context(), nowhere.Path, io.Discard); return err }, gcPercent},
		{[]string{"GOGC=100"}, func(a *app) error { return a.serve(t.Context(), nowhere) }, 100},
		{[]string{"GOGC=off"}, func(a *app) error { _, err := a.start(t.Context(), nowhere.Path, io.Discard); return err }, 100},
	} {
		debug.SetGCPercent(100) // what Go does by itself, whatever the variable says here
		if err := test.start(&app{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard, env: test.env}); err == nil {
			t.Fatal("there is a server without a configuration")
		}
		if got := debug.SetGCPercent(100); got != test.want {
			t.Errorf("with %v: collects at %d %%, not %d", test.env, got, test.want)
		}
	}
}
