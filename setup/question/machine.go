package question

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

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
	if !fs.Root {
		return []finding.Finding{{
			Subject: finding.Subject{Question: questionID}, Severity: finding.Note,
			Code: setup.CodeSpace, What: room,
		}}
	}
	return []finding.Finding{{
		Subject: finding.Subject{Question: questionID}, Severity: finding.Note, Code: setup.CodeRoot,
		What: room + ", on the root disk", Remedy: "a disk of its own keeps the one from filling up the other",
	}}
}
