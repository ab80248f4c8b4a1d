package setup

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestFormerStoreIsForgotten verifies that the record in a store that the installation no longer uses does not count
// as a file of the installation, also when no backup names that store any more.
func TestFormerStoreIsForgotten(t *testing.T) {
	m, base := machineOf(t, &fakeHost{}), t.TempDir()
	dir := filepath.Join(base, "packhouse")
	install(t, m, dir, Values{"storage-path": {filepath.Join(base, "first")}})
	install(t, m, dir, Values{"storage-path": {filepath.Join(base, "second")}})
	if err := os.RemoveAll(filepath.Join(dir, BackupDir)); err != nil {
		t.Fatal(err)
	}
	in, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Drift) > 0 {
		t.Errorf("differences of an unchanged installation: %v", in.Drift)
	}
}

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
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		server  ServerOn
		refused bool
	}{
		{"none", ServerOn{}, false},
		{"its own", ServerOn{Up: true, Config: filepath.Join(dir, ConfigFile)}, false},
		{"its own, through a link", ServerOn{Up: true, Config: filepath.Join(base, "link", ConfigFile)}, false},
		{"of another installation", ServerOn{Up: true, PID: 1, Config: filepath.Join(base, "other", ConfigFile)}, true},
		{"of an unknown one", ServerOn{Up: true}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &Machine{ServerOn: func(_ context.Context, of, root string) ServerOn {
				if of != dir || root != store {
					t.Errorf("asked for the server of %s on %s", of, root)
				}
				return tc.server
			}}
			findings := probeStoreOwner(t.Context(), m, &Answers{Dir: dir, StoragePath: store})
			if got := AnyRefused(findings); got != tc.refused {
				t.Errorf("refused: %v, want %v: %v", got, tc.refused, findings)
			}
		})
	}
}
