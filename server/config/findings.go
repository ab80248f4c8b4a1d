package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
)

// Codes of findings. They are stable: scripts and the troubleshooting page refer to them.
const (
	CodeRead        = "config-read"        // the file, or one named by a variable, cannot be read
	CodeSyntax      = "config-syntax"      // not YAML
	CodeLimit       = "config-limit"       // too large, too deep, too many values
	CodeIndentation = "config-indentation" // the indentation was lost
	CodeUnknownKey  = "config-unknown-key"
	CodeDuplicate   = "config-duplicate-key"
	CodeType        = "config-type"  // such as text instead of a number
	CodeValue       = "config-value" // right type, invalid value
	CodeMissing     = "config-missing"
	CodeConflict    = "config-conflict"    // two settings that exclude each other
	CodeUnsupported = "config-unsupported" // known but refused
	CodeOpen        = "config-open"        // open to the network without protection
	CodeVariable    = "config-variable"    // an invalid REGISTRY_* variable name
	CodeMeaning     = "config-meaning"     // accepted; explains the effect here
	CodeFile        = "config-file"        // a file named in the configuration is missing or of the wrong type
	CodeUnsafe      = "path-unsafe"        // other users can write to a file or a directory above it
	CodeRights      = "config-rights"      // a file or directory has the wrong permissions
	CodeCertificate = "config-certificate" // the certificate or key is invalid, or they do not match
	CodeUsers       = "config-users"       // the htpasswd file
	CodeStorage     = "config-storage"     // the storage cannot be written
	CodePort        = "config-port"        // an address cannot be bound
	CodeConditions  = "bucket-conditions"  // the S3-compatible storage lacks something

	CodeDebugOpen        = "config-debug-open"        // metrics and pprof beyond loopback
	CodeProxiesAll       = "config-proxies-all"       // http.trustedproxies covers every address
	CodeProxiesHost      = "config-proxies-host"      // a proxy on this machine is refused without http.host
	CodeClientNames      = "config-client-names"      // an entry of clientnames never matches
	CodeClientCA         = "config-client-ca"         // a certificate in clientcas verifies no client
	CodeClientCABundle   = "config-client-ca-bundle"  // a file in clientcas has very many CAs
	CodePlaceholder      = "config-placeholder"       // a value copied from documentation
	CodeCipherCBC        = "config-cipher-cbc"        // a cipher suite with CBC
	CodePlainPasswords   = "config-plain-passwords"   // passwords over plain HTTP, explicitly allowed
	CodeClientAuth       = "config-client-auth"       // clientauth verifies nothing
	CodeLockoutWeak      = "config-lockout-weak"      // the lockout permits very many guesses
	CodeLockoutLong      = "config-lockout-long"      // wrong passwords of others keep a user out for hours
	CodeHashCostly       = "config-hash-costly"       // a hash whose comparison takes very long
	CodeHashWeak         = "config-hash-weak"         // a hash that can be guessed quickly
	CodeLimitsHigh       = "config-limits-high"       // a limit so large that it protects nothing
	CodeHeadersRemoved   = "config-headers-removed"   // a protecting header is not sent
	CodeOriginPlain      = "config-origin-plain"      // a plain HTTP site may use a registry with TLS
	CodeRoleEveryone     = "config-role-everyone"     // every user is an admin or a writer
	CodeRulesNoReader    = "config-rules-no-reader"   // because of rules, users read nothing
	CodeRulesSomeReader  = "config-rules-some-reader" // because of rules, users read some repositories only
	CodePlainCredentials = "config-plain-credentials" // credentials of the server itself, sent unprotected
)

// Findings are findings about a configuration. As the error of [Load], they are everything that
// prevents the server from starting, in file order, then the variables.
type Findings []finding.Finding //nolint:errname // a list of findings first, and an error where it is returned as one

// FindingsOf returns the findings of an error of [Load] for the file path. They are nil if err is nil.
func FindingsOf(path string, err error) Findings {
	if err == nil {
		return nil
	}
	if findings, ok := errors.AsType[Findings](err); ok {
		return findings
	}
	return Findings{{
		Code: CodeRead, Severity: finding.Refused, What: err.Error(), Subject: finding.Subject{File: path},
	}}
}

// Error returns all findings, one per line.
func (fs Findings) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// MarshalJSON encodes the findings as check, status and config verify print them.
func (fs Findings) MarshalJSON() ([]byte, error) {
	return finding.MarshalList(fs, func(f finding.Finding) finding.JSON {
		j := f.JSON()
		j.Severity = finding.Severity(Label(f.Severity))
		return j
	})
}

// Label returns the word for a severity in messages about a configuration.
func Label(severity finding.Severity) string {
	if severity == finding.Note {
		return "notice"
	}
	return string(severity)
}

func (fs Findings) sort() {
	slices.SortStableFunc(fs, func(a, b finding.Finding) int {
		return cmp.Or(
			cmp.Compare(a.Variable, b.Variable), // "" first: the file
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
}

// Quote formats user input for messages, truncated and escaped.
func Quote(s string) string { return quoteUpTo(60, s) }

// QuotePath formats a file path for messages, truncated only if extremely long.
func QuotePath(s string) string { return quoteUpTo(500, s) }

func quoteUpTo(most int, s string) string {
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
