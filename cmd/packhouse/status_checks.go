package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup/check"
)

// checksWithin is how long status waits for the checks. Unfinished checks are not proven.
const checksWithin = 10 * time.Second

// remedyUnreachable is the remedy if the running server cannot be queried.
const remedyUnreachable = "run this as the user of the server, or as root"

// findingOf returns a finding of status as a finding of the configuration check, so that check and
// status exit with the same code.
func findingOf(code, what, remedy string) config.Problem {
	return config.Problem{Code: code, Severity: config.Warning, What: what, Remedy: remedy}
}

// serverFindings returns what a running server reports about itself and needs attention, except
// /health.
func serverFindings(s *admin.Status) []finding { return append(faultFindings(s), reloadFindings(s)...) }

// faultFindings returns the faults that a running server reports, one for each line.
func faultFindings(s *admin.Status) []finding {
	var found []finding
	for _, fault := range s.Faults {
		for line := range strings.Lines(fault) {
			found = append(found, finding{Code: findingFault, What: strings.TrimSpace(line)})
		}
	}
	return found
}

// reloadFindings compares the configuration on disk with what a running server has loaded.
func reloadFindings(s *admin.Status) []finding {
	var found []finding
	loaded := s.StartedAt
	if last := s.Reload; last != nil {
		loaded = last.At
		if len(last.NeedsRestart) > 0 {
			found = append(found, finding{findingRestartPending, "changed settings need a restart: " + strings.Join(last.NeedsRestart, ", "), "restart the server"})
		}
	}
	if info, err := os.Stat(s.Config); s.Config != "" && err == nil && info.ModTime().After(loaded) {
		found = append(found, finding{findingReloadPending, fmt.Sprintf("%s was changed since the server loaded it", s.Config), "run packhouse reload"})
	}
	return found
}

// statusOfChecks runs the quick checks and adds what status does not report itself.
func (a *app) statusOfChecks(ctx context.Context, r *statusReport, s subject) {
	target, err := a.targetOf(ctx, s)
	if err != nil {
		return // status reports it already
	}
	ctx, cancel := context.WithTimeout(ctx, checksWithin)
	defer cancel()
	for _, result := range check.Run(ctx, target, nil).Results {
		if (result.Status == check.Failed || result.Status == check.Warning) && !r.covers(result) {
			r.add(result.Code, strings.TrimSuffix(result.Seen+": "+result.Cause, ": "), result.Remedy)
		}
	}
}

// covers reports whether the findings of a status already include a check's result.
func (r *statusReport) covers(result check.Result) bool {
	has := func(codes ...string) bool {
		return slices.ContainsFunc(r.Findings, func(f finding) bool { return slices.Contains(codes, f.Code) })
	}
	switch result.ID {
	case "configuration":
		return len(r.Findings) > 0
	case "certificate":
		return has(findingCertificate, config.CodeCertificate, result.Code)
	case "health":
		return has(findingNotRunning) || slices.ContainsFunc(r.Findings, func(f finding) bool { return strings.HasPrefix(f.Code, findingHealth+":") })
	case "port", "anonymous", "wrong-password", "users":
		return has(findingNotRunning, result.Code)
	}
	return has(result.Code)
}
