package tui

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/tui/lines"
	"packhouse/tui/session"
)

const refusedConfig = `version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: /var/lib/packhouse
http:
  adr: ":5000" # by hand
  tls:
    certificate: /etc/packhouse/certs/tls.crt
    key: /etc/packhouse/certs/tls.key
auth:
  htpasswd:
    realm: packhouse
    path: /etc/packhouse/auth/htpasswd-basic
`

// refusing are options of an installation whose myconfig.yml the server refuses, and where that
// file is. Applying writes it.
func refusing(t *testing.T, manage bool) (o Options, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, installation.ConfigFile)
	if err := os.WriteFile(path, []byte(refusedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	o = fixtureOptions()
	o.Machine.Host = machine.ThisMachine()
	o.Reread = func(context.Context) (*installation.Installed, error) { return installation.Load(dir) }
	o.Begin = func(context.Context) (session.Beginning, error) {
		in, err := installation.Load(dir)
		if err != nil {
			return session.Beginning{}, err
		}
		b := session.Beginning{Machine: o.Machine, Installed: in, Resolved: o.Resolved}
		if manage {
			b.State = fixtureState()
			b.State.Findings = nil
			if in.Refused() {
				b.State = installation.StateOf(o.Machine, in, "")
			}
		}
		return b, nil
	}
	o.Apply = func(ctx context.Context, planned *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
		return apply.Apply(ctx, planned, apply.Options{Progress: progress})
	}
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { return nil, nil }
	o.Editor = func(path string) *exec.Cmd { return exec.Command("false", path) }
	return o, path
}

func fileOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// editing has the editor of a screen do something to the copy.
func (s *display) editing(change func(text string) string) {
	s.m.exec = func(command *exec.Cmd, then func(error) tea.Msg) tea.Cmd {
		path := command.Args[len(command.Args)-1]
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(change(string(data))), 0o600)
		}
		s.t.Cleanup(func() {
			if _, gone := os.Stat(path); gone == nil {
				s.t.Errorf("the copy %s was left behind", path)
			}
		})
		return func() tea.Msg { return then(err) }
	}
}

// TestRepairFromTheManager: what is wrong is shown with its place, what changes before it changes,
// and what was edited by hand stays.
func TestRepairFromTheManager(t *testing.T) {
	o, path := refusing(t, true)
	s := open(t, o, 100, 40)
	s.wants("Repair", "shows what is wrong with myconfig.yml", "the server refuses myconfig.yml; choose Repair first")
	s.keys("<enter>")
	s.wants(
		"line 8, column 3: unknown key http.adr", "did you mean http.addr?", `›    8 │   adr: ":5000" # by hand`,
		"│   ^", "line 8: adr becomes addr",
	)
	s.keys("<enter>")
	s.wants("Repair: review", `-  adr: ":5000" # by hand`, `+  addr: ":5000" # by hand`, "kept in the backup")
	s.keys("<enter>")
	s.wants("files are replaced: w writes them")
	if fileOf(t, path) != refusedConfig {
		t.Fatal("it was written before it was confirmed")
	}
	s.keys("w")
	s.wants("checks passed")
	if want := strings.Replace(refusedConfig, "adr:", "addr:", 1); fileOf(t, path) != want {
		t.Errorf("written:\n%s", fileOf(t, path))
	}
	if kept, _ := filepath.Glob(filepath.Join(filepath.Dir(path), installation.BackupDir, "*", "*")); len(kept) < 2 {
		t.Errorf("in the backup: %v", kept)
	}
	s.keys("<enter>")
	s.wants("This installation", "restore missing files and modes")
	s.keys("q")
	if code := s.m.session.Outcome.ExitCode(); !s.left || code != 0 {
		t.Errorf("left %v with %d", s.left, code)
	}
}

// TestRepairByHand: the editor works on a copy, what it made is judged again, and nobody's edits
// are lost by going away from the screen.
func TestRepairByHand(t *testing.T) {
	o, path := refusing(t, true)
	s := open(t, o, 100, 50)
	s.keys("<enter><end>")
	s.editing(func(text string) string { return strings.Replace(text, "level: info", "level: loud", 1) })
	s.keys("<enter>")
	s.wants("Your edited copy is refused as well", `log.level is "loud"`, "Edit again", "Discard the edits")
	s.keys("<esc>")
	s.wants("This installation")
	s.keys("<enter>")
	s.wants("Your edited copy is refused as well", `log.level is "loud"`)
	s.editing(func(string) string { return strings.Replace(refusedConfig, "adr:", "addr:", 1) })
	s.keys("<end><up><enter>")
	s.wants("Repair: review", "as you edited it", `+  addr: ":5000" # by hand`)
	s.keys("<esc>")
	s.wants("Use the edited copy")
	if fileOf(t, path) != refusedConfig {
		t.Fatal("it was written before it was confirmed")
	}
	s.keys("<enter>w")
	s.wants("checks passed")
	if want := strings.Replace(refusedConfig, "adr:", "addr:", 1); fileOf(t, path) != want {
		t.Errorf("written:\n%s", fileOf(t, path))
	}
}

func TestRepairEditorFails(t *testing.T) {
	o, path := refusing(t, true)
	s := open(t, o, 100, 50)
	s.keys("<enter><end>")
	s.m.exec = func(_ *exec.Cmd, then func(error) tea.Msg) tea.Cmd {
		return func() tea.Msg { return then(errors.New("exit status 1")) }
	}
	s.keys("<enter>")
	s.wants("the editor ended with an error, so the edits are discarded")
	s.editing(func(text string) string { return text })
	s.keys("<enter>")
	s.wants("nothing was edited")
	s.m.session.Options.Editor = func(string) *exec.Cmd { return nil }
	s.keys("<enter>")
	s.wants("no editor found: set the environment variable EDITOR")
	s.editing(func(string) string { return strings.Repeat("x", 1<<20+1) })
	s.m.session.Options.Editor = o.Editor
	s.keys("<enter>")
	s.wants("it is larger than 1 MiB")
	if fileOf(t, path) != refusedConfig {
		t.Error("the file was changed")
	}
}

// TestRepairMeetsAnotherHand: a file that was changed while somebody looked at it is not written
// over.
func TestRepairMeetsAnotherHand(t *testing.T) {
	o, path := refusing(t, true)
	s := open(t, o, 100, 40)
	s.keys("<enter>")
	if err := os.WriteFile(path, []byte(refusedConfig+"# and more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys("<enter>")
	s.wants("has become another file meanwhile")
}

// TestWizardBeginsWithTheRepair: setup on a file that is refused would have to write over it; it
// asks nothing before that is right.
func TestWizardBeginsWithTheRepair(t *testing.T) {
	o, path := refusing(t, false)
	s := open(t, o, 80, 24)
	s.wants("The server refuses this file")
	s.keys("<esc>")
	s.wants("setup continues when this file is correct")
	s.keys("<enter>w")
	s.wants("checks passed")
	if fileOf(t, path) == refusedConfig {
		t.Error("nothing was repaired")
	}
	s.keys("<enter>")
	s.wants("By which name do clients reach the registry?")
}

// TestRepairLooksAgain: who stops the look at the file, in the moment that it takes, is not left
// without a way on.
func TestRepairLooksAgain(t *testing.T) {
	o, _ := refusing(t, false)
	s := open(t, o, 80, 24)
	look := s.m.open(repairing)
	s.keys("<esc>")
	s.run(look)
	s.wants("Checking the file", "stopped; enter checks again")
	s.keys("<enter>")
	s.wants("The server refuses this file", "did you mean http.addr?")
}

// TestRepairAtEverySize: the harness holds each frame against its window.
func TestRepairAtEverySize(t *testing.T) {
	o, _ := refusing(t, true)
	for _, size := range [][2]int{{200, 50}, {120, 36}, {80, 24}, {40, 12}, {39, 11}, {10, 3}} {
		s := open(t, o, size[0], size[1])
		s.keys("<enter><down><down><end><home><pgdown>?<esc><enter><tab><down><esc>")
		s.resize(60, 14)
		s.wants("Repair")
	}
}

func TestLinesRepair(t *testing.T) {
	for _, manage := range []bool{true, false} {
		o, path := refusing(t, manage)
		first := "4\n"
		if !manage {
			first = ""
		}
		o.Editor = func(path string) *exec.Cmd {
			edited := strings.Replace(fileOf(t, path), "level: info", "level: debug", 1)
			if err := os.WriteFile(path+"~", []byte(edited), 0o600); err != nil {
				t.Error(err)
			}
			if err := os.Rename(path+"~", path); err != nil {
				t.Error(err)
			}
			return exec.Command(os.Args[0], "-test.run=^$") // has nothing left to do
		}
		out, _, err := typeLines(t, o, first+"9\n3\n1\nwrite\nquit\n")
		if err != nil && !errors.Is(err, lines.ErrInputEnded) {
			t.Fatal(err)
		}
		wantsLines(
			t, out, "The server refuses", "Fault, line 8, column 3: unknown key http.adr",
			"did you mean http.addr?", `line 8:   adr: ":5000" # by hand`, "1. Repair in place", "adr becomes addr",
			"3. Edit", `Error: "9" is not one of the choices`, "Fault, line 8", "1. Repair in place",
			`+  addr: ":5000" # by hand`, "Enter write to apply these changes", "checks passed",
		)
		if text := fileOf(t, path); !strings.Contains(text, "  addr: \":5000\" # by hand") ||
			!strings.Contains(text, "level: debug") {
			t.Errorf("written:\n%s", text)
		}
	}
}
