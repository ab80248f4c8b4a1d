package question

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// TestServerOfStore verifies that the server of the installation itself is recognized, also through a link, and that
// any other server on the store is refused.
func TestServerOfStore(t *testing.T) {
	base := t.TempDir()
	dir, store := filepath.Join(base, "packhouse"), filepath.Join(base, "store")
	for _, path := range []string{dir, store} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		server  machine.ServerOn
		refused bool
	}{
		{"none", machine.ServerOn{}, false},
		{"its own", machine.ServerOn{Up: true, Config: filepath.Join(dir, installation.ConfigFile)}, false},
		{"its own, through a link", machine.ServerOn{Up: true, Config: filepath.Join(base, "link", installation.ConfigFile)}, false},
		{"of another installation", machine.ServerOn{Up: true, PID: 1, Config: filepath.Join(base, "other", installation.ConfigFile)}, true},
		{"of an unknown one", machine.ServerOn{Up: true}, true},
		{"one that cannot be asked", machine.ServerOn{Doubt: errors.New("not a socket")}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &machine.Machine{ServerOn: func(_ context.Context, of, root string) machine.ServerOn {
				if of != dir || root != store {
					t.Errorf("asked for the server of %s on %s", of, root)
				}
				return tc.server
			}}
			findings := probeStoreServer(t.Context(), m, &Answers{Dir: dir, StoragePath: store})
			if got := finding.AnyRefused(findings); got != tc.refused {
				t.Errorf("refused: %v, want %v: %v", got, tc.refused, findings)
			}
			a := &Answers{Dir: dir, StoragePath: store, Existing: &installation.Installed{Config: &config.Config{}}}
			a.Existing.Config.Storage.Filesystem.RootDirectory = store
			findings = probeStoreServer(t.Context(), m, a)
			if finding.AnyRefused(findings) || len(findings) > 0 != tc.refused {
				t.Errorf("with the store in use: %v, want a warning: %v", findings, tc.refused)
			}
		})
	}
}
