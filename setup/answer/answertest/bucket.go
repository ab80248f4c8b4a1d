package answertest

import (
	"context"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/answer"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
)

// Checks are the checks of a bucket, in their order.
var Checks = []string{
	"settings", "name", "connection", "tls", "clock", "signature", "region", "bucket", "list", "put", "get", "multipart",
	"conditions", "delete",
}

// Engine is an S3-compatible storage.
type Engine struct {
	Fails string             // the check that fails
	Asked []config.S3Storage // the settings of each trial
}

// Try implements [machine.Machine.TryStorage].
func (e *Engine) Try(_ context.Context, s config.Storage) []finding.Trial {
	e.Asked = append(e.Asked, s.S3)
	var trials []finding.Trial
	failed := false
	for _, check := range Checks {
		trial := finding.Trial{
			Finding: finding.Finding{
				Subject: finding.Subject{Check: check}, What: check + " was tried",
				Remedy: "correct " + check,
			},
			Tried: !failed, Passed: !failed && check != e.Fails,
		}
		failed = failed || !trial.Passed
		trials = append(trials, trial)
	}
	return trials
}

// BucketMachine returns a machine whose storage fails one check; empty: none.
func BucketMachine(t *testing.T, fails string) (*machine.Machine, *Engine) {
	t.Helper()
	m, e := machinetest.New(t, &machinetest.Host{}), &Engine{Fails: fails}
	m.TryStorage = e.Try
	return m, e
}

// BucketFlags returns the flags of a bucket.
func BucketFlags(t *testing.T, secret string) answer.Values {
	t.Helper()
	return answer.Values{
		"storage": {"s3"}, "s3-bucket": {"registry"}, "s3-endpoint": {"https://minio.example:9000"},
		"s3-access-key":      {"KEYID"},
		"s3-secret-key-file": {WriteFile(t, []byte(secret+"\n"), 0o600)},
	}
}
