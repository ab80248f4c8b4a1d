package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/racetest"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

var errKilled = errors.New("killed")

// killAt ends a run at its n-th operation, counted from 1.
func killAt(n int) func(string) error {
	return func(string) error {
		if n--; n == 0 {
			return errKilled
		}
		return nil
	}
}

// TestKilledAnywhereIsWholeOldOrWholeNew cuts apply off before each of its operations, then loads the installation as the next run does.
func TestKilledAnywhereIsWholeOldOrWholeNew(t *testing.T) {
	change := answer.Values{
		"user":        {"spectro"},
		"addr":        {":5001"},
		"rotate-cert": {"true"},
		"new-key":     {"true"},
		"log-level":   {"debug"},
	}
	for _, tc := range []struct {
		name         string
		first, again answer.Values
	}{
		{"first install", nil, answer.Values{"user": {"spectro"}}},
		{"change", answer.Values{"addr": {":5000"}}, change},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var old, fresh, done int
			step := racetest.Sample(1, 5)
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			if tc.first != nil {
				install(t, m, dir, tc.first)
			}
			before := snapshot(t, dir)
			planned := planFor(t, m, dir, tc.again)
			reset := keepTree(t, dir)
			for n := 1; done == 0; n += step {
				reset()
				_, err := Apply(t.Context(), planned, Options{Hook: killAt(n)})
				if err == nil {
					done = n
				} else if !errors.Is(err, errKilled) {
					t.Fatalf("operation %d: %v", n, err)
				}
				in, err := Open(dir)
				if err != nil {
					t.Fatalf("operation %d: %v", n, err)
				}
				switch after := snapshot(t, dir); {
				case mapsEqual(before, after):
					old++
					if in.Exists() != (tc.first != nil) {
						t.Errorf("operation %d: exists %v", n, in.Exists())
					}
				case mapsEqual(wanted(before, planned), after):
					fresh++
					if done == 0 && in.Recovered == "" {
						t.Errorf("operation %d: finished in silence", n)
					}
				default:
					t.Fatalf(
						"operation %d (%s): neither old nor new: %v", n, in.Recovered,
						slices.Sorted(maps.Keys(after)),
					)
				}
				if len(in.Drift) > 0 || in.HalfDone {
					t.Errorf("operation %d: drift %v", n, in.Drift)
				}
			}
			if old < 10/step || fresh < 10/step {
				t.Errorf(
					"old %d times and new %d times of %d: the kills do not reach both sides of the journal", old,
					fresh, done,
				)
			}
		})
	}
}

// keepTree remembers a directory, and returns what brings it back.
func keepTree(t *testing.T, dir string) (reset func()) {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "kept")
	copyTree(t, dir, kept)
	return func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		copyTree(t, kept, dir)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, installation.Rel(from, path))
		if entry.IsDir() {
			return errors.Join(os.Mkdir(target, 0o700), os.Chmod(target, info.Mode().Perm())) // whatever the umask
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(target, data, 0o600), os.Chmod(target, info.Mode().Perm()))
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// wanted is the snapshot that a plan asks for.
func wanted(before map[string]string, p *plan.Plan) map[string]string {
	out := maps.Clone(before)
	for _, c := range p.Changes {
		name := installation.Rel(p.Dir, c.Path)
		switch {
		case c.Mode.IsDir():
		case c.Kind == setup.Remove:
			delete(out, name)
		default:
			out[name] = c.Mode.String() + "\n" + string(c.After)
		}
	}
	return out
}

// TestKilledWhileRecovering cuts off the run that finishes another one, and the one that undoes it.
func TestKilledWhileRecovering(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	before := snapshot(t, dir)
	planned := planFor(t, m, dir, answer.Values{"user": {"spectro"}, "addr": {":5001"}})
	reset := keepTree(t, dir)
	for n := 1; ; n += racetest.Sample(1, 4) {
		reset()
		renames := 0
		if _, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
			if strings.HasPrefix(operation, "rename "+installation.ConfigFile) { // the first after the journal
				renames++
				return errKilled
			}
			return nil
		}}); !errors.Is(err, errKilled) || renames != 1 {
			t.Fatalf("%v after %d renames", err, renames)
		}
		_, err := recoverRun(dir, nil, killAt(n))
		in, loadErr := Open(dir)
		if loadErr != nil {
			t.Fatalf("operation %d: %v", n, loadErr)
		}
		if after := snapshot(t, dir); !mapsEqual(wanted(before, planned), after) {
			t.Fatalf("operation %d (%s): not what was planned", n, in.Recovered)
		}
		if err == nil {
			if n < 5 {
				t.Errorf("recovering took %d operations only", n)
			}
			return
		}
	}
}

// TestAFailureUndoesEverything makes a rename impossible in the middle of the changes.
func TestAFailureUndoesEverything(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	before := snapshot(t, dir)
	planned := planFor(t, m, dir, answer.Values{"user": {"spectro"}, "addr": {":5001"}, "rotate-cert": {"true"}})
	reset := keepTree(t, dir)
	for n := 0; ; n++ {
		reset()
		left, failed := n, false
		_, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
			name, isRename := strings.CutPrefix(operation, "rename ")
			if isRename && planned.Change(name) != nil && !failed {
				if left--; left < 0 {
					failed = true // take away what was to be renamed, and its place
					staged, _ := filepath.Glob(filepath.Join(dir, installation.WorkDir, installation.NewDir, "*"))
					for _, s := range staged {
						_ = os.Remove(s)
					}
					return os.Remove(filepath.Join(dir, name))
				}
			}
			return nil
		}})
		if !failed {
			if err != nil {
				t.Fatal(err)
			}
			if n < 4 {
				t.Errorf("only %d renames were tried", n)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), "everything is as it was before") {
			t.Fatalf("rename %d: %v", n, err)
		}
		if after := snapshot(t, dir); !mapsEqual(before, after) {
			t.Fatalf("rename %d: not as it was before", n)
		}
		if again, err := Open(dir); err != nil || again.Recovered != "" {
			t.Errorf("rename %d: something was left to do: %v, %v", n, again, err)
		}
	}
}

func TestRollbackGoesBackAndForth(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	first := snapshot(t, dir)
	install(t, m, dir, answer.Values{"user": {"spectro"}, "addr": {":5001"}, "new-ca": {"true"}})
	second := snapshot(t, dir)
	copies, err := filepath.Glob(filepath.Join(dir, installation.BackupDir, "*", "*"))
	if err != nil || len(copies) < 5 {
		t.Fatal(copies, err)
	}
	for _, path := range copies {
		if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "hand them out") {
			t.Errorf("%s keeps a copy of the generated passwords: %v", path, err)
		}
	}
	delete(first, installation.PasswordsFile) // stays as it is
	delete(second, installation.PasswordsFile)
	for round, want := range []map[string]string{first, second, first} {
		in, err := Open(dir)
		if err != nil || len(in.Drift) > 0 {
			t.Fatal(in.Drift, err)
		}
		if in.Backup.IsZero() {
			t.Fatal("no backup to go back to")
		}
		planned, err := plan.Rollback(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for path, word := range map[string]string{installation.HtpasswdFile: []string{"user spectro goes", "user spectro comes back"}[round%2], installation.CertFile: "certificate for "} {
			if c := planned.Change(path); c == nil ||
				!slices.ContainsFunc(c.Meaning, func(m string) bool { return strings.HasPrefix(m, word) }) {
				t.Errorf("round %d: of %s it does not say %q: %+v", round, path, word, c)
			}
		}
		if _, err := Apply(t.Context(), planned, Options{}); err != nil {
			t.Fatal(err)
		}
		got := snapshot(t, dir)
		delete(got, installation.PasswordsFile)
		if !mapsEqual(want, got) {
			t.Fatalf("round %d: not the files before", round)
		}
		if kept := installation.Backups(dir); len(kept) != 1 {
			t.Errorf("round %d: %d generations are kept, want one", round, len(kept))
		}
	}
}

func TestRollbackOfTheFirstInstall(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	in, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	planned, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), planned, Options{}); err != nil {
		t.Fatal(err)
	}
	if left := snapshot(t, dir); len(left) > 0 {
		t.Errorf("left: %v", slices.Sorted(maps.Keys(left)))
	}
	if _, err := os.Stat(filepath.Join(dir, "certs")); err == nil {
		t.Error("the directory of the certificates is left")
	}
}

func TestRollbackWithoutABackup(t *testing.T) {
	_, err := plan.Rollback(t.Context(), &installation.Installed{Dir: t.TempDir()})
	var refusal *finding.Error
	if !errors.As(err, &refusal) || refusal.Findings[0].Code != setup.CodeNoBackup {
		t.Errorf("%v", err)
	}
}

func TestTwoSetupsAtOnce(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	first, second := planFor(t, m, dir, nil), planFor(t, m, dir, answer.Values{"addr": {":5001"}})
	tried := false
	_, err := Apply(t.Context(), first, Options{Hook: func(operation string) error {
		if tried || !strings.HasPrefix(operation, "write "+installation.WorkDir+"/"+installation.NewDir) {
			return nil
		}
		tried = true
		var refusal *finding.Error
		if _, err := Apply(t.Context(), second, Options{}); !errors.As(err, &refusal) || refusal.Findings[0].Code != setup.CodeBusy ||
			!strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) ||
			runtime.GOOS == "linux" && !strings.Contains(err.Error(), "(apply.test, pid") {
			t.Errorf("the second setup: %v", err)
		}
		if _, err := Open(dir); !errors.As(err, &refusal) || refusal.Findings[0].Code != setup.CodeBusy {
			t.Errorf("loading meanwhile: %v", err)
		}
		return nil
	}})
	if err != nil || !tried {
		t.Fatal(err, tried)
	}
	if _, err := Apply(t.Context(), second, Options{}); err == nil {
		t.Error("a plan made before the other one was applied over it")
	}
}

func TestAFileChangedSinceThePlanIsNotOverwritten(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	planned := planFor(t, m, dir, answer.Values{"addr": {":5001"}})
	path := filepath.Join(dir, installation.ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, "# by hand\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	_, err = Apply(t.Context(), planned, Options{})
	var refusal *finding.Error
	if !errors.As(err, &refusal) || refusal.Findings[0].Code != setup.CodeChanged {
		t.Fatalf("%v", err)
	}
	if !mapsEqual(before, snapshot(t, dir)) {
		t.Error("files changed all the same")
	}
}

func TestHandEditsAndOwnersSurvive(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	path := filepath.Join(dir, installation.ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(
		string(data), "\nhttp:\n", "\n# our own words\nhttp:\n  draintimeout:   45s   # odd spaces\n", 1,
	)
	if err := os.WriteFile(path, []byte(edited), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, installation.HtpasswdFile)
	if os.Geteuid() == 0 {
		if err := os.Chown(users, 1234, 1235); err != nil {
			t.Fatal(err)
		}
	}
	install(t, m, dir, answer.Values{"addr": {":5001"}, "user": {"spectro"}})
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(edited, `":443"`, `:5001`, 1); string(data) != want {
		t.Errorf("edited by setup:\n%s\nwant:\n%s", data, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(users); err != nil {
		t.Fatal(err)
	}
	if uid, gid := machine.Owner(info); os.Geteuid() == 0 && (uid != 1234 || gid != 1235) {
		t.Errorf("the users file belongs to %d:%d now", uid, gid)
	}
}

func TestOpenKeysAreClosed(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for _, name := range []string{installation.KeyFile, installation.HtpasswdFile, "certs"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in, err := Open(dir)
	if err != nil || len(in.Drift) != 2 {
		t.Errorf("drift %v, %v", in.Drift, err)
	}
	planned := install(t, m, dir, nil)
	if c := planned.Change(installation.KeyFile); c.Kind != setup.Update ||
		!slices.Contains(c.Meaning, "mode 0600, was 0755") {
		t.Errorf("%s: %v", c.Kind, c.Meaning)
	}
	for name, mode := range map[string]fs.FileMode{installation.KeyFile: 0o600, installation.HtpasswdFile: 0o600, "certs": 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestALinkStaysALink(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	path, elsewhere := filepath.Join(dir, installation.ConfigFile), filepath.Join(t.TempDir(), "kept-in-git.yml")
	if err := os.Rename(path, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	install(t, m, dir, answer.Values{"addr": {":5001"}})
	if target, err := os.Readlink(path); err != nil || target != elsewhere {
		t.Errorf("%q, %v", target, err)
	}
	data, err := os.ReadFile(elsewhere)
	if err != nil || !strings.Contains(string(data), ":5001") {
		t.Errorf("not written through the link: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(elsewhere), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
