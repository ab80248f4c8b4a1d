package question_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestASmallMachineIsToldOf: the vendor's minimum is 1 processor and 2 GB, and a container may have a part of one.
func TestASmallMachineIsToldOf(t *testing.T) {
	for _, tc := range []struct {
		host *machinetest.Host
		want string
	}{
		{&machinetest.Host{}, ""},
		{&machinetest.Host{Processors: 1, RAM: 2 << 30}, ""},
		{&machinetest.Host{Processors: 0.5}, "this machine has 0.5 of a processor"},
		{&machinetest.Host{RAM: 1 << 30}, "this machine has 1.0 GiB of memory"},
		{&machinetest.Host{Processors: 0.2, RAM: 512 << 20}, "this machine has 0.2 of a processor and 512 MiB of memory"},
	} {
		_, findings := answer.Resolve(
			t.Context(), machinetest.New(t, tc.host), nil,
			answer.Input{Flags: answer.Values{"dir": {filepath.Join(t.TempDir(), "packhouse")}}},
		)
		got := ""
		if i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Code == setup.CodeSmall }); i >= 0 {
			got = findings[i].What
			if findings[i].Severity != finding.Note {
				t.Errorf("%s: %s", got, findings[i].Severity)
			}
		}
		if got != tc.want {
			t.Errorf("%v processors, %d bytes: %q, want %q", tc.host.Processors, tc.host.RAM, got, tc.want)
		}
	}
}

// diskHost is a machine of which only its disk matters.
type diskHost struct {
	machine.Host
	fs       machine.FileSystem
	seen     error
	writable error
}

func (h diskHost) FileSystem(string) (machine.FileSystem, error) { return h.fs, h.seen }

func (h diskHost) Writable(string) error { return h.writable }

func said(findings []finding.Finding) string {
	var words []string
	for _, f := range findings {
		words = append(words, string(f.Severity)+": "+f.String())
	}
	return strings.Join(words, "\n")
}

// TestMachineNotes: an installation's machine is told about where it is small or its disk is shared, quietly, and not otherwise.
func TestMachineNotes(t *testing.T) {
	onRoot := func(path string) bool { return path == "/var/lib/packhouse" }
	disk := installation.StorageState{Driver: config.Filesystem, Path: "/var/lib/packhouse"}
	for _, tc := range []struct {
		name    string
		machine *check.Machine
		storage installation.StorageState
		want    string
	}{
		{"all well", &check.Machine{CPUs: 2, Memory: 4 << 30, OnRootDisk: onRoot}, installation.StorageState{Driver: config.Filesystem, Path: "/data"}, ""},
		{"the minimum itself", &check.Machine{CPUs: 1, Memory: 1900 << 20}, disk, ""},
		{"little memory", &check.Machine{CPUs: 1, Memory: 1 << 30}, disk, "note: this machine has 1.0 GiB of memory; 1 processor and 2 GB are what a registry is happy with"},
		{
			"a part of a processor", &check.Machine{CPUs: 0.5, Memory: 512 << 20}, disk,
			"note: this machine has 0.5 of a processor and 512 MiB of memory; 1 processor and 2 GB are what a registry is happy with",
		},
		{
			"root disk", &check.Machine{CPUs: 2, Memory: 4 << 30, OnRootDisk: onRoot}, disk,
			"note: content is on the root disk; a disk of its own keeps the one from filling up the other",
		},
		{"root disk, and content elsewhere", &check.Machine{CPUs: 2, Memory: 4 << 30, OnRootDisk: onRoot}, installation.StorageState{Driver: config.S3}, ""},
		{"nothing to be seen", &check.Machine{}, disk, ""},
		{"no machine", nil, disk, ""},
	} {
		if got := said(question.MachineNotes(tc.machine, &installation.State{Storage: tc.storage})); got != tc.want {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.want)
		}
	}
}

// TestGlance: the room in a directory is told while it is being typed; what trying it would refuse is left to that.
func TestGlance(t *testing.T) {
	for _, tc := range []struct {
		name     string
		host     diskHost
		question string
		path     string
		want     string
	}{
		{"a disk of its own", diskHost{fs: machine.FileSystem{Kind: "xfs", Free: 70 << 30, Total: 252 << 30}}, "storage-path", "/data", "note: 70 GiB of 252 GiB free"},
		{
			"the root disk",
			diskHost{fs: machine.FileSystem{Kind: "ext4", Free: 70 << 30, Total: 252 << 30, Root: true}},
			"storage-path", "/data",
			"note: 70 GiB of 252 GiB free, on the root disk; a disk of its own keeps the one from filling up the other",
		},
		{"memory", diskHost{fs: machine.FileSystem{Kind: "tmpfs", Free: 1 << 30, Total: 1 << 30}}, "storage-path", "/data", ""},
		{"not to be seen", diskHost{seen: errors.New("stale file handle")}, "storage-path", "/data", ""},
		{"refused anyway", diskHost{fs: machine.FileSystem{Free: 1 << 30, Total: 1 << 30}}, "storage-path", "/etc/packhouse", ""},
		{"another question", diskHost{fs: machine.FileSystem{Free: 1 << 30, Total: 1 << 30}}, "hostname", "/data", ""},
	} {
		got := said(
			question.Glance(
				t.Context(), &machine.Machine{Host: tc.host}, tc.question,
				&question.Answers{Dir: "/etc/packhouse", StoragePath: tc.path},
			),
		)
		if got != tc.want {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.want)
		}
	}
	if got := question.Glance(t.Context(), &machine.Machine{}, "storage-path", &question.Answers{StoragePath: "/data"}); got != nil {
		t.Errorf("without a host: %v", got)
	}
}

// TestOutlook: a directory that cannot be written is known before the first question.
func TestOutlook(t *testing.T) {
	got := question.Outlook(
		&machine.Machine{Host: diskHost{writable: errors.New("mkdir /etc/packhouse: permission denied")}},
		&question.Answers{Dir: "/etc/packhouse"},
	)
	if !finding.AnyRefused(got) || !strings.Contains(said(got), "permission denied") {
		t.Errorf("got %v", got)
	}
	if got := question.Outlook(&machine.Machine{Host: diskHost{}, CPUs: 2, Memory: 4 << 30}, &question.Answers{Dir: "/etc/packhouse"}); len(
		got,
	) > 0 {
		t.Errorf("all well: %v", got)
	}
	if got := question.Outlook(nil, &question.Answers{}); got != nil {
		t.Errorf("no machine: %v", got)
	}
}
