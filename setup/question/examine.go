package question

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/machine"
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
		return []finding.Finding{
			{
				Subject:  finding.Subject{Question: "dir", Flag: "--dir"},
				Severity: finding.Refused,
				Code:     setup.CodeDir,
				What:     what,
				Remedy:   remedy,
			},
		}
	}
	err := m.Host.Writable(a.Dir)
	switch {
	case errors.Is(err, syscall.EROFS):
		return refuse("the directory cannot be written: "+err.Error(), "mount it writable, or choose another directory")
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
