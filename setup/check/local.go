package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/printable"
	"packhouse/server/config"
	"packhouse/spelling"
)

// Checks of the configuration and of the storage.

func proveConfiguration(_ context.Context, s *session) Result {
	if s.ConfigPath == "" {
		return notProven("no configuration is known")
	}
	var failures, warnings []finding.Finding
	for _, p := range s.Findings {
		switch p.Severity {
		case finding.Refused:
			failures = append(failures, p)
		case finding.Warning:
			if p.Code == config.CodeUnsafe {
				warnings = slices.Insert(warnings, 0, p) // the first warning determines the result's code
			} else {
				warnings = append(warnings, p)
			}
		case finding.Note:
		}
	}
	switch {
	case len(failures) > 0 && failures[0].Code == config.CodeUnsafe:
		remedy := failures[0].Remedy
		failures[0].Remedy = "" // shown once, as the remedy of the check
		return failed(config.CodeUnsafe, "not trusted", problemLines(failures), remedy)
	case len(failures) > 0:
		return failed(failures[0].Code, spelling.Count(len(failures), "problem"), problemLines(failures), "run packhouse config verify "+printable.Shell(s.ConfigPath)+", which lists them")
	case s.Config == nil:
		return failed("config-read", "not read", s.ConfigPath+" could not be loaded", "run packhouse config verify "+printable.Shell(s.ConfigPath))
	case len(warnings) > 0:
		return warning(warnings[0].Code, "valid, "+spelling.Count(len(warnings), "warning"), problemLines(warnings), "run packhouse config verify "+printable.Shell(s.ConfigPath)+", which lists them")
	}
	return passed("valid")
}

func problemLines(problems []finding.Finding) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// lowSpace is the free space in bytes below which the storage check warns.
const lowSpace = 1 << 30

func proveStorage(ctx context.Context, s *session) Result {
	switch {
	case s.Config == nil:
		return notProven("without a configuration its location is unknown")
	case s.Config.Storage.Driver == config.InMemory:
		return warning("storage-inmemory", "in memory", "everything is lost when the server stops", "run packhouse setup --yes --storage filesystem")
	case s.Config.Storage.Driver == config.S3:
		return proveBucket(ctx, s)
	case s.Config.Storage.Driver != config.Filesystem:
		return notProven("free space of %s is not known here", s.Config.Storage.Driver)
	}
	root := s.Config.Storage.Filesystem.RootDirectory
	space, err := freeSpace(root)
	if err != nil {
		return failed("storage-missing", root, err.Error(), s.makeDirectory(root, err))
	}
	blocked := config.Blocked(root)
	seen := fmt.Sprintf("%s free in %s", humanize.IBytes(space.bytes), root)
	switch {
	case space.inodes == 0 && space.hasInodes:
		return failed("storage-inodes", seen, "no inodes are left", "run packhouse store gc, or run "+s.Server.Root("du --inodes -xd 3 "+printable.Shell(root))+" to find what uses them")
	case space.bytes < lowSpace/16:
		return failed("storage-full", seen, "the file system is full", "run packhouse store gc, or enlarge the file system that df "+printable.Shell(root)+" names")
	case blocked != "":
		return misplaced(CodeNotDir, blocked, "a directory")
	case space.bytes < lowSpace:
		return warning("storage-space", seen, "less than 1 GiB is left",
			"run packhouse store gc, or enlarge the file system that df "+printable.Shell(root)+" names")
	case s.done[roundTripID] == Passed:
		seen += ", written, read and deleted by the round trip"
	}
	r := passed("%s", seen)
	if s.Machine != nil && s.Machine.OnRootDisk != nil && s.Machine.OnRootDisk(root) {
		r.Advice = "it is on the root disk: a disk of its own keeps the one from filling up the other"
	}
	return r
}
