//go:build linux

package apply

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestPlantedContentBlocksNothing verifies that the server's user cannot block changes by root with
// links, pipes or directories in the store, and that content of another user is still reported.
func TestPlantedContentBlocksNothing(t *testing.T) {
	const state = "packhouse/v1/lease/state.json"
	for name, test := range map[string]struct {
		plant   func(data, closed string) error
		refused bool
	}{
		"link to a file of root": {func(data, closed string) error {
			return os.Symlink(filepath.Join(closed, "secret"), filepath.Join(data, state))
		}, false},
		"dangling link": {func(data, _ string) error {
			return os.Symlink("/nonexistent", filepath.Join(data, state))
		}, false},
		"pipe": {func(data, _ string) error {
			return syscall.Mkfifo(filepath.Join(data, state), 0o600)
		}, false},
		"directory": {func(data, _ string) error { return os.Mkdir(filepath.Join(data, state), 0o700) }, false},
		"link of the directory of the lease": {func(data, closed string) error {
			lease := filepath.Join(data, "packhouse/v1/lease")
			if err := os.Remove(lease); err != nil {
				return err
			}
			return os.Symlink(closed, lease)
		}, false},
		"link of the store to a closed directory": {func(data, closed string) error {
			if err := os.RemoveAll(filepath.Join(data, setup.OwnName)); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(closed, "v2"), filepath.Join(data, setup.OwnName))
		}, false},
		"link above the content": {func(data, closed string) error {
			if err := os.Mkdir(filepath.Join(data, "docker"), 0o700); err != nil {
				return err
			}
			return os.Symlink(closed, filepath.Join(data, "docker", "registry"))
		}, false},
		"content of root": {func(data, _ string) error {
			return os.WriteFile(filepath.Join(data, "root"), nil, 0o600)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, base := serviceMachine(t)
			dir, data, closed := filepath.Join(base, "etc"), filepath.Join(base, "data"), filepath.Join(base, "closed")
			applied(t, servicePlan(t, m, base, answer.Values{
				"hostname": {"registry.example.com"}, "addr": {"127.0.0.1:5391"}, "storage-path": {data},
				"service": {setup.Systemd}, "run-as": {"nobody"},
			}))
			for _, path := range []string{filepath.Join(data, "packhouse/v1/lease"), filepath.Join(closed, "v2")} {
				if err := os.MkdirAll(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{filepath.Join(closed, "secret"), filepath.Join(closed, "owner")} {
				if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := test.plant(data, closed); err != nil {
				t.Fatal(err)
			}
			if err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
				if err == nil && filepath.Base(path) != "root" {
					err = os.Lchown(path, nobody, nobody)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if test.refused {
				if err := os.Rename(filepath.Join(data, "root"), filepath.Join(data, state)); err != nil {
					t.Fatal(err)
				}
			}
			in, err := installation.LoadWith(dir, filepath.Join(base, setup.Unit))
			if err != nil {
				t.Fatal(err)
			}
			resolved, findings := answer.Resolve(
				t.Context(), m, in, answer.Input{Flags: answer.Values{"user": {"eve:reader"}}, Quick: true},
			)
			if finding.AnyRefused(findings) != test.refused {
				t.Errorf("findings of a change: %v, want refused %t", findings, test.refused)
			}
			options := plan.Options{Now: machinetest.Now, HashCost: 4, UnitFile: filepath.Join(base, setup.Unit)}
			if _, err := plan.Make(t.Context(), m, in, resolved, options); err != nil {
				t.Errorf("plan.Make: %v", err)
			}
		})
	}
}
