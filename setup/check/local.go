package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/dustin/go-humanize"

	"packhouse/certgen"
	"packhouse/server/config"
)

// Checks that look at this machine: configuration, files, certificate, space.

func proveConfiguration(_ context.Context, s *session) Result {
	if s.ConfigPath == "" {
		return notProven("the configuration of a remote registry cannot be read")
	}
	var failures, warnings []config.Problem
	for _, p := range s.Findings {
		switch p.Severity {
		case config.Error:
			failures = append(failures, p)
		case config.Warning:
			warnings = append(warnings, p)
		case config.Notice:
		}
	}
	switch {
	case len(failures) > 0:
		return failed(failures[0].Code, fmt.Sprintf("%d problems", len(failures)), problemLines(failures), "packhouse config verify "+s.ConfigPath+" lists them")
	case s.Config == nil:
		return failed("config-read", "not read", s.ConfigPath+" could not be loaded", "packhouse config verify "+s.ConfigPath)
	case len(warnings) > 0:
		return warning(warnings[0].Code, fmt.Sprintf("valid, %d warnings", len(warnings)), problemLines(warnings), "packhouse config verify "+s.ConfigPath+" lists them")
	}
	return passed("valid")
}

func problemLines(problems []config.Problem) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func proveFiles(_ context.Context, s *session) Result {
	if len(s.Files) == 0 {
		return notProven("no files of this installation are known")
	}
	for _, f := range s.Files {
		info, err := os.Stat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return failed("file-missing", f.Path, f.Path+" is not there", "packhouse setup writes it again")
		case err != nil:
			return failed("file-unreadable", f.Path, err.Error(), "run the check as the user who owns the installation")
		case info.IsDir():
			return failed("file-is-directory", f.Path, f.Path+" is a directory", "move it away, then packhouse setup writes the file")
		case f.Secret && info.Mode().Perm()&0o077 != 0:
			return failed("file-mode", fmt.Sprintf("%s is %04o", f.Path, info.Mode().Perm()),
				"others on this machine can read it", "chmod 600 "+f.Path)
		}
	}
	return passed("%d present, secrets readable by their owner only", len(s.Files))
}

func proveCertificate(_ context.Context, s *session) Result {
	if !s.secure() {
		return notProven("TLS is off: passwords cross the network as they are")
	}
	if len(s.Chain) == 0 {
		return notProven("the certificate's file is not known here")
	}
	problems := certgen.Verify(s.Chain, nil, s.Roots, s.Names, s.Now())
	var worst *certgen.Problem
	for i, p := range problems {
		if worst == nil || (worst.Warning && !p.Warning) {
			worst = &problems[i]
		}
	}
	leaf := s.Chain[0]
	days := certgen.Inspect(leaf).DaysLeft(s.Now())
	switch {
	case worst != nil && !worst.Warning:
		return failed(worst.Code, fmt.Sprintf("%d problems", len(problems)), worst.What, worst.Remedy)
	case certgen.CloseToEnd(leaf, s.Now()):
		return warning("cert-close-to-end", fmt.Sprintf("%d days left", days), "it ends on "+leaf.NotAfter.UTC().Format("2006-01-02"), "packhouse cert rotate")
	case worst != nil:
		return warning(worst.Code, fmt.Sprintf("%d days left", days), worst.What, worst.Remedy)
	}
	return passed("%d names, each verified as a client would, %d days", len(s.Names.Strings()), days)
}

// lowSpace is the free space in bytes below which storage is worth a warning.
const lowSpace = 1 << 30

func proveStorage(ctx context.Context, s *session) Result {
	switch {
	case s.Config == nil:
		return notProven("the storage of a remote registry cannot be seen")
	case s.Config.Storage.Driver == config.InMemory:
		return warning("storage-inmemory", "in memory", "everything is lost when the server stops", "packhouse setup --storage filesystem")
	case s.Config.Storage.Driver == config.S3:
		return proveBucket(ctx, s)
	case s.Config.Storage.Driver != config.Filesystem:
		return notProven("free space of %s is not known here", s.Config.Storage.Driver)
	}
	root := s.Config.Storage.Filesystem.RootDirectory
	space, err := freeSpace(root)
	if err != nil {
		return failed("storage-missing", root, err.Error(), "create the directory for the user the server runs as")
	}
	seen := fmt.Sprintf("%s free in %s", humanize.IBytes(space.bytes), root)
	switch {
	case space.inodes == 0 && space.hasInodes:
		return failed("storage-inodes", seen, "no inodes are left", "delete small files there, or move the storage to a larger file system")
	case space.bytes < lowSpace/16:
		return failed("storage-full", seen, "the file system is full", "packhouse setup --storage-path names a larger place")
	case space.bytes < lowSpace:
		return warning("storage-space", seen, "less than 1 GiB is left", "make room, or move the storage to a larger file system")
	case s.done[roundTripID] == Passed:
		seen += ", written, read and deleted by the round trip"
	}
	return passed("%s", seen)
}
