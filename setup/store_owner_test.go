package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
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
		{"one that cannot be asked", ServerOn{Doubt: errors.New("not a socket")}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &Machine{ServerOn: func(_ context.Context, of, root string) ServerOn {
				if of != dir || root != store {
					t.Errorf("asked for the server of %s on %s", of, root)
				}
				return tc.server
			}}
			findings := probeStoreServer(t.Context(), m, &Answers{Dir: dir, StoragePath: store})
			if got := finding.AnyRefused(findings); got != tc.refused {
				t.Errorf("refused: %v, want %v: %v", got, tc.refused, findings)
			}
			a := &Answers{Dir: dir, StoragePath: store, existing: &Installed{Config: &config.Config{}}}
			a.existing.Config.Storage.Filesystem.RootDirectory = store
			findings = probeStoreServer(t.Context(), m, a)
			if finding.AnyRefused(findings) || len(findings) > 0 != tc.refused {
				t.Errorf("with the store in use: %v, want a warning: %v", findings, tc.refused)
			}
		})
	}
}

// TestTakeOverIsAsked verifies that setup asks about a take-over exactly if another installation owns the store, that
// no is the default and refused, and that consent does not extend to another directory.
func TestTakeOverIsAsked(t *testing.T) {
	m, base := machineOf(t, &fakeHost{}), t.TempDir()
	owned, other := filepath.Join(base, "owned"), filepath.Join(base, "other")
	install(t, m, filepath.Join(base, "first"), Values{"storage-path": {owned}})
	install(t, m, filepath.Join(base, "second"), Values{"storage-path": {other}})

	dir := filepath.Join(base, "third")
	_, resolved := resolveAll(t, m, dir, Values{"storage-path": {filepath.Join(base, "fresh")}})
	a, path, q := resolved.Answers, questionNamed(t, "storage-path"), questionNamed(t, "take-over-store")
	set := func(q *Question, text string) {
		t.Helper()
		if err := q.Set(&a, text); err != nil {
			t.Fatal(err)
		}
	}
	if q.Asked(&a) {
		t.Error("asked about a store of no installation")
	}
	set(path, owned)
	if !q.Asked(&a) || q.Get(&a) != "false" {
		t.Errorf("asked: %v, by default %s; want true, false", q.Asked(&a), q.Get(&a))
	}
	findings := q.Validate(t.Context(), m, &a)
	if !finding.AnyRefused(findings) || !strings.Contains(findings[0].What, filepath.Join(base, "first")) {
		t.Errorf("no: %v, want a refusal that names the owner", findings)
	}
	set(q, "true")
	set(path, owned)
	if findings := q.Validate(t.Context(), m, &a); finding.AnyRefused(findings) || !a.TakeOver {
		t.Errorf("yes: %v, %v", a.TakeOver, findings)
	}
	set(path, other)
	if !q.Asked(&a) || q.Get(&a) != "false" {
		t.Errorf("another directory: asked: %v, answer %s; want true, false", q.Asked(&a), q.Get(&a))
	}

	// An installation that uses the store can change other settings.
	plan := install(t, m, dir, Values{"storage-path": {owned}, "take-over-store": {"true"}})
	change := plan.change(filepath.Join(owned, filepath.FromSlash(ownerFile)))
	if want := "no longer the one in " + filepath.Join(base, "first"); change == nil || !strings.Contains(strings.Join(change.Meaning, " "), want) {
		t.Errorf("the review does not name the former owner: %+v", change)
	}
	_, resolved = resolveAll(t, m, filepath.Join(base, "first"), nil)
	if findings := q.Validate(t.Context(), m, &resolved.Answers); !q.Asked(&resolved.Answers) || finding.AnyRefused(findings) || len(findings) != 1 {
		t.Errorf("former owner: asked: %v, %v", q.Asked(&resolved.Answers), findings)
	}

	// The answer applies once: answers.yml is for the next machine.
	in, resolved := resolveAll(t, m, dir, nil)
	if q.Asked(&resolved.Answers) {
		t.Error("the new owner is asked again")
	}
	if data, err := os.ReadFile(in.path(AnswersFile)); err != nil || strings.Contains(string(data), "take-over-store") {
		t.Errorf("answers: %v\n%s", err, data)
	}
}
