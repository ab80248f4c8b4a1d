package answer

import (
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/question"
)

// belongs describes the answers that conditional questions depend on.
var belongs = map[string]string{
	"san":       "a certificate that setup makes: --tls private-ca or self-signed",
	"key-type":  "a certificate that setup makes: --tls private-ca or self-signed",
	"cert-days": "a certificate that setup makes: --tls private-ca or self-signed",
	"subject":   "a certificate that setup makes: --tls private-ca or self-signed",
	"ca-permit": "--tls private-ca",
	"cert":      "--tls files",
	"key":       "--tls files", "tls-ca": "--tls files", "key-password": "--tls files with an encrypted key",
	"acme-email": "--tls letsencrypt", "acme-directory": "--tls letsencrypt", "acme-eab-kid": "--tls letsencrypt",
	"acme-eab-key": "--acme-eab-kid", "acme-ca": "--tls letsencrypt with a directory of your own",
	"storage-path": "--storage filesystem", "run-as": "--service systemd",
	"s3-ca-file":    "--storage s3 with an engine at https://",
	"s3-kms-key-id": "--storage s3 with --s3-encrypt", "s3-secret-key": "--s3-access-key",
}

// idle warns about flags that have no effect with the other answers. It skips confirmations, which
// scripts may always pass, and the wizard, where the other answers may still change.
func (r *resolver) idle() {
	if r.input.Quick {
		return
	}
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			if q.Asked == nil || q.Kind == question.Confirm || q.Asked(&r.answers) ||
				strings.HasPrefix(q.ID, "s3-") && !question.InBucket(&r.answers) { // refused elsewhere
				continue
			}
			for _, flag := range question.Flags() {
				if len(r.input.Flags[flag.Name]) == 0 || flag.Question != q.ID {
					continue
				}
				f := finding.Finding{
					Subject: finding.Subject{Question: q.ID, Flag: "--" + flag.Name}, Severity: finding.Warning,
					Code: setup.CodeConflict, What: "changes nothing here",
					Remedy: "it belongs to " + belongs[q.ID],
				}
				if q.ID == "cert" || q.ID == "key" { // a certificate that would not be used is probably a mistake
					f.Severity = finding.Refused
				}
				r.findings = append(r.findings, f)
			}
		}
	}
}
