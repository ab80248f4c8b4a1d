package cli

import (
	"packhouse/server/config"
)

// FindingOf returns a finding in the form that check, status and config verify share.
func FindingOf(code, what, remedy string) config.Problem {
	return config.Problem{Code: code, Severity: config.Warning, What: what, Remedy: remedy}
}
