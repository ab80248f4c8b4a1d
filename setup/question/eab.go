package question

import (
	"context"
	"errors"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/machine"
)

var errAccountRequired = errors.New("the directory requires an external account")

// EABKeyPath returns the path of the external account's key, or "" without an external account.
func (a *Answers) EABKeyPath() string {
	if a.EABKeyID == "" {
		return ""
	}
	return a.EABKeyFile
}

func eabKeyIDQuestion() *Question {
	return &Question{
		ID: "acme-eab-kid", Step: "tls", Title: "Account at the CA",
		Belongs: "--tls letsencrypt",
		Flags:   []Flag{textFlag("acme-eab-kid", "ID", "key ID of the external account that the ACME directory requires")},
		Asked: func(a *Answers) bool {
			return Ordered(a) && (!a.public() || a.EABKeyID != "")
		},
		Ask: "What is the key ID of your account at the CA?", Empty: "the CA requires none",
		Help: "Some CAs sign only for their customers: ZeroSSL, Google Trust Services, Sectigo, DigiCert. They give you a key ID and an HMAC key, with which the server " +
			"binds its ACME account to yours (external account binding, RFC 8555, section 7.3.4). Let's Encrypt requires none.",
		Probe:  probeAccount,
		Answer: func(a *Answers) *string { return &a.EABKeyID },
	}
}

func eabKeyQuestion() *Question {
	return &Question{
		ID: "acme-eab-key", Step: "tls", Title: "Key of the account", Kind: Path,
		Belongs: "--acme-eab-kid",
		Flags: []Flag{textFlag("acme-eab-key-file", "FILE",
			"file with the HMAC key of the external account that the ACME directory requires, base64url")},
		Asked: func(a *Answers) bool { return Ordered(a) && a.EABKeyID != "" },
		Ask:   "Which file holds the HMAC key of that account?",
		Help:  "A file with the key in one line, base64url, as the CA gave it to you. The server reads it in place when it opens its account, so it must stay, mode 0600.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if a.EABKeyFile == "" {
				return refused(setup.CodeMissing, "the file with the HMAC key of the account is missing", "give its path")
			}
			findings, regular := probeSecretFile(a.EABKeyFile, "the key of the account")
			if !regular {
				return findings
			}
			data, err := a.readServed(a.EABKeyFile)
			if err != nil {
				return append(findings, unreadable(err))
			}
			if _, err := config.ParseEABKey(data); err != nil {
				findings = append(findings, setup.Refuse(setup.CodeValue, a.EABKeyFile+" cannot be used: "+err.Error(),
					"write the HMAC key as the CA gave it to you, in one line"))
			}
			return findings
		},
		Answer: func(a *Answers) *string { return &a.EABKeyFile },
	}
}

// probeAccount reports a directory that requires an external account.
func probeAccount(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if a.Offline || a.EABKeyID != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.Within(acmeTimeout))
	defer cancel()
	if !errors.Is(askDirectory(ctx, a), errAccountRequired) {
		return nil // the ACME directory question reports other errors
	}
	return refusedf(setup.CodeEAB, "the ACME directory "+a.acmeDirectory()+" requires an account at its CA",
		"get a key ID and an HMAC key from the CA: %s %s",
		finding.Ref{Text: "--acme-eab-kid ID", Title: ByFlag("--acme-eab-kid").Title},
		finding.Ref{Text: "--acme-eab-key-file FILE", Title: ByFlag("--acme-eab-key-file").Title})
}
