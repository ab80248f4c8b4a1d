package setup

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"

	"packhouse/server/config"
	"packhouse/setup/check"
)

// leastProcessors is the vendor's minimum beside leastMemory.
const leastProcessors = 1

// Outlook is what can be told about a machine before anything was answered: whether the files of an installation can be written where they
// belong, and whether the machine is a small one. It makes a file in the directory and takes it away again.
func Outlook(m *Machine, a *Answers) []Finding {
	if m == nil || m.Host == nil {
		return nil
	}
	return examineMachine(m, a)
}

// MachineNotes tells what is worth knowing about the machine of an installation, and wrong with nothing: that it has less than the vendor's
// minimum of 1 processor and 2 GB, and that content shares the root disk.
func MachineNotes(m *check.Machine, s *State) []Finding {
	if m == nil || s == nil {
		return nil
	}
	var notes []Finding
	has := ""
	if m.CPUs > 0 && m.CPUs < leastProcessors {
		has = fmt.Sprintf("%.1f of a processor", m.CPUs)
	}
	if m.Memory > 0 && m.Memory < leastMemory {
		if has != "" {
			has += " and "
		}
		has += humanize.IBytes(m.Memory) + " of memory"
	}
	if has != "" {
		notes = append(notes, noted(CodeSmall, "this machine has "+has, "1 processor and 2 GB are what a registry is happy with"))
	}
	if s.Storage.Driver == config.Filesystem && m.OnRootDisk != nil && m.OnRootDisk(s.Storage.Path) {
		notes = append(notes, noted(CodeRoot, "content is on the root disk", "a disk of its own keeps the one from filling up the other"))
	}
	return notes
}

// Glance is what can be seen at once about the answer to a question, while it is being given and before [Question.Probe] tries it: how much room
// a directory has. It looks at a file system, which takes as long as that takes to answer, and changes nothing.
func Glance(ctx context.Context, m *Machine, questionID string, a *Answers) []Finding {
	if questionID != "storage-path" || m == nil || m.Host == nil || AnyRefused(validateStoragePath(ctx, m, a)) {
		return nil
	}
	fs, err := m.Host.FileSystem(a.StoragePath)
	if err != nil || fs.Total == 0 || fs.Memory() {
		return nil // trying it tells why
	}
	room := StorageState{Free: fs.Free, Total: fs.Total}.Space()
	if !fs.Root {
		return []Finding{{Question: questionID, Severity: Note, Code: CodeSpace, What: room}}
	}
	return []Finding{{Question: questionID, Severity: Note, Code: CodeRoot, What: room + ", on the root disk", Remedy: "a disk of its own keeps the one from filling up the other"}}
}
