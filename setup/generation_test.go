//go:build linux

package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
)

// TestBackupHoldsAllManagedFiles: after the first installation, and after a change that does not touch myconfig.yml, the
// backup has a copy of it that the server accepts, and repair offers it.
func TestBackupHoldsAllManagedFiles(t *testing.T) {
	m := machineOf(t, &fakeHost{})
	dir := t.TempDir()
	path := filepath.Join(dir, ConfigFile)
	for _, flags := range []Values{
		{"dir": {dir}, "hostname": {"registry.example.com"}, "addr": {"127.0.0.1:5443"}, "storage-path": {filepath.Join(dir, "data")}},
		{"dir": {dir}, "user": {"ci"}},
	} {
		in, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		resolved, findings := Resolve(t.Context(), m, in, Input{Flags: flags, Quick: true})
		if finding.AnyRefused(findings) {
			t.Fatal(findings)
		}
		plan, err := MakePlan(t.Context(), m, in, resolved, Options{Now: now, HashCost: 4, unitFile: filepath.Join(dir, "no.unit")})
		if err != nil {
			t.Fatal(err)
		}
		applied(t, plan)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("nonsense: [\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if in, err = Load(dir); err != nil {
			t.Fatal(err)
		}
		way := repairNamed(Repairs(t.Context(), m, in, in.ConfigData), "backup")
		if way == nil || !bytes.Equal(way.Data, good) {
			t.Errorf("after %v, repair does not offer the good copy: %+v", flags, way)
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
		if in, err = Load(dir); err != nil {
			t.Fatal(err)
		}
		names := backups(dir)
		for _, name := range []string{HtpasswdFile, CertFile, KeyFile, CACertFile, HandoffFile} {
			have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if kept := in.managedIn(names[len(names)-1], in.path(name)); !bytes.Equal(kept, have) {
				t.Errorf("after %v, the backup does not hold %s", flags, name)
			}
		}
		raw, err := os.ReadFile(filepath.Join(dir, BackupDir, names[len(names)-1], filesFile))
		if err != nil || strings.Contains(string(raw), `"`+CAKeyFile+`"`) {
			t.Errorf("the backup holds the key of the CA, or cannot be read: %v", err)
		}
	}
}
