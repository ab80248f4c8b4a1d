//go:build linux

package setup

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
)

func TestRootsGoBackAndForth(t *testing.T) {
	r := roots{dir: "/etc/packhouse", unit: UnitFile, outside: []string{"/srv/packs", "/etc/registry/auth"}}
	for _, tc := range []struct {
		path  string
		above bool
		text  string // empty: not part of the installation
	}{
		{"/etc/packhouse", false, "."},
		{"/etc/packhouse/certs/tls.crt", false, "certs/tls.crt"},
		{UnitFile, false, "@unit"},
		{"/srv/packs", false, rootID("/srv/packs") + "/."},
		{"/srv/packs/docker", false, rootID("/srv/packs") + "/docker"},
		{"/srv", true, rootID("/srv/packs") + "/.."},
		{"/etc/registry/auth/htpasswd", false, rootID("/etc/registry/auth") + "/htpasswd"},
		{"/etc/shadow", false, ""},
		{"/etc/packhouse2/x", false, ""},
		{"/srv/packs2", false, ""},
	} {
		text, err := r.encode(tc.path)
		if text != tc.text || (err != nil) != (tc.text == "") {
			t.Errorf("encode %s: %q, %v, want %q", tc.path, text, err, tc.text)
		}
		for _, form := range []string{text, tc.path} { // as it is written, and as version 1 wrote it
			path, err := r.decode(form, tc.above)
			switch {
			case tc.text == "" && form != "" && !errors.Is(err, errForeign):
				t.Errorf("decode %q: %s, %v, want %v", form, path, err, errForeign)
			case tc.text != "" && path != tc.path:
				t.Errorf("decode %q: %s, %v, want %s", form, path, err, tc.path)
			}
		}
	}
	for _, text := range []string{"..", "../../etc/shadow", "certs/../../shadow", "@unit/x", "@000000000000/x", rootID("/srv/packs") + "/../../etc/shadow", "/srv", "/"} {
		if path, err := r.decode(text, false); !errors.Is(err, errForeign) {
			t.Errorf("decode %q: %s, %v, want %v", text, path, err, errForeign)
		}
	}
}

// TestRootsOfJSON verifies that a configuration in JSON names the store, too.
func TestRootsOfJSON(t *testing.T) {
	for name, text := range map[string]string{
		"block":  "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/packs\n",
		"JSON":   `{"version": "0.1", "storage" : {"filesystem": {"rootdirectory": "/srv/packs"}}}`,
		"quotes": "version: 0.1\n'storage': {filesystem: {rootdirectory: /srv/packs}}\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := rootsOf(dir); !slices.Contains(r.outside, "/srv/packs") {
			t.Errorf("%s: %v", name, r.outside)
		}
	}
}

// TestJournalsHoldRelativePaths reads the files that an applied plan leaves.
func TestJournalsHoldRelativePaths(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, Values{"storage-path": {filepath.Join(t.TempDir(), "a", "b")}})
	install(t, m, dir, Values{"user": {"spectro"}})
	names := backups(dir)
	for _, path := range []string{filepath.Join(dir, ManifestFile), filepath.Join(dir, BackupDir, names[0], recordFile)} {
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
	flags := Values{"hostname": {"registry.example.com"}, "addr": {"127.0.0.1:5391"}, "storage-path": {filepath.Join(home, "packs")}, "service": {Systemd}, "run-as": {"nobody"}}
	in, resolved := resolveAll(t, m, filepath.Join(base, "etc"), flags)
	plan, err := MakePlan(t.Context(), m, in, resolved, Options{Now: now, WritePasswords: true, HashCost: 4, unitFile: filepath.Join(base, Unit)})
	if err != nil {
		t.Fatal(err)
	}
	// The third user replaces the directory by a link after the plan was made.
	if err := errors.Join(os.Chown(home, 50041, 50041), os.Symlink(system, filepath.Join(home, "packs"))); err != nil {
		t.Fatal(err)
	}
	_, err = Apply(t.Context(), plan, ApplyOptions{})
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok || refusal.Findings[0].Code != CodeUnsafe {
		t.Errorf("Apply: %v, want a finding %s", err, CodeUnsafe)
	}
	info, err := os.Stat(system)
	if err != nil {
		t.Fatal(err)
	}
	if uid, _ := owner(info); uid != 0 || info.Mode().Perm() != 0o755 {
		t.Errorf("the system directory belongs to %d, mode %v", uid, info.Mode())
	}
}

func TestUnfinishedJournalOfVersion1(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for path, accepted := range map[string]bool{filepath.Join(dir, HandoffFile): true, "/etc/packhouse-foreign": false} {
		work := filepath.Join(dir, workDir)
		err := errors.Join(os.Mkdir(work, 0o700), os.Mkdir(filepath.Join(work, newDir), 0o700), os.Mkdir(filepath.Join(work, oldDir), 0o700),
			os.WriteFile(filepath.Join(work, newDir, "0"), []byte("new\n"), 0o600))
		data, failure := json.Marshal(journal{Version: 1, State: committing, At: now, Steps: []step{{
			Path: path, Kind: Update, Mode: 0o644, UID: -1, GID: -1, Staged: filepath.Join(work, newDir, "0"), Sum: sum([]byte("new\n")),
		}}})
		if err := errors.Join(err, failure, os.WriteFile(filepath.Join(work, journalFile), data, 0o600)); err != nil {
			t.Fatal(err)
		}
		in, err := Open(dir)
		refusal, refused := errors.AsType[*finding.Error](err)
		switch {
		case accepted && (err != nil || in.Recovered == ""):
			t.Errorf("%s: %v", path, err)
		case !accepted && (!refused || refusal.Findings[0].Code != CodeForeignPath):
			t.Errorf("%s: %v, want a finding %s", path, err, CodeForeignPath)
		}
		if err := os.RemoveAll(work); err != nil {
			t.Fatal(err)
		}
	}
}
