package tui

import (
	"context"
	"errors"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup/check"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/tui/session"
)

// diskHost is a machine of which only its disk matters.
type diskHost struct {
	machine.Host
	fs       func(path string) machine.FileSystem
	writable func() error
}

func (h diskHost) FileSystem(path string) (machine.FileSystem, error) {
	if h.fs == nil {
		return machine.FileSystem{}, nil
	}
	return h.fs(path), nil
}

func (h diskHost) Writable(string) error {
	if h.writable == nil {
		return nil
	}
	return h.writable()
}

// TestRoomIsShownAsOneTypes: the directory for content says how much room it has, before anybody
// goes on.
func TestRoomIsShownAsOneTypes(t *testing.T) {
	o := fixtureOptions()
	o.Machine.Host = diskHost{fs: func(path string) machine.FileSystem {
		if strings.HasPrefix(path, "/srv") {
			return machine.FileSystem{Kind: "xfs", Free: 2 << 40, Total: 4 << 40}
		}
		return machine.FileSystem{Kind: "ext4", Free: 12 << 30, Total: 40 << 30, Root: true}
	}}
	s := open(t, o, 100, 30)
	s.keys(strings.Repeat("<enter>", 6))
	s.wantsNot("12 GiB of 40 GiB free")
	s.keys("<enter>")
	s.wants("› /var/lib/packhouse", "· 12 GiB of 40 GiB free, on the root disk; a disk of its own")
	s.keys("<ctrl+u>/srv/packs")
	s.wants("› /srv/packs", "· 2.0 TiB of 4.0 TiB free")
	s.wantsNot("root disk")

	o.Steps[5].Questions[1].Probe = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
		return refused("storage-path", "", a.StoragePath+" is a file", "choose a directory")
	}
	s.keys("<enter>") // what trying it tells is all there is to say
	s.wants("/srv/packs is a file")
	s.wantsNot("free")

	o.Steps[5].Questions[1].Probe = nil
	out, _, _ := typeLines(t, o, "\n\n\n\n\n\n/srv/packs\nquit\n")
	wantsLines(t, out, "Directory", "Note: 2.0 TiB of 4.0 TiB free", "These changes will be made")
}

// TestADeadDiskHoldsUpNobody: looking at a file system that does not answer is not waited for.
func TestADeadDiskHoldsUpNobody(t *testing.T) {
	o := fixtureOptions()
	looks := make(chan string, 10)
	dead := make(chan struct{})
	defer close(dead)
	o.Machine.Host = diskHost{fs: func(path string) machine.FileSystem {
		looks <- path
		<-dead
		return machine.FileSystem{}
	}}
	s := open(t, o, 100, 30)
	s.keys(strings.Repeat("<enter>", 6))
	s.begin("<enter><ctrl+u>/srv/packs", "")
	s.wants("› /srv/packs")
	if <-looks; len(looks) > 0 {
		t.Errorf("%d more looks at a disk that has not answered the first one", len(looks))
	}
}

// TestWhatStandsInTheWayComesFirst: who cannot write where the files belong learns it before the
// first question, and not after the last.
func TestWhatStandsInTheWayComesFirst(t *testing.T) {
	beginning := func(host diskHost) Options {
		o := fixtureOptions()
		o.Machine.Host = host
		b := session.Beginning{Machine: o.Machine, Installed: o.Installed, Resolved: o.Resolved}
		o.Begin = func(context.Context) (session.Beginning, error) { return b, nil }
		return o
	}
	denied := errors.New("mkdir /etc/packhouse: permission denied")
	o := beginning(diskHost{writable: func() error { return denied }})
	s := open(t, o, 80, 24)
	s.wants(
		"By which name do clients",
		"✗ --dir: the directory cannot be written: mkdir /etc/packhouse: permission denied; choose another one",
	)
	s.keys("<enter>")
	s.wants("● Host name", "fix this first; enter checks again")
	s.resize(60, 14)
	s.keys("<enter>")
	s.wants("permission denied; choose another one, or run setup as the user it belongs to; enter checks again")
	s.resize(80, 24)
	denied = nil // somebody put it right
	s.keys("<enter>")
	s.wants("● Names")
	s.keys("<esc>")
	s.wantsNot("permission denied")

	denied = errors.New("mkdir /etc/packhouse: permission denied")
	out, outcome, err := typeLines(t, o, allEnters)
	if err != nil || outcome.ExitCode() != 1 {
		t.Errorf("exit code %d, %v", outcome.ExitCode(), err)
	}
	wantsLines(
		t, out, "Error: --dir: the directory cannot be written",
		"Nothing was written. Fix this, then start again.",
	)
	if strings.Contains(out, "Question 1") {
		t.Errorf("it was asked all the same:\n%s", out)
	}

	o = beginning(diskHost{})
	o.Machine.Memory = 1 << 30
	s = open(t, o, 80, 24)
	s.wants("· this machine has 1.0 GiB of memory; 1 processor and 2 GB")
	s.keys("<enter>")
	s.wants("● Names")
}

// TestManagerTellsOfTheMachine: a small machine and a shared disk are told quietly, as no fault.
func TestManagerTellsOfTheMachine(t *testing.T) {
	o := managed(fixtureOptions())
	o.Size = func() *check.Machine {
		return &check.Machine{
			CPUs:       0.5,
			Memory:     1 << 30,
			OnRootDisk: func(path string) bool { return path == "/var/lib/packhouse" },
		}
	}
	for _, size := range [][2]int{{100, 40}, {40, 40}} {
		s := open(t, o, size[0], size[1])
		s.wants("· content is on the root disk; a disk of its own keeps the one from filling up the other")
		s.wants(
			"this machine has 0.5 of a processor and 1.0 GiB of memory; 1 processor and 2 GB are what a registry is happy with",
		)
		s.keys("<enter>")
		s.wants("Review")
	}
	out, _, _ := typeLines(t, o, "quit\n")
	wantsLines(
		t, out, "storage, ok: ", "note: content is on the root disk",
		"machine, note: this machine has 0.5 of a processor",
	)
}
