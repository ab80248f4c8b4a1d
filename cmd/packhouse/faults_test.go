//go:build linux

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// fault is something wrong with a machine, its files or what somebody typed. The program has to find it, name the cause and not the symptom,
// say what to do about it, and leave everything as it was.
type fault struct {
	name string
	seed func(s *site)

	ask    []string // the command that is to find it; nil: setup; "check": with the installation
	code   string   // stable code of the finding
	cause  string   // words in it
	remedy string   // words in its remedy
	alone  bool     // nothing else is found: no symptom is told beside the cause
	exit   int

	plain      bool // the command has no JSON: its words are looked at, and there is no code
	namespaces bool // it is made with mounts and networks of its own
}

// TestFaults seeds one fault at a time and runs the real program on it, over real files and sockets.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program a hundred times")
	}
	t.Parallel()
	root := publicRoot(t)
	namespaces := canUnshare()
	for _, list := range [][]fault{answerFaults, fileFaults, machineFaults, installedFaults, serverFaults} {
		for _, f := range list {
			t.Run(f.name, func(t *testing.T) {
				if f.namespaces && namespaces != "" {
					t.Skip("no namespaces here: " + namespaces)
				}
				t.Parallel()
				f.prove(t, newSite(t, root))
			})
		}
	}
}

// canUnshare tells why no namespaces can be made; empty where they can.
func canUnshare() string {
	if os.Geteuid() != 0 {
		return "only root may make them"
	}
	if out, err := exec.Command("unshare", "--mount", "--net", "sh", "-ec", "ip link set lo up; mount -t tmpfs tmpfs /mnt; test -f /etc/hosts; test -f /etc/nsswitch.conf; setpriv true; nsenter --version; iptables --version").CombinedOutput(); err != nil {
		return err.Error() + ": " + strings.TrimSpace(string(out))
	}
	return ""
}

func (f *fault) prove(t *testing.T, s *site) {
	f.seed(s)
	before := s.tree()
	args := s.setupArgs(s.args...)
	if f.ask != nil {
		args = args[:0]
		for _, arg := range f.ask {
			args = append(args, s.words(arg))
		}
		if !slices.Contains(args, "--url") {
			args = append(args, "--dir", s.dir)
		}
	}
	if f.ask != nil && !f.plain {
		args = append(args, "--json")
	}
	got := s.run(args...)
	if got.code != f.exit {
		t.Errorf("exit code %d, want %d", got.code, f.exit)
	}
	if after := s.tree(); after != before {
		t.Errorf("something was changed:\n%s", difference(before, after))
	}
	if told := got.stdout + got.stderr; strings.Contains(told, "panic") || strings.Contains(told, "goroutine ") {
		t.Error("it panics")
	}
	if f.plain {
		for _, words := range []string{s.words(f.cause), s.words(f.remedy)} {
			if !strings.Contains(got.stderr, words) {
				t.Errorf("it does not say %q:\n%s", words, got.stderr)
			}
		}
		return
	}
	var same []diagnosis
	for _, d := range diagnoses(t, got.stdout) {
		if d.code == f.code {
			same = append(same, d)
		}
		if f.alone && d.code != f.code && d.code != "file-unreadable" { // which is the same cause in other words
			t.Errorf("it tells a symptom too: %q", d)
		}
	}
	found := false
	for _, d := range same {
		found = found || strings.Contains(d.cause, s.words(f.cause)) && strings.Contains(d.remedy, s.words(f.remedy)) && d.remedy != ""
	}
	if !found {
		t.Errorf("no finding %s says %q and advises %q; of that code are %q", f.code, s.words(f.cause), s.words(f.remedy), same)
	}
	if t.Failed() {
		t.Logf("it said:\n%s", got.stderr)
	}
}

// words puts what differs from run to run into expected words.
func (s *site) words(text string) string {
	return strings.NewReplacer("{root}", s.root, "{dir}", s.dir, "{data}", s.data, "{port}", s.port, "{host}", s.pid).Replace(text)
}
