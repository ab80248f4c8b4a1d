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

// remedyNoAnswer is the remedy if the process behind the admin socket does not answer as a server does.
const remedyNoAnswer = "find the process that listens there (ss -xlp names it), read its log and restart it"

// findingOf returns a finding in the form that check, status and config verify share.
func findingOf(code, what, remedy string) config.Problem {
	return config.Problem{Code: code, Severity: config.Warning, What: what, Remedy: remedy}
}

// serverFindings returns what a running server reports about itself and needs attention, except
// /health.
func serverFindings(s *admin.Status) []config.Problem {
	return append(faultFindings(s), reloadFindings(s)...)
}

// faultFindings returns the faults that a running server reports, one for each line.
func faultFindings(s *admin.Status) []config.Problem {
	var found []config.Problem
	for _, fault := range s.Faults {
		for line := range strings.Lines(fault) {
			found = append(found, findingOf(findingFault, strings.TrimSpace(line), ""))
		}
	}
	return found
}

// reloadFindings compares the configuration on disk with what a running server has loaded.
func reloadFindings(s *admin.Status) []config.Problem {
	var found []config.Problem
	loaded := s.StartedAt
	if last := s.Reload; last != nil {
		loaded = last.At
		if len(last.NeedsRestart) > 0 {
			found = append(found, findingOf(findingRestartPending, "changed settings need a restart: "+strings.Join(last.NeedsRestart, ", "), "restart the server"))
		}
	}
	if info, err := os.Stat(s.Config); s.Config != "" && err == nil && info.ModTime().After(loaded) {
		found = append(found, findingOf(findingReloadPending, fmt.Sprintf("%s was changed since the server loaded it", s.Config), "run packhouse reload"))
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
		if !r.covers(result) {
			r.Findings = append(r.Findings, findingsIn(result, target.Findings)...)
		}
	}
}

// findingsIn returns the findings of a check's result, none if the check passed. problems are those
// of the configuration.
func findingsIn(result check.Result, problems []config.Problem) []config.Problem {
	f := findingOf(
		result.Finding.Code, strings.TrimSuffix(result.Seen+": "+result.Finding.What, ": "), result.Finding.Remedy,
	)
	switch {
	case result.Status == check.Failed:
		f.Severity = config.Error
	case result.Status != check.Warning:
		return nil
	}
	if result.ID != "configuration" || len(problems) == 0 {
		return []config.Problem{f}
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p config.Problem) bool { return p.Severity == config.Notice })
}

// covers reports whether the findings of a status already include a check's result.
func (r *statusReport) covers(result check.Result) bool {
	has := func(codes ...string) bool {
		return slices.ContainsFunc(r.Findings, func(f config.Problem) bool { return slices.Contains(codes, f.Code) })
	}
	switch result.ID {
	case "configuration":
		return len(r.Findings) > 0
	case "certificate":
		return has(findingCertificate, config.CodeCertificate, result.Finding.Code)
	case "health":
		return has(findingNotRunning) || slices.ContainsFunc(r.Findings, func(f config.Problem) bool { return strings.HasPrefix(f.Code, findingHealth+":") })
	case "port", "anonymous", "wrong-password", "users":
		return has(findingNotRunning, result.Finding.Code)
	}
	return has(result.Finding.Code)
}
