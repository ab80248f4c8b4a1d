package question

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// Examine validates all answers. For each question asked it calls Validate and, with probe set and
// unless Validate refused, Probe. Findings about the directory and the machine come last.
func Examine(ctx context.Context, m *machine.Machine, a *Answers, probe bool) []finding.Finding {
	var findings []finding.Finding
	for _, q := range All() {
		if !q.Asked(a) {
			continue
		}
		found := q.Validate(ctx, m, a)
		if probe && q.Probe != nil && !finding.AnyRefused(found) {
			found = append(found, q.Probe(ctx, m, a)...)
		}
		findings = append(findings, found...)
	}
	if probe {
		findings = append(findings, examineMachine(m, a)...)
	}
	return findings
}

// leastMemory is the memory in bytes below which a machine is reported as small: the vendor's
// minimum of 2 GB, less what firmware and kernel reserve.
const leastMemory = 1800 << 20

// leastForFiles is the free space in bytes that an installation's files and their backups need;
// leastInodes is the number of inodes.
const (
	leastForFiles = 1 << 20
	leastInodes   = 40
)

// examineDir reports whether setup can write the installation's files.
func examineDir(m *machine.Machine, a *Answers) []finding.Finding {
	refuse := func(what, remedy string) []finding.Finding {
		return []finding.Finding{setup.Refuse(setup.CodeDir, what, remedy).About("dir", "--dir")}
	}
	err := m.Host.Writable(a.Dir)
	switch {
	case errors.Is(err, syscall.EROFS):
		return refuse("the directory cannot be written: "+err.Error(),
			trust.MountWritable(a.Dir)+", or choose another directory")
	case err != nil:
		return refuse("the directory cannot be written: "+err.Error(),
			"choose another one, or run setup as the user it belongs to")
	}
	fs, err := m.Host.FileSystem(a.Dir)
	switch {
	case err != nil:
		return nil // writable, although it belongs to another user
	case fs.Total > 0 && fs.Free < leastForFiles:
		return refuse(fmt.Sprintf("the file system of %s has %s free", a.Dir, humanize.IBytes(fs.Free)),
			"free space there, or choose another directory")
	case fs.Inodes > 0 && fs.FreeInodes < leastInodes:
		return refuse(fmt.Sprintf("the file system of %s has %d inodes left, so files cannot be made", a.Dir, fs.FreeInodes),
			"remove small files there, or choose another directory")
	}
	return nil
}

// leastOpenFiles is the open-file limit that a server needs to start and serve a few clients.
const leastOpenFiles = 128

// examineOpenFiles reports an open-file limit too low for a server. systemd services have their own
// limit.
func examineOpenFiles(m *machine.Machine, a *Answers) []finding.Finding {
	if m.OpenFiles == 0 || m.OpenFiles >= leastOpenFiles || a.Service == setup.Systemd {
		return nil
	}
	return refused(setup.CodeOpenFiles, fmt.Sprintf("processes of this user may open %d files only, too few for a server",
		m.OpenFiles), "raise the limit: ulimit -n 1024")
}

func examineMachine(m *machine.Machine, a *Answers) []finding.Finding {
	findings := append(examineDir(m, a), examineOpenFiles(m, a)...)
	return append(findings, smallness(m.CPUs, m.Memory)...)
}

// leastProcessors is the vendor's minimum, like leastMemory.
const leastProcessors = 1

// Outlook returns findings about a machine before any question is answered: whether setup can write
// the installation's files, and whether the machine is small.
func Outlook(m *machine.Machine, a *Answers) []finding.Finding {
	if m == nil || m.Host == nil {
		return nil
	}
	return examineMachine(m, a)
}

// MachineNotes returns notes about an installation's machine: that it is below the vendor's minimum
// of 1 processor and 2 GB, and that content shares the root disk.
func MachineNotes(m *check.Machine, s *installation.State) []finding.Finding {
	if m == nil || s == nil {
		return nil
	}
	notes := smallness(m.CPUs, m.Memory)
	if s.Storage.Driver == config.Filesystem && m.OnRootDisk != nil && m.OnRootDisk(s.Storage.Path) {
		notes = append(notes, setup.Remark(setup.CodeRoot, "content is on the root disk",
			"a disk of its own keeps the one from filling up the other"))
	}
	return notes
}

// smallness returns a note about a machine below the vendor's minimum. Zero values are unknown.
func smallness(cpus float64, memory uint64) []finding.Finding {
	var has []string
	if cpus > 0 && cpus < leastProcessors {
		has = append(has, fmt.Sprintf("%.1f of a processor", cpus))
	}
	if memory > 0 && memory < leastMemory {
		has = append(has, humanize.IBytes(memory)+" of memory")
	}
	if len(has) == 0 {
		return nil
	}
	return noted(setup.CodeSmall, "this machine has "+strings.Join(has, " and "),
		"1 processor and 2 GB are what a registry is happy with")
}

// Glance returns findings about an answer while it is typed, before [Question.Probe] runs: the free
// space of a directory. It queries the file system, which may block, and changes nothing.
func Glance(ctx context.Context, m *machine.Machine, questionID string, a *Answers) []finding.Finding {
	if questionID != "storage-path" || m == nil || m.Host == nil || finding.AnyRefused(validateStoragePath(ctx, m, a)) {
		return nil
	}
	fs, err := m.Host.FileSystem(a.StoragePath)
	if err != nil || fs.Total == 0 || fs.Memory() {
		return nil // Probe reports the error
	}
	room := installation.StorageState{Free: fs.Free, Total: fs.Total}.Space()
	f := setup.Remark(setup.CodeSpace, room, "")
	if fs.Root {
		f = setup.Remark(setup.CodeRoot, room+", on the root disk",
			"a disk of its own keeps the one from filling up the other")
	}
	return []finding.Finding{f.About(questionID, "")}
}
