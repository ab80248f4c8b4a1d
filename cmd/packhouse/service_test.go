//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// fakeSystemctl puts a service manager in front of the real one: it notes what it is told, and says that nothing is active unless a file says so.
func fakeSystemctl(t *testing.T) (told func() []string, active string) {
	t.Helper()
	dir := t.TempDir()
	note, active := filepath.Join(dir, "told"), filepath.Join(dir, "active")
	script := "#!/bin/sh\necho \"$*\" >> " + note + "\ncase $1 in\nis-active) [ -e " + active + " ];;\nstart) [ ! -e " + active + ".broken ];;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		data, _ := os.ReadFile(note)
		_ = os.Remove(note)
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}, active
}

// supervised returns the directory of an installation whose server systemd is said to run.
func supervised(t *testing.T, a *cli.App) string {
	t.Helper()
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	addr, dir := porttest.Free(t), filepath.Join(t.TempDir(), "etc")
	if code := run(t.Context(), a, []string{"setup", "--yes", "--dir", dir, "--hostname", "localhost", "--addr", addr, "--storage-path", dir + "/data", "--no-start"}); code != cli.ExitOK {
		t.Fatalf("setup: %d\n%s", code, a.Stderr)
	}
	path := filepath.Join(dir, installation.ManifestFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var manifest installation.Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest.Settings["service"] = setup.Systemd
	manifest.Files = append(manifest.Files, installation.ManifestFileRow{Path: setup.UnitFile, Mode: 0o644})
	if data, err = json.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSupervise: systemd starts a server that is not active, restarts it only where that is needed, and says so where it cannot.
func TestSupervise(t *testing.T) {
	told, active := fakeSystemctl(t)
	var words bytes.Buffer
	a := &cli.App{Stdin: os.Stdin, Stdout: &words, Stderr: &words, Env: os.Environ(), Now: time.Now}
	dir := supervised(t, a)
	told()
	planned := &plan.Plan{Dir: dir}
	server, err := deployment.Start(
		t.Context(), a, filepath.Join(dir, installation.ConfigFile), &words,
	) // what the service manager is made to believe it started
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) }) // that of the test has ended by then

	try := func(name string, want ...string) {
		t.Helper()
		fresh, err := deployment.Supervise(t.Context(), a, planned)
		if got := told(); fresh != (name != "active") || err != nil ||
			strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: %v, %v, told %q, want %q", name, fresh, err, got, want)
		}
	}
	try("not active", "enable packhouse.service", "is-active --quiet packhouse.service", "start packhouse.service")
	if err := os.WriteFile(active, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	try("active", "enable packhouse.service", "is-active --quiet packhouse.service")
	planned.Restart = []string{"http.addr"}
	try(
		"to be restarted", "enable packhouse.service", "is-active --quiet packhouse.service",
		"restart packhouse.service",
	)
	planned.Restart, planned.Changes = nil, []plan.Change{{Path: setup.UnitFile, Kind: setup.Update}}
	try("another unit", "enable packhouse.service", "is-active --quiet packhouse.service", "restart packhouse.service")

	planned.Changes = nil
	if err := os.Rename(active, active+".broken"); err != nil {
		t.Fatal(err)
	}
	if _, err := deployment.Supervise(t.Context(), a, planned); err == nil || !strings.Contains(err.Error(), "not under systemd") {
		t.Errorf("a server beside systemd: %v", err)
	}
	if fresh, err := deployment.Supervise(t.Context(), a, &plan.Plan{Dir: t.TempDir()}); fresh || err != nil {
		t.Errorf("without a service: %v, %v", fresh, err)
	}
}
