package acme

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/acme"
)

// problemPrefix is the prefix of the problem types that RFC 8555, section 6.7, defines.
const problemPrefix = "urn:ietf:params:acme:error:"

// problems returns the CA's problem documents in an error, in order.
func problems(err error) []*acme.Error {
	var found []*acme.Error
	switch e := err.(type) { //nolint:errorlint // the tree is walked here, joined errors and all
	case *acme.Error:
		return []*acme.Error{e}
	case *acme.AuthorizationError:
		for _, inner := range e.Errors {
			found = append(found, problems(inner)...)
		}
	case *acme.OrderError:
		if e.Problem != nil {
			found = append(found, e.Problem)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			found = append(found, problems(inner)...)
		}
	case interface{ Unwrap() error }:
		return problems(e.Unwrap())
	}
	return found
}

// problemType returns the type of the first problem, without the prefix: "rateLimited", "dns",
// "connection", …
func problemType(err error) string {
	if all := problems(err); len(all) > 0 {
		return strings.TrimPrefix(all[0].ProblemType, problemPrefix)
	}
	return ""
}

// heard reports whether the CA refused a request, as opposed to not responding.
func heard(err error) bool {
	for _, p := range problems(err) {
		if p.StatusCode < http.StatusInternalServerError && p.ProblemType != problemPrefix+"serverInternal" {
			return true
		}
	}
	if _, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		return true
	}
	_, ok := errors.AsType[*acme.OrderError](err)
	return ok
}

// patience returns how long the CA asks to wait.
func patience(err error) time.Duration {
	var longest time.Duration
	for _, p := range problems(err) {
		if wait, limited := acme.RateLimit(p); limited {
			longest = max(longest, wait, afterRefusal)
		}
	}
	return longest
}

// maxReason is the maximum size of a stored reason in bytes.
const maxReason = 1000

// reason describes a failure for people: for problems from the CA, verbatim with the problem type.
func reason(err error) string {
	var said []string
	for _, p := range problems(err) {
		words := []string{p.Detail}
		for _, sub := range p.Subproblems {
			words = append(words, sub.Detail)
		}
		sentence := strings.Join(words, "; ")
		if t := strings.TrimPrefix(p.ProblemType, problemPrefix); t != "" {
			sentence += " (" + t + ")"
		}
		said = append(said, sentence)
	}
	text := err.Error()
	if len(said) > 0 {
		text = "the CA said: " + strings.Join(said, "; and: ")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' ' // external text that is printed on terminals
	}, text)
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}
