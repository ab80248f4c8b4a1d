//go:build linux

package apply

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestBackupHoldsAllManagedFiles: after the first installation, and after a change that does not touch myconfig.yml, the
// backup has a copy of it that the server accepts, and repair offers it.
func TestBackupHoldsAllManagedFiles(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	dir := t.TempDir()
	path := filepath.Join(dir, installation.ConfigFile)
	for _, flags := range []answer.Values{
		{"dir": {dir}, "hostname": {"registry.example.com"}, "addr": {"127.0.0.1:5443"}, "storage-path": {filepath.Join(dir, "data")}},
		{"dir": {dir}, "user": {"ci"}},
	} {
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		resolved, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: flags, Quick: true})
		if finding.AnyRefused(findings) {
			t.Fatal(findings)
		}
		planned, err := plan.Make(
			t.Context(), m, in, resolved,
			plan.Options{Now: machinetest.Now, HashCost: 4, UnitFile: filepath.Join(dir, "no.unit")},
		)
		if err != nil {
			t.Fatal(err)
		}
		applied(t, planned)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("nonsense: [\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if in, err = installation.Load(dir); err != nil {
			t.Fatal(err)
		}
		way := repairNamed(plan.Repairs(t.Context(), m, in, in.ConfigData), "backup")
		if way == nil || !bytes.Equal(way.Data, good) {
			t.Errorf("after %v, repair does not offer the good copy: %+v", flags, way)
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
		if in, err = installation.Load(dir); err != nil {
			t.Fatal(err)
		}
		names := installation.Backups(dir)
		for _, name := range []string{installation.HtpasswdFile, installation.CertFile, installation.KeyFile, installation.CACertFile, installation.HandoffFile} {
			have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if kept := plan.ManagedIn(in, names[len(names)-1], in.Path(name)); !bytes.Equal(kept, have) {
				t.Errorf("after %v, the backup does not hold %s", flags, name)
			}
		}
		raw, err := os.ReadFile(filepath.Join(dir, installation.BackupDir, names[len(names)-1], installation.FilesFile))
		if err != nil || strings.Contains(string(raw), `"`+installation.CAKeyFile+`"`) {
			t.Errorf("the backup holds the key of the CA, or cannot be read: %v", err)
		}
	}
}
