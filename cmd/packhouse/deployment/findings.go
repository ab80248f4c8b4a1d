package deployment

import (
	"os"
	"strings"

	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/setup"
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

// RemedyUnreachable is the remedy if the running server cannot be queried.
const RemedyUnreachable = "run this as the user of the server, or as root"

// RemedyNoAnswer is the remedy if the process behind the admin socket does not answer as a server does.
const RemedyNoAnswer = "find the process that listens there (ss -xlp names it), read its log and restart it"

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
			found = append(found, setup.Warn(findingRestartPending, what, "restart the server"))
		}
	}
	if info, err := os.Stat(s.Config); s.Config != "" && err == nil && info.ModTime().After(loaded) {
		what := s.Config + " was changed since the server loaded it"
		found = append(found, setup.Warn(findingReloadPending, what, "run packhouse reload"))
	}
	return found
}
