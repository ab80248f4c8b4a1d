package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
)

// checksWithin is how long status waits for the checks. Unfinished checks are not proven.
const checksWithin = 10 * time.Second

// statusOfChecks runs the quick checks and adds what status does not report itself.
func statusOfChecks(ctx context.Context, a *cli.App, r *statusReport, s deployment.Subject) {
	target, err := deployment.TargetOf(ctx, a, s)
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
func findingsIn(result check.Result, problems []finding.Finding) []finding.Finding {
	f := setup.Warn(
		result.Finding.Code, strings.TrimSuffix(result.Seen+": "+result.Finding.What, ": "), result.Finding.Remedy,
	)
	switch {
	case result.Status == check.Failed:
		f.Severity = finding.Refused
	case result.Status != check.Warning:
		return nil
	}
	if result.ID != "configuration" || len(problems) == 0 {
		return []finding.Finding{f}
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p finding.Finding) bool { return p.Severity == finding.Note })
}

// covers reports whether the findings of a status already include a check's result.
func (r *statusReport) covers(result check.Result) bool {
	has := func(codes ...string) bool {
		return slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return slices.Contains(codes, f.Code) })
	}
	switch result.ID {
	case "configuration":
		return len(r.Findings) > 0
	case "certificate":
		return has(deployment.FindingCertificate, config.CodeCertificate, result.Finding.Code)
	case "health":
		return has(deployment.FindingNotRunning) || slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return strings.HasPrefix(f.Code, deployment.FindingHealth+":") })
	case "port", "anonymous", "wrong-password", "users":
		return has(deployment.FindingNotRunning, result.Finding.Code)
	}
	return has(result.Finding.Code)
}
