package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity grades a [Problem].
type Severity string

// Severities.
const (
	Error   Severity = "error"   // the server does not start
	Warning Severity = "warning" // it starts, and somebody should look at this
	Notice  Severity = "notice"  // it starts, and this is what the setting means here
)

// Codes of problems. They are stable: scripts and the troubleshooting page refer to them.
const (
	CodeRead        = "config-read"        // the file, or one that a variable names, cannot be read
	CodeSyntax      = "config-syntax"      // not YAML
	CodeLimit       = "config-limit"       // too large, too deep, too many values
	CodeIndentation = "config-indentation" // the indentation got lost
	CodeUnknownKey  = "config-unknown-key"
	CodeDuplicate   = "config-duplicate-key"
	CodeType        = "config-type"  // text where a number belongs, and the like
	CodeValue       = "config-value" // of the right type, but not permitted
	CodeMissing     = "config-missing"
	CodeConflict    = "config-conflict"    // two settings that exclude each other
	CodeUnsupported = "config-unsupported" // known, and refused by name
	CodeOpen        = "config-open"        // open to the network without protection
	CodeVariable    = "config-variable"    // the name of a REGISTRY_* variable
	CodeMeaning     = "config-meaning"     // accepted; says what it means here
	CodeFile        = "config-file"        // a file that the configuration names is missing or of the wrong kind
	CodeUnsafe      = "path-unsafe"        // users who must not can write a file or a directory above it
	CodeRights      = "config-rights"      // a file or directory has the wrong rights
	CodeCertificate = "config-certificate" // certificate or key is bad, or they do not fit
	CodeUsers       = "config-users"       // the htpasswd file
	CodeStorage     = "config-storage"     // the storage cannot be written
	CodePort        = "config-port"        // an address cannot be bound

	CodeDebugOpen        = "config-debug-open"        // metrics and pprof beyond loopback
	CodeProxiesAll       = "config-proxies-all"       // http.trustedproxies covers every address
	CodeClientNames      = "config-client-names"      // an entry of clientnames never matches
	CodeClientCA         = "config-client-ca"         // a certificate in clientcas verifies no client
	CodePlaceholder      = "config-placeholder"       // a value copied from documentation
	CodeCipherCBC        = "config-cipher-cbc"        // a cipher suite with CBC
	CodePlainPasswords   = "config-plain-passwords"   // passwords over plain HTTP, confirmed
	CodePlainCredentials = "config-plain-credentials" // credentials of the server itself, unprotected
)

// Problem is one thing worth telling about a configuration: where it is, what is wrong, what to do. It never holds the value of a secret.
type Problem struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`   // from 1; 0: the whole file
	Column   int      `json:"column,omitempty"` // from 1
	Key      string   `json:"key,omitempty"`    // path of the key: "http.tls.certificate"
	Variable string   `json:"variable,omitempty"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
	Meant    string   `json:"-"` // path of the key that an unknown one most probably means; empty: none comes close
}

// String returns one line: where, what, and after a semicolon the remedy.
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

// Where returns the place of the problem: the variable, or file:line:column as far as known.
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

// Problems is what [Load] returns as its error: everything that keeps the server from starting, in the order of the file, then the
// variables.
type Problems []Problem //nolint:errname // a list of findings first, and an error where it is returned as one

// Error lists all problems, one a line.
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

// quote shows something that a person wrote, short and without control characters.
func quote(s string) string { return quoteUpTo(60, s) }

// quotePath shows the path of a file: whole, but for absurd ones.
func quotePath(s string) string { return quoteUpTo(500, s) }

func quoteUpTo(most int, s string) string {
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
