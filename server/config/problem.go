package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is the severity of a [Problem].
type Severity string

// Severities.
const (
	Error   Severity = "error"   // the server does not start
	Warning Severity = "warning" // the server starts, but the setting needs attention
	Notice  Severity = "notice"  // the server starts; the notice explains the setting
)

// Codes of problems. They are stable: scripts and the troubleshooting page refer to them.
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
	CodeClientNames      = "config-client-names"      // an entry of clientnames never matches
	CodeClientCA         = "config-client-ca"         // a certificate in clientcas verifies no client
	CodePlaceholder      = "config-placeholder"       // a value copied from documentation
	CodeCipherCBC        = "config-cipher-cbc"        // a cipher suite with CBC
	CodePlainPasswords   = "config-plain-passwords"   // passwords over plain HTTP, explicitly allowed
	CodeClientAuth       = "config-client-auth"       // clientauth verifies nothing
	CodeLockoutWeak      = "config-lockout-weak"      // the lockout permits very many guesses
	CodeLimitsHigh       = "config-limits-high"       // a limit so large that it protects nothing
	CodeHeadersRemoved   = "config-headers-removed"   // a protecting header is not sent
	CodeOriginPlain      = "config-origin-plain"      // a plain HTTP site may use a registry with TLS
	CodeRoleEveryone     = "config-role-everyone"     // every user is an admin or a writer
	CodeRulesNoReader    = "config-rules-no-reader"   // because of rules, users read nothing
	CodeRulesSomeReader  = "config-rules-some-reader" // because of rules, users read some repositories only
	CodePlainCredentials = "config-plain-credentials" // credentials of the server itself, sent unprotected
)

// Problem is one finding about a configuration: location, cause and remedy. It never contains the
// value of a secret.
type Problem struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`   // 1-based; 0: the whole file
	Column   int      `json:"column,omitempty"` // 1-based
	Key      string   `json:"key,omitempty"`    // path of the key: "http.tls.certificate"
	Variable string   `json:"variable,omitempty"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
	Meant    string   `json:"-"` // path of the key that an unknown one probably means; empty: none is similar
}

// String returns one line: location, cause, and after a semicolon the remedy.
func (p Problem) String() string {
	var b strings.Builder
	if where := p.Where(); where != "" {
		b.WriteString(where)
		b.WriteString(": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(p.Remedy)
	}
	return b.String()
}

// Where returns the location of the problem: the variable, or file:line:column as far as known.
func (p Problem) Where() string {
	switch {
	case p.Variable != "":
		return p.Variable
	case p.Line > 0 && p.Column > 0:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	case p.Line > 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return p.File
}

// Problems is the error type of [Load]: everything that prevents the server from starting, in file
// order, then the variables.
type Problems []Problem //nolint:errname // a list of findings first, and an error where it is returned as one

// Error returns all problems, one per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Variable, b.Variable), // "" first: the file
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
}

// quote formats user input for messages, truncated and escaped.
func quote(s string) string { return quoteUpTo(60, s) }

// quotePath formats a file path for messages, truncated only if extremely long.
func quotePath(s string) string { return quoteUpTo(500, s) }

func quoteUpTo(most int, s string) string {
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
