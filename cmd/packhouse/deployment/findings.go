package deployment

import (
	"os"
	"strings"

	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/setup"
	"packhouse/trust"
)

// Codes of findings, besides those of configuration problems. They are stable.
const (
	FindingNotRunning     = "not-running"
	FindingUnreachable    = "not-reachable"
	FindingHealth         = "health" // followed by : and the code of /health
	FindingFault          = "fault"
	findingReloadPending  = "reload-pending"
	findingRestartPending = "restart-pending"
	FindingCertificate    = "certificate-ends"
)

// AsRoot returns the remedy if this user may not query the running server: the subcommand for the
// configuration at path, as root.
func AsRoot(subcommand, path string) string {
	return "run sudo " + Command(subcommand, path)
}

// Command returns the subcommand for the configuration at path, which may be empty.
func Command(subcommand, path string) string {
	return strings.TrimSpace("packhouse " + subcommand + " " + absoluteWord(path))
}

// absoluteWord returns a path for a command that runs in any directory, or "" for an empty path.
func absoluteWord(path string) string {
	if path == "" {
		return ""
	}
	if absolute, err := trust.Abs(path); err == nil {
		path = absolute
	}
	return setup.Shell(path)
}

// NoAnswer returns the remedy if the process behind the admin socket does not answer as the server of
// the configuration at path does.
func NoAnswer(path string) string {
	s := ServerOf(path, 0)
	return s.ReadLog() + ", then " + s.Restart() + "; if another process listens there, find it with " +
		s.Root("ss -xlp")
}

// serverFindings returns what a running server reports about itself and needs attention, except
// /health.
func serverFindings(s *admin.Status) []finding.Finding {
	return append(FaultFindings(s), ReloadFindings(s)...)
}

// FaultFindings returns the faults that a running server reports, one for each line.
func FaultFindings(s *admin.Status) []finding.Finding {
	var found []finding.Finding
	for _, fault := range s.Faults {
		for line := range strings.Lines(fault) {
			found = append(found, setup.Warn(FindingFault, strings.TrimSpace(line), ""))
		}
	}
	return found
}

// ReloadFindings compares the configuration on disk with what a running server has loaded.
func ReloadFindings(s *admin.Status) []finding.Finding {
	var found []finding.Finding
	loaded := s.StartedAt
	if last := s.Reload; last != nil {
		loaded = last.At
		if len(last.NeedsRestart) > 0 {
			what := "changed settings need a restart: " + strings.Join(last.NeedsRestart, ", ")
			found = append(found, setup.Warn(findingRestartPending, what, ServerOf(s.Config, s.PID).Restart()))
		}
	}
	if info, err := os.Stat(s.Config); s.Config != "" && err == nil && info.ModTime().After(loaded) {
		what := s.Config + " was changed since the server loaded it"
		found = append(found, setup.Warn(findingReloadPending, what, "run packhouse reload"))
	}
	return found
}
