//go:build unix

package apply

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestPlantedOwnerRecord verifies that a pipe, a link, a directory or a large file that the server's
// user makes in the place of the owner record blocks no change, no rollback and no removal, and that
// the record of a new store is refused.
func TestPlantedOwnerRecord(t *testing.T) {
	for name, plant := range map[string]func(record, elsewhere string) error{
		"pipe":      func(record, _ string) error { return syscall.Mkfifo(record, 0o600) },
		"link":      func(record, elsewhere string) error { return os.Symlink(elsewhere, record) },
		"directory": func(record, _ string) error { return os.MkdirAll(filepath.Join(record, "x"), 0o700) },
		"large file": func(record, _ string) error {
			return errors.Join(os.WriteFile(record, nil, 0o600), os.Truncate(record, 3<<30))
		},
		"link to a directory": func(record, elsewhere string) error {
			if err := os.Remove(filepath.Dir(record)); err != nil {
				return err
			}
			return os.Symlink(filepath.Dir(elsewhere), filepath.Dir(record))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, base := machinetest.New(t, &machinetest.Host{}), t.TempDir()
			dir, store := filepath.Join(base, "packhouse"), filepath.Join(base, "store")
			elsewhere := filepath.Join(base, "elsewhere")
			install(t, m, dir, answer.Values{"storage-path": {store}})
			if err := os.WriteFile(elsewhere, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(store, filepath.FromSlash(installation.OwnerFile))
			if err := os.Remove(record); err != nil {
				t.Fatal(err)
			}
			if err := plant(record, elsewhere); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(store, "docker", "registry", "v2"), 0o750); err != nil {
				t.Fatal(err)
			}

			rollsBackWithWarning(t, dir)
			planned := install(t, m, dir, answer.Values{"user": {"eve:reader"}})
			warned := false
			for _, f := range planned.Findings {
				warned = warned || f.Code == installation.CodeUnsafe && f.Severity == finding.Warning && f.Remedy != ""
			}
			if !warned {
				t.Errorf("findings of a change: %v, want a warning %s", planned.Findings, installation.CodeUnsafe)
			}
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := plan.KeepsStore(in); err == nil || !strings.Contains(err.Error(), "not a") {
				t.Errorf("KeepsStore: %v, want what is in the place of the record", err)
			}
			if _, err := plan.Uninstall(t.Context(), in); err != nil {
				t.Errorf("plan.Uninstall: %v", err)
			}
			if data, err := os.ReadFile(elsewhere); err != nil || string(data) != "content" {
				t.Errorf("the target of the link: %q, %v", data, err)
			}

			other, resolved := answertest.Resolve(t, m, filepath.Join(base, "second"), answer.Values{"storage-path": {store}})
			_, err = plan.Make(
				t.Context(), m, other, resolved, plan.Options{Now: machinetest.Now, WritePasswords: true},
			)
			if err == nil || !strings.Contains(err.Error(), "not a") {
				t.Errorf("a new installation: %v, want it refused", err)
			}
		})
	}
}

// rollsBackWithWarning verifies that the rollback of the first setup in dir leaves something, with a
// warning.
func rollsBackWithWarning(t *testing.T, dir string) {
	t.Helper()
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := plan.Rollback(t.Context(), in); err != nil || len(back.Findings) == 0 {
		t.Errorf("plan.Rollback of the first setup: %v, want a plan with a warning", err)
	}
}

// TestPlantedOwnerRecordDuringRun verifies that a directory that the server's user makes in the place
// of the owner record blocks neither the undoing of a failed run nor the end of an interrupted one.
func TestPlantedOwnerRecordDuringRun(t *testing.T) {
	for name, stop := range map[string]error{"failed": failedError{cause: errKilled}, "killed": errKilled} {
		t.Run(name, func(t *testing.T) {
			m, base := machinetest.New(t, &machinetest.Host{}), t.TempDir()
			dir, store := filepath.Join(base, "packhouse"), filepath.Join(base, "store")
			record := filepath.Join(store, filepath.FromSlash(installation.OwnerFile))
			planned := planFor(t, m, dir, answer.Values{"storage-path": {store}})
			_, err := Apply(t.Context(), planned, Options{Hook: func(string) error {
				info, err := os.Lstat(record)
				if err != nil || info.IsDir() {
					return nil //nolint:nilerr // it does not exist yet
				}
				if err := errors.Join(os.Remove(record), os.MkdirAll(filepath.Join(record, "x"), 0o700)); err != nil {
					t.Error(err)
				}
				return stop
			}})
			if !errors.Is(err, errKilled) {
				t.Fatalf("Apply: %v, want %v", err, errKilled)
			}
			in, err := Open(dir)
			if err != nil || in.HalfDone {
				t.Errorf("Open: %v, want a complete end of the run", err)
			}
		})
	}
}
