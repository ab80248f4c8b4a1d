package apply

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/racetest"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// command is a change of an installation in three steps, as the commands and the wizard take them.
type command struct {
	flags  answer.Values
	effect func(users []string) bool // reports whether the change is in effect

	installed *installation.Installed
	plan      *plan.Plan
	err       error
	applied   bool
}

func (c *command) step(t *testing.T, m *machine.Machine, dir string, n int) {
	t.Helper()
	switch n {
	case 0:
		if c.installed, c.err = installation.Load(dir); c.err != nil {
			t.Fatal(c.err)
		}
	case 1:
		resolved, findings := answer.Resolve(t.Context(), m, c.installed, answer.Input{Flags: c.flags, Quick: true})
		if finding.AnyRefused(findings) {
			t.Fatal(findings)
		}
		if c.plan, c.err = plan.Make(t.Context(), m, c.installed, resolved, plan.Options{Now: machinetest.Now, WritePasswords: true, HashCost: 4}); c.err != nil {
			t.Fatal(c.err)
		}
	default:
		_, c.err = Apply(t.Context(), c.plan, Options{})
		c.applied = c.err == nil
		if refusal, ok := errors.AsType[*finding.Error](c.err); c.err != nil &&
			(!ok || refusal.Findings[0].Code != setup.CodeChanged) {
			t.Errorf("Apply = %v, want a refusal with %s", c.err, setup.CodeChanged)
		}
	}
}

// usersIn returns the names in the users file of an installation.
func usersIn(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, installation.HtpasswdFile))
	if err != nil {
		t.Fatal(err)
	}
	file, problems := htpasswd.Parse(data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return file.Users()
}

// interleavings returns each order of two commands of n steps: false is a step of the first command.
func interleavings(n int) (orders [][]bool) {
	for bits := range 1 << (2 * n) {
		var order []bool
		ones := 0
		for i := range 2 * n {
			second := bits&(1<<i) != 0
			order = append(order, second)
			if second {
				ones++
			}
		}
		if ones == n {
			orders = append(orders, order)
		}
	}
	return orders
}

// TestInterleavedCommandsLoseNothing runs the steps of two commands, without the lock, in each order. A command that succeeds is in effect
// at the end, and one that fails is refused and changed nothing.
func TestInterleavedCommandsLoseNothing(t *testing.T) {
	t.Parallel()
	has := func(name string, want bool) func([]string) bool {
		return func(users []string) bool { return slices.Contains(users, name) == want }
	}
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"bob", "eve:writer"}})
	reset := keepTree(t, dir)
	both := 0
	for _, order := range interleavings(3) {
		reset()
		commands := []*command{
			{flags: answer.Values{"user": {"p"}}, effect: has("p", true)},
			{flags: answer.Values{"remove-user": {"bob"}}, effect: has("bob", false)},
		}
		next := []int{0, 0}
		for _, second := range order {
			i := 0
			if second {
				i = 1
			}
			commands[i].step(t, m, dir, next[i])
			next[i]++
		}
		users := usersIn(t, dir)
		for i, c := range commands {
			if c.effect(users) != c.applied {
				t.Errorf(
					"order %v: command %d succeeded: %t, its effect is there: %t (users %q)", order, i, c.applied,
					!c.applied, users,
				)
			}
		}
		if !commands[0].applied && !commands[1].applied {
			t.Errorf("order %v: neither command succeeded", order)
		}
		if commands[0].applied && commands[1].applied {
			both++
		}
	}
	if both != 2 {
		t.Errorf("both commands succeeded in %d orders, want 2: one after the other", both)
	}
}

// TestForeignWriterLosesNothing lets another program append to a file before each operation of a change. What it wrote is there afterwards.
// A change that succeeds is there too, and one that fails is refused and left all other files as they were.
func TestForeignWriterLosesNothing(t *testing.T) {
	t.Parallel()
	const foreign = "frank:$2y$05$abcdefghijklmnopqrstuuCGLVSDkyIqZw5TQVwnoNTYVpyMsHLmW\n"
	writers := map[string]func(path string, data []byte) error{
		"in place": func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) },
		"by renaming": func(path string, data []byte) error {
			return errors.Join(os.WriteFile(path+"~", data, 0o600), os.Rename(path+"~", path))
		},
	}
	for _, file := range []struct{ name, line, ours string }{
		{installation.HtpasswdFile, foreign, "\np:"}, {installation.ConfigFile, "# by hand\n", "[p]"}, {installation.AnswersFile, "# by hand\n", "p:writer"},
	} {
		for how, write := range writers {
			t.Run(file.name+" "+how, func(t *testing.T) {
				t.Parallel()
				m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
				install(t, m, dir, answer.Values{"user": {"bob"}})
				reset := keepTree(t, dir)
				path := filepath.Join(dir, filepath.FromSlash(file.name))
				refused := 0
				for n := 0; ; n += racetest.Sample(1, 10) {
					reset()
					planned := planFor(t, m, dir, answer.Values{"user": {"p:writer"}})
					before := snapshot(t, dir)
					at, wrote := 0, false
					_, err := Apply(t.Context(), planned, Options{Hook: func(string) error {
						if at++; at != n+1 {
							return nil
						}
						wrote = true
						data, err := os.ReadFile(path)
						if err != nil {
							return err
						}
						return write(path, append(data, file.line...))
					}})
					if !wrote {
						if n < 10 || refused == 0 {
							t.Errorf("%d operations, %d refusals", n, refused)
						}
						return
					}
					data, readErr := os.ReadFile(path)
					if readErr != nil || !bytes.HasSuffix(data, []byte(file.line)) {
						t.Fatalf("operation %d: what was written meanwhile is lost (%v; %v)", n, err, readErr)
					}
					if err == nil {
						if !strings.Contains(string(data), file.ours) {
							t.Fatalf("operation %d: the change succeeded and is not in %s", n, file.name)
						}
						continue
					}
					refused++
					if refusal, ok := errors.AsType[*finding.Error](err); !ok ||
						refusal.Findings[0].Code != setup.CodeChanged {
						t.Fatalf("operation %d: %v", n, err)
					}
					after := snapshot(t, dir)
					delete(before, file.name)
					delete(after, file.name)
					if !mapsEqual(before, after) {
						t.Fatalf("operation %d: refused, and other files changed", n)
					}
				}
			})
		}
	}
}

// TestPlanReadsEachFileOnce changes the files between loading and planning: the plan is made of what was loaded, and is refused.
func TestPlanReadsEachFileOnce(t *testing.T) {
	for _, name := range []string{installation.ConfigFile, installation.HtpasswdFile, installation.CertFile, installation.KeyFile, installation.CACertFile, installation.ManifestFile} {
		t.Run(name, func(t *testing.T) {
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			install(t, m, dir, nil)
			in, resolved := answertest.Resolve(t, m, dir, answer.Values{"user": {"p:writer"}})
			path := filepath.Join(dir, filepath.FromSlash(name))
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(slices.Clone(old), '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			planned, err := plan.Make(
				t.Context(), m, in, resolved, plan.Options{Now: machinetest.Now, WritePasswords: true, HashCost: 4},
			)
			if err != nil {
				t.Fatal(err)
			}
			if c := planned.Change(name); c == nil || !bytes.Equal(c.Before, old) {
				t.Errorf("the plan does not compare %s with what was loaded", name)
			}
			later, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := later.VerifyUnchanged(in); err == nil {
				t.Error("VerifyUnchanged = nil for a file that changed")
			}
			if _, err := Apply(t.Context(), planned, Options{}); err == nil {
				t.Error("Apply = nil for a plan of an older file")
			}
		})
	}
}

// TestAcquire waits for another command that holds the lock, and gives up when its patience ends.
func TestAcquire(t *testing.T) {
	dir := t.TempDir()
	first, err := Acquire(t.Context(), dir, Patience{})
	if err != nil || !first.Held() {
		t.Fatal(err)
	}
	defer first.Release()
	if _, err := Acquire(t.Context(), dir, Patience{}); err == nil ||
		!strings.Contains(err.Error(), "is changing "+dir) {
		t.Errorf("Acquire without patience = %v", err)
	}
	told := 0
	second, err := Acquire(t.Context(), dir, Patience{For: time.Hour, Wait: func(string) {
		told++
		first.Release()
	}})
	if err != nil || !second.Held() || told != 1 {
		t.Fatalf("Acquire = %v, reported %d times that it waits", err, told)
	}
	second.Release()
	missing, err := Acquire(t.Context(), filepath.Join(dir, "missing"), Patience{})
	if err != nil || missing.Held() {
		t.Errorf("Acquire of a missing directory = %v, held %t", err, missing.Held())
	}
}

// TestAcquireFollowsTheDirectory waits for an uninstallation and a new installation in the same place: the lock is that of the new directory.
func TestAcquireFollowsTheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packhouse")
	mkdir := func() {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mkdir()
	first, err := Acquire(t.Context(), dir, Patience{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Acquire(t.Context(), dir, Patience{For: time.Hour, Wait: func(string) {
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		mkdir()
		first.Release()
	}})
	if err != nil || !second.Held() {
		t.Fatal(err)
	}
	defer second.Release()
	if _, err := Acquire(t.Context(), dir, Patience{}); err == nil {
		t.Error("the lock is not that of the new directory")
	}
}

// TestRollbackOfAnotherChangeIsRefused applies a change after the one that is to be undone.
func TestRollbackOfAnotherChangeIsRefused(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	applied, err := Apply(t.Context(), planFor(t, m, dir, answer.Values{"addr": {":5001"}}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []bool{true, false} {
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyLast(in, applied); (err == nil) != last {
			t.Errorf("VerifyLast = %v, it is the last change: %t", err, last)
		}
		install(t, m, dir, answer.Values{"user": {fmt.Sprintf("p%t", last)}})
	}
}
