package apply

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"packhouse/racetest"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// failAt fails the n-th operation of a run, counted from 1, before or after it was done; last is how many fail from there on.
func failAt(n, last int, err error, done bool) func(string) error {
	at := 0
	return func(string) error {
		if at++; at >= n && at < n+last {
			return failedError{cause: err, done: done}
		}
		return nil
	}
}

// TestAFailureAnywhereLeavesTheOldOrTheNew lets each operation of apply fail once, and then also everything behind it: the disk is full, or
// has become read-only. Who is told of a failure finds the old files; where even the way back is barred, the next run finds it.
func TestAFailureAnywhereLeavesTheOldOrTheNew(t *testing.T) {
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
		last         int
		done         bool
		err          error
	}{
		{"first install, once", nil, answer.Values{"user": {"spectro"}}, 1, false, syscall.ENOSPC},
		{"first install, from there on", nil, answer.Values{"user": {"spectro"}}, 1 << 20, false, syscall.EROFS},
		{"change, once, after it was done", answer.Values{"addr": {":5000"}}, change, 1, true, syscall.EIO},
		{"change, from there on", answer.Values{"addr": {":5000"}}, change, 1 << 20, false, syscall.EROFS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // it waits for the disk
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			if tc.first != nil {
				install(t, m, dir, tc.first)
			}
			before, generation := snapshot(t, dir), installation.Backups(dir)
			planned := planFor(t, m, dir, tc.again)
			reset := keepTree(t, dir)
			failures, step := 0, racetest.Sample(1, 10)
			for n := 1; ; n += step {
				reset()
				_, err := Apply(t.Context(), planned, Options{Hook: failAt(n, tc.last, tc.err, tc.done)})
				told := snapshot(t, dir)
				in, failure := Open(dir)
				if failure != nil {
					t.Fatalf("operation %d: %v", n, failure)
				}
				after := snapshot(t, dir)
				switch {
				case err == nil && !mapsEqual(wanted(before, planned), after):
					t.Fatalf("operation %d: done, and not what was planned", n)
				case err == nil && n > 200:
					t.Fatal("it never ends")
				case err == nil && (tc.last > 1 || failures > 20/step):
					if failures < 20/step {
						t.Errorf("only %d operations failed", failures)
					}
					return
				case err == nil: // it could do without that operation
				case !errors.Is(err, tc.err):
					t.Fatalf("operation %d: %v", n, err)
				case mapsEqual(before, after):
					failures++
					if tc.last == 1 && (!mapsEqual(before, told) || in.Recovered != "") {
						t.Errorf("operation %d: something was left for the next run: %s", n, in.Recovered)
					}
					if !slices.Equal(generation, installation.Backups(dir)) {
						t.Errorf("operation %d: the backup of before is lost: %v", n, installation.Backups(dir))
					}
				case mapsEqual(wanted(before, planned), after) && tc.last > 1: // even the way back is barred
					failures++
					if in.Recovered == "" {
						t.Errorf("operation %d: finished in silence", n)
					}
				default:
					t.Fatalf("operation %d: %v; neither old nor new: %v", n, err, slices.Sorted(maps.Keys(after)))
				}
			}
		})
	}
}

// stray lists what lies below directories and is a by-product of setup.
func stray(t *testing.T, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if strings.Contains(filepath.Base(path), "setup-") || filepath.Base(path) == installation.WorkDir {
				found = append(found, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return found
}

// TestNothingIsLeftElsewhere: an installation may have files outside its directory, through links or a path in myconfig.yml. They are staged
// beside their places, and a run that is cut off must not leave copies there.
func TestNothingIsLeftElsewhere(t *testing.T) {
	m, dir, elsewhere := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse"), t.TempDir()
	install(t, m, dir, nil)
	for _, name := range []string{installation.ConfigFile, installation.HtpasswdFile, installation.KeyFile} {
		target := filepath.Join(elsewhere, filepath.Base(name))
		if err := errors.Join(os.Rename(filepath.Join(dir, name), target), os.Symlink(target, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	planned := planFor(
		t, m, dir,
		answer.Values{"user": {"spectro"}, "addr": {":5001"}, "rotate-cert": {"true"}, "new-key": {"true"}},
	)
	for n := 1; ; n += racetest.Sample(1, 4) {
		_, err := Apply(t.Context(), planned, Options{Hook: killAt(n)})
		if err == nil {
			t.Fatal("it was never killed before its journal")
		}
		in, failure := Open(dir)
		if failure != nil {
			t.Fatal(failure)
		}
		if left := stray(t, dir, elsewhere); len(left) > 0 {
			t.Fatalf("operation %d (%s): left behind: %v", n, in.Recovered, left)
		}
		if strings.Contains(in.Recovered, "complete") {
			return
		}
	}
}

// TestWhatWasEditedAfterTheKillIsKept: between a run that was cut off and the next one somebody mends the configuration by hand.
func TestWhatWasEditedAfterTheKillIsKept(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	planned := planFor(t, m, dir, answer.Values{"addr": {":5001"}, "user": {"spectro"}})
	path := filepath.Join(dir, installation.ConfigFile)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	byHand := string(old) + "# edited by hand\n"
	reset := keepTree(t, dir)
	for _, at := range []string{"rename " + installation.ConfigFile, "rename " + installation.HtpasswdFile, "rename " + installation.BackupDir} {
		t.Run(at, func(t *testing.T) {
			reset()
			if _, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
				if strings.HasPrefix(operation, at) {
					return errKilled
				}
				return nil
			}}); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(byHand), 0o644); err != nil {
				t.Fatal(err)
			}
			in, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			now, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(now) == byHand {
				return // nobody touched it
			}
			if !strings.Contains(in.Recovered, installation.ConfigFile) {
				t.Errorf("it says %q, and not that it wrote over what was edited", in.Recovered)
			}
			back, err := plan.Rollback(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if c := back.Change(installation.ConfigFile); c == nil || string(c.After) != byHand {
				t.Error("what was edited is lost")
			}
		})
	}
}

// TestWhatTheNextRunSays holds the words of the next run against what happened, wherever it was cut off.
func TestWhatTheNextRunSays(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	before := snapshot(t, dir)
	planned := planFor(t, m, dir, answer.Values{"addr": {":5001"}})
	reset := keepTree(t, dir)
	for n := 1; ; n += racetest.Sample(1, 4) {
		reset()
		_, err := Apply(t.Context(), planned, Options{Hook: killAt(n)})
		if err == nil {
			return
		}
		in, failure := Open(dir)
		if failure != nil {
			t.Fatal(failure)
		}
		isOld := mapsEqual(before, snapshot(t, dir))
		if saysOld := strings.Contains(in.Recovered, "before it changed anything") || in.Recovered == ""; saysOld != isOld {
			t.Errorf("operation %d: it says %q, and the old files are there: %v", n, in.Recovered, isOld)
		}
	}
}

// TestAPlaceOnAnotherDisk: certs may be a mount or a link to another disk, where nothing can be renamed to from here.
func TestAPlaceOnAnotherDisk(t *testing.T) {
	m, dir, elsewhere := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse"), otherDisk(t)
	install(t, m, dir, nil)
	for _, name := range []string{"certs", installation.BackupDir} {
		from, to := filepath.Join(dir, name), filepath.Join(elsewhere, name)
		copyTree(t, from, to)
		if err := errors.Join(os.RemoveAll(from), os.Symlink(to, from)); err != nil {
			t.Fatal(err)
		}
	}
	before := snapshot(t, elsewhere)
	planned := planFor(t, m, dir, answer.Values{"rotate-cert": {"true"}, "new-key": {"true"}})
	for n := 1; ; n++ {
		_, err := Apply(t.Context(), planned, Options{Hook: killAt(n)})
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatalf("operation %d: %v", n, err)
		}
		in, failure := Open(dir)
		if failure != nil {
			t.Fatal(failure)
		}
		if left := stray(t, dir, elsewhere); len(left) > 0 {
			t.Fatalf("operation %d: left behind: %v", n, left)
		}
		if !mapsEqual(before, snapshot(t, elsewhere)) {
			if got := snapshot(t, elsewhere)["certs/tls.crt"]; !strings.HasSuffix(
				got, string(planned.Change(installation.CertFile).After),
			) {
				t.Fatalf("operation %d (%s): not the new certificate", n, in.Recovered)
			}
			if in.Backup.IsZero() || len(in.Drift) > 0 {
				t.Errorf("operation %d: backup %v, drift %v", n, in.Backup, in.Drift)
			}
			break
		}
	}
	in, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), back, Options{}); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, elsewhere)
	for _, name := range []string{"certs/tls.crt", "certs/tls.key"} {
		if after[name] != before[name] {
			t.Errorf("%s is not what it was", name)
		}
	}
}

// otherDisk is a directory on another file system than that of t.TempDir.
func otherDisk(t *testing.T) string {
	t.Helper()
	for _, parent := range []string{"/dev/shm", "/var/tmp", "/run"} {
		dir, err := os.MkdirTemp(parent, "packhouse-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		probe := filepath.Join(t.TempDir(), "probe")
		if err := os.WriteFile(probe, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(probe, filepath.Join(dir, "probe")); errors.Is(err, syscall.EXDEV) {
			return dir
		}
	}
	t.Skip("there is one file system here only")
	return ""
}

// TestUndoneDirectoriesAreGone: the way to the directory for content is made too, and goes with it.
func TestUndoneDirectoriesAreGone(t *testing.T) {
	root := t.TempDir()
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(root, "etc", "packhouse")
	planned := planFor(t, m, dir, answer.Values{"storage-path": {filepath.Join(root, "srv", "a", "b")}})
	failed := false
	_, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
		if failed || !strings.HasPrefix(operation, "rename "+installation.HtpasswdFile) {
			return nil
		}
		failed = true
		return failedError{cause: syscall.ENOSPC}
	}})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	install(t, m, dir, answer.Values{"storage-path": {filepath.Join(root, "srv", "a", "b")}})
	in, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), back, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "srv")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the rollback leaves the way to the directory for content")
	}
}

// TestALinkToTheDirectoryStays where the directory behind it is not empty.
func TestALinkToTheDirectoryStays(t *testing.T) {
	m, behind := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "behind")
	dir := filepath.Join(t.TempDir(), "packhouse")
	if err := errors.Join(os.Mkdir(behind, 0o755), os.Symlink(behind, dir), os.WriteFile(filepath.Join(behind, "mine"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	install(t, m, dir, answer.Values{"storage-path": {m.DataDir}})
	in, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	planned, err := plan.Uninstall(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), planned, Options{}); err != nil {
		t.Fatal(err)
	}
	left, err := Forget(dir, nil)
	if err != nil || !slices.Equal(left, []string{filepath.Join(dir, "mine")}) {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := os.Lstat(dir); err != nil {
		t.Errorf("the link is gone, and what is behind it is not: %v", err)
	}
}
