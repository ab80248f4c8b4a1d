//go:build linux

package apply

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestJournalsHoldRelativePaths reads the files that an applied plan leaves.
func TestJournalsHoldRelativePaths(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"storage-path": {filepath.Join(t.TempDir(), "a", "b")}})
	install(t, m, dir, answer.Values{"user": {"spectro"}})
	names := installation.Backups(dir)
	for _, path := range []string{filepath.Join(dir, installation.ManifestFile), filepath.Join(dir, installation.BackupDir, names[0], installation.RecordFile)} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `": "/`) {
			t.Errorf("%s holds an absolute path:\n%s", path, data)
		}
	}
}

// TestStorageBelowAnotherUser: setup gives no directory to the server's user through a path that a third user controls.
func TestStorageBelowAnotherUser(t *testing.T) {
	m, base := serviceMachine(t)
	home, system := filepath.Join(base, "home"), filepath.Join(base, "system")
	for _, dir := range []string{home, system} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	flags := answer.Values{
		"hostname":     {"registry.example.com"},
		"addr":         {"127.0.0.1:5391"},
		"storage-path": {filepath.Join(home, "packs")},
		"service":      {setup.Systemd},
		"run-as":       {"nobody"},
	}
	in, resolved := answertest.Resolve(t, m, filepath.Join(base, "etc"), flags)
	planned, err := plan.Make(
		t.Context(),
		m,
		in,
		resolved,
		plan.Options{
			Now:            machinetest.Now,
			WritePasswords: true,
			HashCost:       4,
			UnitFile:       filepath.Join(base, setup.Unit),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	// The third user replaces the directory by a link after the plan was made.
	if err := errors.Join(os.Chown(home, 50041, 50041), os.Symlink(system, filepath.Join(home, "packs"))); err != nil {
		t.Fatal(err)
	}
	_, err = Apply(t.Context(), planned, Options{})
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok || refusal.Findings[0].Code != installation.CodeUnsafe {
		t.Errorf("Apply: %v, want a finding %s", err, installation.CodeUnsafe)
	}
	info, err := os.Stat(system)
	if err != nil {
		t.Fatal(err)
	}
	if uid, _ := machine.Owner(info); uid != 0 || info.Mode().Perm() != 0o755 {
		t.Errorf("the system directory belongs to %d, mode %v", uid, info.Mode())
	}
}

func TestUnfinishedJournalOfVersion1(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for path, accepted := range map[string]bool{filepath.Join(dir, installation.HandoffFile): true, "/etc/packhouse-foreign": false} {
		work := filepath.Join(dir, installation.WorkDir)
		err := errors.Join(
			os.Mkdir(work, 0o700), os.Mkdir(filepath.Join(work, installation.NewDir), 0o700),
			os.Mkdir(filepath.Join(work, installation.OldDir), 0o700),
			os.WriteFile(filepath.Join(work, installation.NewDir, "0"), []byte("new\n"), 0o600),
		)
		data, failure := json.Marshal(
			installation.Journal{Version: 1, State: committing, At: machinetest.Now, Steps: []installation.Step{{
				Path: path, Kind: setup.Update, Mode: 0o644, UID: -1, GID: -1, Staged: filepath.Join(work, installation.NewDir, "0"), Sum: installation.Sum([]byte("new\n")),
			}}},
		)
		if err := errors.Join(err, failure, os.WriteFile(filepath.Join(work, installation.JournalFile), data, 0o600)); err != nil {
			t.Fatal(err)
		}
		in, err := Open(dir)
		refusal, refused := errors.AsType[*finding.Error](err)
		switch {
		case accepted && (err != nil || in.Recovered == ""):
			t.Errorf("%s: %v", path, err)
		case !accepted && (!refused || refusal.Findings[0].Code != installation.CodeForeignPath):
			t.Errorf("%s: %v, want a finding %s", path, err, installation.CodeForeignPath)
		}
		if err := os.RemoveAll(work); err != nil {
			t.Fatal(err)
		}
	}
}
